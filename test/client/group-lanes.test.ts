/** The order of a client's calls through a gateway: a lane for each group, once answers have named it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createRouterTransport } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { RunningGateway } from '#test/server/running-gateway.ts';
import type { PendingOperation } from '../../client/batch-queue.ts';
import { text } from '../../client/codecs.ts';
import { connect } from '../../client/connect.ts';
import { GroupLanes } from '../../client/group-lanes.ts';
import { WalnutClient } from '../../client/walnut-client.ts';

const LIMITS = {
  ...{ batchOperationsMax: 8, batchBytesMax: 1_000 },
  ...{ queuedOperationsMax: 10_000, queuedBytesMax: 10_000 },
};
const groupOf = (key: string): string => (key.startsWith('a') ? 'g1' : 'g2');
/** No attempt ends by its time, which passes for real in these transports. */
const PATIENT = { attemptMs: 600_000, timeoutMs: 600_000 };

/** A client of a gateway over two groups, which may hang. */
function openGateway() {
  const clock = new VirtualClock();
  const hung = new Set<string>();
  const answer = async (key: string, kind: 'get' | 'set') => {
    const group = groupOf(key);
    if (hung.has(group)) await new Promise(() => undefined);
    const position = create(PositionSchema, { group, epoch: 1n, lsn: 1n });
    return kind === 'get'
      ? { result: { case: kind, value: { asOf: position, found: true, value: text().encode('stored') } } }
      : { result: { case: kind, value: { applied: true, position } } };
  };
  const transport = createRouterTransport(({ service }) =>
    service(KVStore, {
      batch: async ({ operations }) => {
        const asked = operations.map(({ operation }) =>
          answer(operation.value?.key ?? '', operation.case === 'get' ? 'get' : 'set'),
        );
        return { results: await Promise.all(asked) };
      },
      get: ({ key }) => ({ asOf: { group: groupOf(key), epoch: 1n, lsn: 1n } }),
      scan: () => ({ asOf: { group: 'g1', epoch: 1n, lsn: 1n } }),
    }),
  );
  const seams = { clock, random: new SeededRandom(1), open: () => ({ transport, close: () => undefined }) };
  const client = new WalnutClient({ address: 'gateway:1', ...PATIENT }, seams);
  /** Whether the call is settled though no time passes. */
  const isSettledAtOnce = async (call: Promise<unknown>): Promise<boolean> => {
    let isSettled = false;
    call.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    for (let i = 0; i < 50 && !isSettled; i++) await clock.settle();
    return isSettled;
  };
  return { clock, client, hung, isSettledAtOnce };
}

describe('a group that hangs behind a gateway', () => {
  it('delays the calls of its own keys only, once answers have named the groups', async () => {
    const { client, hung, isSettledAtOnce } = openGateway();
    await Promise.all(['a', 'b'].map((key) => client.set(key, Buffer.from('x'))));
    await client.count('');
    hung.add('g1');
    const [late, get, set] = [client.get('a'), client.get('b'), client.set('b', Buffer.from('y'))];
    expect(await isSettledAtOnce(Promise.all([get, set]))).toBe(true);
    expect(await isSettledAtOnce(late)).toBe(false);
    expect(await isSettledAtOnce(client.get('b', { fillLeaseMs: 1_000 }))).toBe(true);
    // What is of all groups waits for all.
    expect(await isSettledAtOnce(client.count(''))).toBe(false);
  });

  it('has values of its own keys loaded, and those of other groups read', async () => {
    const { clock, client, hung, isSettledAtOnce } = openGateway();
    const values = client.map('', text());
    const get = (key: string) => values.getOrSet(key, () => 'loaded', { ttlMs: 1_000 });
    expect(await Promise.all([get('a'), get('b')])).toEqual(['stored', 'stored']);
    hung.add('g1');
    const first = get('a');
    await clock.advance(1_000);
    for (let i = 0; i < 20; i++) {
      await clock.advance(100);
      expect(await get('b')).toBe('stored');
    }
    expect(await isSettledAtOnce(first)).toBe(true);
    // What one caller waited for no other waits for again, though other groups answer.
    const later = get('a');
    expect(await isSettledAtOnce(later)).toBe(true);
    expect([await first, await later, await get('b')]).toEqual(['loaded', 'loaded', 'stored']);
  });
});

it('has values of other groups loaded once, behind a gateway with servers of which one stops', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-lanes-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const gateway = await RunningGateway.start(directory);
  onTestFinished(() => gateway.stop());
  const client = connect({ address: gateway.address });
  onTestFinished(() => client.close());
  const loaded: string[] = [];
  const get = (key: string) => {
    const load = (): string => {
      loaded.push(key);
      return key;
    };
    return client.getOrSet(key, load, { ttlMs: 600_000, codec: text() });
  };
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
  await Promise.all(keys.map(get));
  const gone = gateway.masters.get('g1');
  const ofOthers = keys.filter((key) => gateway.masterOf(key) !== gone);
  const [ofGone = ''] = keys.filter((key) => !ofOthers.includes(key));
  await gone?.stop();
  const first = get(ofGone);
  for (let i = 0; i < 3; i++) await Promise.all(ofOthers.map(get));
  await first;
  await Promise.all([ofGone, ...ofOthers].map(get));
  expect(loaded.slice(keys.length)).toEqual([ofGone, ofGone]);
});

describe('lanes', () => {
  const pendingOf = (key: string): PendingOperation =>
    ({
      kind: 'operation',
      operation: { case: 'get', value: { key } },
      bytes: 1,
    }) as unknown as PendingOperation;

  it.each(Array.from({ length: 20 }, (_, seed) => [seed]))(
    'keep the order of the calls of each key, whenever its group is named: seed %i',
    async (seed) => {
      const clock = new VirtualClock();
      const random = new SeededRandom(seed);
      const order = new Map<string, PendingOperation[]>();
      const seen = new Map<string, PendingOperation[]>();
      const underWay = new Set<string>();
      let over = 0;
      let together = 0;
      const note = (by: typeof order, key: string, pending: PendingOperation): void => {
        by.set(key, [...(by.get(key) ?? []), pending]);
      };
      const keyOf = ({ operation }: PendingOperation): string => operation.value?.key ?? '';
      const lanes: GroupLanes = new GroupLanes({
        limits: LIMITS,
        send: async (batch) => {
          const keys = new Set(batch.map(keyOf));
          for (const key of keys) expect(underWay.has(key)).toBe(false);
          for (const key of keys) underWay.add(key);
          together = Math.max(together, new Set([...underWay].map(groupOf)).size);
          for (const pending of batch) note(seen, keyOf(pending), pending);
          await clock.sleep(random.uint32() % 50);
          // A slot that moves is named with another group.
          for (const key of keys) lanes.learn(key, random.uint32() % 20 === 0 ? 'g3' : groupOf(key));
          for (const key of keys) underWay.delete(key);
          over += batch.length;
        },
      });
      for (let i = 0; i < 300; i++) {
        const key = `${random.uint32() % 2 === 0 ? 'a' : 'b'}${random.uint32() % 6}`;
        const pending = pendingOf(key);
        note(order, key, pending);
        lanes.push(key, pending);
        if (random.uint32() % 2 === 0) await clock.advance(random.uint32() % 20);
      }
      const settled = lanes.settled();
      await clock.advance(60_000);
      await settled;
      expect(over).toBe(300);
      expect(seen).toEqual(order);
      expect(together).toBe(2);
    },
  );
});
