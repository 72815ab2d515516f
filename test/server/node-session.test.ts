/** What a session has seen, at a node: its own group's is shown, or refused; others say nothing of it. */
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position as PositionMessage } from '#gen/walnut/v1/types_pb.ts';
import type { GetCommand } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { formatPosition, type Position, toLsn } from '#model/position.ts';
import { http1, type PlainAnswer, type Running, start } from '#test/server/running.ts';

const SEEN = 'x-walnut-positions';

/** The positions that Gets of the node asked for. */
function askedOf({ node }: Running): Position[] {
  return node.calls.flatMap(({ argument }) => (argument as Partial<GetCommand>).atLeast ?? []);
}

async function open(group: string) {
  const running = await start({ group: () => group });
  const get = (seen: string, path = '/v1/keys/k'): Promise<PlainAnswer> =>
    http1(running, 'GET', path, { headers: { [SEEN]: seen } });
  return { running, get };
}

describe('a node of a cluster', () => {
  it('shows what the session has seen of its group, and hears of no other', async () => {
    const { running, get } = await open('g1');
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: 'x', headers: { [SEEN]: 'g2=7-7' } });
    const own = String(put.headers['x-walnut-position']);
    expect(put.headers[SEEN]).toBe(`g2=7-7,g1=${own}`);
    const answer = await get(String(put.headers[SEEN]));
    expect([answer.status, answer.headers[SEEN]]).toEqual([
      200,
      `g2=7-7,g1=${String(answer.headers['x-walnut-as-of'])}`,
    ]);
    expect(askedOf(running).map(formatPosition)).toEqual([own]);
  });

  it('proves what no read has proven, and forgets the group where it is lost', async () => {
    const { running, get } = await open('g1');
    running.node.hold = async () => {
      if (askedOf(running).at(-1)?.epoch === 4) throw new WalnutError('discarded_history', 'gone');
    };
    const lost = await get('g2=7-7,g1=4-9,g1=4294967300-1');
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, 'g2=7-7']);
    expect(askedOf(running)).toEqual([{ epoch: 4, lsn: toLsn(9) }]);
  });

  it('keeps its group where a Get of a Batch names a position that is lost, and forgets it where an atomic Batch has lost it', async () => {
    const { running } = await open('g1');
    const { keyValue } = running.node.ports;
    const gone = new WalnutError('discarded_history', 'gone');
    keyValue.batch = async () => [{ kind: 'error', error: gone }];
    keyValue.atomicBatch = async () => {
      throw gone;
    };
    const ask = (get: object, atomic: boolean): Promise<PlainAnswer> =>
      http1(running, 'POST', '/walnut.v1.KVStore/Batch', {
        headers: { 'content-type': 'application/json', [SEEN]: 'g2=7-7,g1=4-9' },
        body: JSON.stringify({ operations: [{ get: { key: 'k', ...get } }], atomic }),
      });
    const own = { atLeast: { epoch: '5', lsn: '1' } };
    expect((await ask(own, false)).headers[SEEN]).toBe('g2=7-7,g1=4-9');
    expect((await ask({}, false)).headers[SEEN]).toBe('g2=7-7');
    expect((await ask(own, true)).headers[SEEN]).toBeUndefined();
    expect((await ask({}, true)).headers[SEEN]).toBe('g2=7-7');
  });

  it('tells a session that only scans once what is lost, and keeps no position that a page has shown', async () => {
    const { running, get } = await open('g1');
    const { keyValue } = running.node.ports;
    const { awaitDurable } = keyValue;
    keyValue.awaitDurable = async (command, signal) => {
      if (command.position.epoch === 4) throw new WalnutError('discarded_history', 'gone');
      return awaitDurable(command, signal);
    };
    const lost = await get('g2=7-7,g1=4-9', '/v1/keys');
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, 'g2=7-7']);
    await http1(running, 'PUT', '/v1/keys/k', { body: 'x' });
    const shown = await get('g2=7-7,g1=3-9', '/v1/keys');
    expect(shown.status).toBe(200);
    expect(shown.headers[SEEN]).toMatch(/^g2=7-7,g1=[0-9]+-[0-9]+$/);
    expect(shown.headers[SEEN]).not.toContain('g1=3-9');
  });

  it('refuses a page that is older than what the session has seen', async () => {
    const { get } = await open('g1');
    const answer = await get(`g1=${2 ** 52}-900000`, '/v1/keys');
    expect([answer.status, answer.text]).toEqual([
      503,
      expect.stringContaining('is behind what the session has seen'),
    ]);
  });
});

const NEVER = { case: 'expireAtMs' as const, value: 0n };

/** Every call whose answer has a position of the state, and how to find that. */
const CALLS: Readonly<Record<string, (keys: Client<typeof KVStore>, options: object) => Promise<unknown[]>>> =
  {
    Set: async (keys, options) => [(await keys.set({ key: 'k' }, options)).position],
    Get: async (keys, options) => [(await keys.get({ key: 'k' }, options)).asOf],
    Increment: async (keys, options) => [(await keys.increment({ key: 'n', delta: 1n }, options)).position],
    Touch: async (keys, options) => [(await keys.touch({ key: 'k', expiry: NEVER }, options)).position],
    Delete: async (keys, options) => [(await keys.delete({ key: 'k' }, options)).position],
    Batch: async (keys, options) => {
      const [key, delta] = ['b', 1n];
      const operations = [
        { operation: { case: 'set' as const, value: { key } } },
        { operation: { case: 'get' as const, value: { key } } },
        { operation: { case: 'delete' as const, value: { key } } },
        { operation: { case: 'increment' as const, value: { key, delta } } },
      ];
      const { results } = await keys.batch({ operations }, options);
      return results.map(({ result }) =>
        result.case === 'get' ? result.value.asOf : positionOf(result.value),
      );
    },
    Scan: async (keys, options) => [(await keys.scan({}, options)).asOf],
    DeletePrefix: async (keys, options) => [(await keys.deletePrefix({ prefix: 'x' }, options)).position],
    Explain: async (keys, options) => [(await keys.explain({ key: 'k' }, options)).asOf],
    AwaitDurable: async (keys, options) => {
      const { asOf: position } = await keys.get({ key: 'k' });
      return [(await keys.awaitDurable({ position: position as PositionMessage }, options)).durable];
    },
  };

function positionOf(answer: unknown): unknown {
  return (answer as { readonly position: unknown }).position;
}

describe.each([
  ['JSON', { httpVersion: '1.1', useBinaryFormat: false }, createConnectTransport],
  ['protobuf', { httpVersion: '2', useBinaryFormat: true }, createConnectTransport],
  ['gRPC', {}, createGrpcTransport],
] as const)('a node of a cluster names its group by %s', (_, how, createTransport) => {
  it.each(Object.keys(CALLS))(
    'in the positions of an answer of %s to a session, and to no other call',
    async (rpc) => {
      const { running } = await open('g1');
      const transport = createTransport({ ...how, baseUrl: running.baseUrl } as never);
      const keys = createClient(KVStore, transport);
      await keys.set({ key: 'k' });
      const told: (string | null)[] = [];
      const onHeader = (headers: Headers): void => {
        told.push(headers.get(SEEN));
      };
      const call = CALLS[rpc] as (typeof CALLS)[string];
      const groups = async (options: object): Promise<string[]> =>
        (await call(keys, { ...options, onHeader })).map((position) => (position as PositionMessage).group);
      expect(new Set(await groups({ headers: { [SEEN]: '' } }))).toEqual(new Set(['g1']));
      expect(new Set(await groups({}))).toEqual(new Set(['']));
      // What is durable is no state that the session has seen.
      const seen = rpc === 'AwaitDurable' ? null : expect.stringMatching(/^g1=\d+-\d+$/);
      expect(told).toEqual([seen, null]);
    },
  );
});

describe('what a caller without a session sees in /v1/keys', () => {
  it.each([
    ['g1', /^g1=\d+-\d+$/],
    ['', undefined],
  ])('of a node of group %j', async (group, told) => {
    const running = await start({ group: () => group });
    const header = told === undefined ? undefined : expect.stringMatching(told);
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: 'x' });
    expect(put.headers[SEEN]).toEqual(header);
    for (const path of ['/v1/keys/k', '/v1/keys/missing', '/v1/keys']) {
      const answer = await http1(running, 'GET', path);
      expect([path, answer.headers[SEEN]]).toEqual([path, header]);
    }
  });
});

describe('by name are refused', () => {
  it.each(['/v1/keys/k', '/v1/keys', '/v1/watch'])(
    'positions at %s of a node of no cluster',
    async (path) => {
      const { running, get } = await open('');
      expect(await get('g1=1-1', path)).toMatchObject({
        status: 400,
        text: expect.stringContaining('this node is in none: expected at_least'),
      });
      expect(running.node.calls).toEqual([]);
    },
  );

  it('a choice of the node that reads, at a node', async () => {
    const running = await start({ group: () => 'g1' });
    const headers = { 'x-walnut-read-from': 'replica' };
    const answer = await http1(running, 'GET', '/v1/keys/k', { headers });
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringContaining('call the one that is to answer'),
    ]);
  });
});
