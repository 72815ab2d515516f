import { create } from '@bufbuild/protobuf';
import { createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { DeleteRequestSchema, KVStore, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { textOfDelete, textOfSet } from '#master/request-text.ts';
import type { SetCommand } from '#model/commands.ts';
import type { WriteId } from '#model/write-id.ts';
import { toKeysDelete, toKeysSet } from '#server/keys-request.ts';
import { EPOCH } from '#test/server/fake-node.ts';
import { http1, rpc, start } from '#test/server/running.ts';
import { toDeleteCommand, toSetCommand } from '#wire/kv-codec.ts';

const TRANSPORTS: readonly [string, (baseUrl: string) => Transport][] = [
  ['Connect with protobuf', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' })],
  [
    'Connect with JSON',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  ],
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl, idleConnectionTimeoutMs: 10 })],
  ['gRPC-Web', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
];

/** The highest bit is set, so that a signed number would show. */
const CLIENT = 2n ** 63n + 9n;
const SINCE = { epoch: BigInt(EPOCH), lsn: 3n };

describe.each(TRANSPORTS)('a name over %s', (_, createTransport) => {
  it('reaches the node with every kind of write, and the answer says what was repeated', async () => {
    const running = await start();
    const store = createClient(KVStore, createTransport(running.baseUrl));
    let sequence = 0n;
    const name = () => ({
      clientId: CLIENT,
      sequence: ++sequence,
      answeredThrough: sequence - 1n,
      since: SINCE,
    });
    const expiry = { case: 'expireAtMs', value: 4_102_444_800_000n } as const;
    const writes = [
      (given: ReturnType<typeof name>) => store.set({ key: 'k', ...given }),
      (given: ReturnType<typeof name>) => store.touch({ key: 'k', expiry, ...given }),
      (given: ReturnType<typeof name>) => store.delete({ key: 'k', ...given }),
      (given: ReturnType<typeof name>) => store.increment({ key: 'n', ...given }),
      (given: ReturnType<typeof name>) => {
        const operation = { case: 'increment', value: { key: 'n' } } as const;
        return store.batch({ atomic: true, operations: [{ operation }], ...given });
      },
      async (given: ReturnType<typeof name>) => {
        const operation = { case: 'increment', value: { key: 'n' } } as const;
        const { results } = await store.batch({ operations: [{ operation }], ...given });
        const answer = results[0]?.result.value as { repeated?: boolean } | undefined;
        return { repeated: answer?.repeated };
      },
    ];
    for (const write of writes) {
      const given = name();
      expect([(await write(given)).repeated, (await write(given)).repeated]).toEqual([false, true]);
    }
    const ids = running.node.calls.map(({ port, argument, extra }) =>
      port === 'namedBatch' ? extra : (argument as { id: WriteId }).id,
    );
    expect(ids).toEqual(
      [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6].map((number) => ({
        name: { kind: 'client', clientId: CLIENT, sequence: number, index: 0, answeredThrough: number - 1 },
        since: { epoch: EPOCH, lsn: 3 },
      })),
    );
  });

  it('stands on the operations of a plain Batch, too', async () => {
    const running = await start();
    const store = createClient(KVStore, createTransport(running.baseUrl));
    const operations = [
      { operation: { case: 'set', value: { key: 'k', requestId: 'r' } } },
      { operation: { case: 'get', value: { key: 'k' } } },
      { operation: { case: 'increment', value: { key: 'n', clientId: 7n, sequence: 1n } } },
    ] as const;
    await store.batch({ operations: [...operations] });
    const { results } = await store.batch({ operations: [...operations] });
    const repeated = results.map(({ result }) => (result.value as { repeated?: boolean }).repeated);
    expect(repeated).toEqual([true, undefined, true]);
  });
});

const BAD: readonly [string, string, object, string][] = [
  [
    'a name of a plain batch with a read',
    'Batch',
    { operations: [{ set: { key: 'k' } }, { get: { key: 'k' } }], clientId: '7', sequence: '1' },
    'operations[1] is a get: expected writes only',
  ],
  [
    'a name of a plain batch, and one of its operations',
    'Batch',
    { operations: [{ set: { key: 'k', requestId: 'r' } }], requestId: 'b' },
    'operations[0] has a name, and so has the batch',
  ],
  [
    'a name of a plain batch with an operation that cannot be read',
    'Batch',
    { operations: [{ set: { key: 'k' } }, { set: { key: '' } }], requestId: 'b' },
    'operations[1]: ',
  ],
  [
    'sequence on a plain batch',
    'Batch',
    { operations: [{ set: { key: 'k' } }], sequence: '7' },
    'sequence is given without client_id',
  ],
  [
    'durability on a plain batch',
    'Batch',
    { operations: [{ set: { key: 'k' } }], requestId: 'b', durability: 'DURABILITY_LOCAL' },
    'durability is for atomic',
  ],
  [
    'two names',
    'Set',
    { key: 'k', requestId: 'r', clientId: '7', sequence: '1' },
    'request_id and client_id',
  ],
  ['a client without a number', 'Delete', { key: 'k', clientId: '7' }, 'sequence is 0'],
  [
    'a number without a client',
    'Increment',
    { key: 'k', sequence: '1' },
    'sequence is given without client_id',
  ],
  [
    'an answer without a client',
    'Delete',
    { key: 'k', requestId: 'r', answeredThrough: '1' },
    'answered_through is given without client_id',
  ],
  [
    'an answer to what is sent only now',
    'Set',
    { key: 'k', clientId: '7', sequence: '5', answeredThrough: '5' },
    'answered_through is 5: expected a number below the sequence 5',
  ],
  [
    'too high a number',
    'Set',
    { key: 'k', clientId: '7', sequence: `${2n ** 53n}` },
    'sequence is 9007199254740992: expected a whole number from 1 to 9007199254740991',
  ],
  [
    'too long a time to live',
    'Set',
    { key: 'k', ttlMs: `${2n ** 53n}` },
    'ttl_ms is 9007199254740992: expected a whole number from 1 to 9007199254740991',
  ],
  ['a position without a name', 'Set', { key: 'k', since: { lsn: '1' } }, 'since is given without a name'],
  ['no position', 'Set', { key: 'k', requestId: 'r', since: {} }, 'since has the LSN 0'],
  [
    'a client id within an atomic batch',
    'Batch',
    { atomic: true, operations: [{ set: { key: 'k', clientId: '7', sequence: '1' } }] },
    'operations[0]: client_id is set',
  ],
];

describe('fields of names that do not go together', () => {
  it.each(BAD)('%s: INVALID_ARGUMENT naming it, and nothing was done', async (_, method, body, expected) => {
    const running = await start();
    const answer = await rpc(running, `KVStore/${method}`, body);
    expect(answer.json).toMatchObject({
      code: 'invalid_argument',
      details: [{ type: 'walnut.v1.Refusal' }],
      message: expect.stringContaining(expected),
    });
    expect(running.node.calls).toEqual([]);
  });
});

describe('a request id of the keys routes', () => {
  it('is said to be repeated in a header, and a PUT does not claim that the key was new', async () => {
    const running = await start();
    const put = () => http1(running, 'PUT', '/v1/keys/k?request_id=r', { body: 'v' });
    const first = await put();
    expect([first.status, first.headers['x-walnut-repeated']]).toEqual([201, undefined]);
    const again = await put();
    expect([again.status, again.headers['x-walnut-repeated']]).toEqual([204, 'true']);
  });

  it('names the write that a Set names which returns the previous value, and no plain Set', () => {
    const value = Buffer.from('v');
    const set = (returnPrevious: boolean): SetCommand =>
      toSetCommand(create(SetRequestSchema, { key: 'k', value, returnPrevious, requestId: 'r' }), 1_000);
    const put = textOfSet({ ...toKeysSet('k', 'request_id=r'), value });
    expect([textOfSet(set(true)), textOfSet(set(false))]).toEqual([put, expect.not.arrayContaining([true])]);
    expect(textOfDelete(toKeysDelete('k', 'request_id=r'))).toEqual(
      textOfDelete(toDeleteCommand(create(DeleteRequestSchema, { key: 'k', requestId: 'r' }))),
    );
  });
});
