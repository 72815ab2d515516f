/** How often a value is in memory on its way through the edge. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { SetCommand, WriteAnswer } from '#model/commands.ts';
import { NO_PEER } from '#rpc/peer.ts';
import { anonymousCall } from '#rpc/rpc-call.ts';
import { KeysCall } from '#server/keys-call.ts';
import { getKey } from '#server/keys-read.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { positionOf } from '#test/server/fake-node.ts';
import { http1, start, until } from '#test/server/running.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const WRITTEN: WriteAnswer = {
  applied: true,
  position: positionOf(1),
  previous: undefined,
  current: undefined,
  durabilityReached: 'local',
  replicasAcked: 1,
};
/** A value of several pieces, which are put together. */
const VALUE = Buffer.alloc(200_000, 'v');

describe('a value that is put', () => {
  it.each([
    ['with its length', {}],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
    ['on one condition', { 'if-match': '*' }],
  ])('%s is not kept by the edge while the node waits for replicas', async (_name, headers) => {
    const running = await start({ valueBytesMax: 1 << 20 });
    const answer = Promise.withResolvers<WriteAnswer>();
    let kept: WeakRef<Uint8Array> | undefined;
    const set = (command: SetCommand): Promise<WriteAnswer> => {
      expect(Buffer.from(command.value).equals(VALUE)).toBe(true);
      kept = new WeakRef(command.value);
      return answer.promise;
    };
    Object.assign(running.node.ports.keyValue, { set });
    const put = http1(running, 'PUT', '/v1/keys/k?min_acks=1', { headers, body: VALUE });
    await until(() => kept !== undefined);
    for (let i = 0; i < 60 && kept?.deref() !== undefined; i++) {
      await new Promise(setImmediate);
      collect();
    }
    expect(kept?.deref()).toBeUndefined();
    answer.resolve(WRITTEN);
    expect((await put).status).toBe(201);
  });

  it('is kept as long as another try may need it', async () => {
    const running = await start({ valueBytesMax: 1 << 20 });
    await http1(running, 'PUT', '/v1/keys/k', { body: 'old' });
    const tags = { 'if-match': '"4294967297-9", "4294967297-1"' };
    const tried = await http1(running, 'PUT', '/v1/keys/k', { headers: tags, body: VALUE });
    expect(tried.status).toBe(204);
    expect(Buffer.from(running.node.entries.get('k')?.value ?? []).equals(VALUE)).toBe(true);
  });
});

it.each([
  ['whole', {}, 0, 900_000],
  ['in part', { range: 'bytes=7-99' }, 7, 93],
])('a value that is got %s is written from where the node has it', async (_name, headers, from, bytes) => {
  const value = new Uint8Array(900_000).fill(7);
  const entry = { key: 'k', value, expireAtMs: 0, version: positionOf(1) };
  let written: Uint8Array | undefined;
  const response = {
    setHeader: () => {},
    end: (body: Uint8Array) => {
      written = body;
    },
  };
  const call = new KeysCall(
    { method: 'GET', headers } as never,
    response as never,
    'k',
    '',
    anonymousCall(NO_PEER),
  );
  const port = { get: () => ({ entry, asOf: positionOf(1), stalenessMs: 0 }) };
  await getKey({ port, clock: new VirtualClock() } as never, call);
  expect(written?.buffer).toBe(value.buffer);
  expect([written?.byteOffset, written?.length]).toEqual([from, bytes]);
});
