/** Two groups of whole members under a real coordinator: each serves the keys of its slots, and no other key. */
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShardMap } from '#cluster/shard-map.ts';
import { BatchRequestSchema, GetRequestSchema, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation } from '#model/commands.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import { setCommand, type TestNode } from '#test/doubles/test-group.ts';
import { BatchBytes } from '#wire/batch-bytes.ts';
import { BatchCounts } from '#wire/batch-counts.ts';
import { KeyValueCalls } from '#wire/kv-calls.ts';
import { ProtobufCalls } from '#wire/protobuf-calls.ts';

/** Slots 5061 and 866, of g1; slots 12182 and 11058, of g2. */
const [BAR, HELLO, FOO, SOMEKEY] = ['bar', 'hello', 'foo', 'somekey'];
const LIMITS = { valueBytesMax: 1_000, answerBytesMax: 10_000 };
const CALLER = { hasDeadline: false, signal: new AbortController().signal };

let cluster: TestCluster;

beforeEach(async () => {
  cluster = new TestCluster(1);
  await cluster.foundGroups({ g1: ['a', 'b'], g2: ['c', 'd'] });
});

afterEach(async () => {
  await cluster.stop();
});

function isOf(group: string): ({ name }: TestNode) => boolean {
  const voters = cluster.coordinator.map?.groups.get(group)?.voters ?? [];
  return ({ name }) => voters.some(({ node }) => node === name);
}

function masterOf(group: string): TestNode {
  const master = cluster.masters.find(isOf(group));
  if (master === undefined) throw new Error(`nobody leads ${group}`);
  return master;
}

function replicaOf(group: string): TestNode {
  const master = masterOf(group);
  const found = [...cluster.nodes.values()].filter(isOf(group)).find((one) => one !== master);
  if (found === undefined) throw new Error(`${group} has no replica`);
  return found;
}

const moved = (slot: number, group: string) => ({
  code: 'shard_moved',
  details: { shard: { slot, group, address: masterOf(group).address }, nothingDone: true },
});

const set = (key: string): BatchOperation => ({ kind: 'set', command: setCommand(key, 'v') });
const get = (key: string): BatchOperation => ({
  kind: 'get',
  command: { key, waitMs: 0, atLeast: undefined, maxStalenessMs: undefined },
});

/** A refusal may be thrown at once, or be that of a promise. */
const failing = async (call: () => unknown): Promise<unknown> => call();

/** What a call by bytes comes to; a promise that rejects is what was thrown. */
async function byBytes(call: () => unknown): Promise<unknown> {
  const answer = await call();
  return answer === undefined ? 'the general way' : 'answered';
}

describe('two groups', () => {
  it('take writes of their own keys and refuse those of the other with its address', async () => {
    const [one, two] = [masterOf('g1'), masterOf('g2')];
    await cluster.group.set(one, BAR, 'v');
    await cluster.group.set(two, FOO, 'v');
    await expect(failing(() => cluster.group.set(one, FOO, 'v'))).rejects.toMatchObject(moved(12_182, 'g2'));
    await expect(failing(() => cluster.group.set(two, BAR, 'v'))).rejects.toMatchObject(moved(5_061, 'g1'));
    await expect(failing(() => cluster.group.delete(one, FOO))).rejects.toMatchObject(moved(12_182, 'g2'));
    const options = { durability: undefined, minAcks: 0, timeoutMs: 0 };
    const number = { key: FOO, delta: 1n, initial: 0n, expiry: { kind: 'default' as const }, ...options };
    const adding = () => one.node.increment({ ...number, returnPrevious: false });
    await expect(failing(adding)).rejects.toMatchObject(moved(12_182, 'g2'));
    const touch = { key: FOO, expiry: { kind: 'default' as const }, returnValue: false, ...options };
    const touching = () => one.node.touch(touch);
    await expect(failing(touching)).rejects.toMatchObject(moved(12_182, 'g2'));
  });

  it('answer reads of their own keys only, replicas too', async () => {
    const one = masterOf('g1');
    const replica = replicaOf('g1');
    await cluster.group.set(one, BAR, 'v', { durability: 'quorum', timeoutMs: 5_000 });
    await cluster.group.clock.advance(100);
    expect(await cluster.group.get(replica, BAR)).toBe('v');
    for (const node of [one, replica]) {
      await expect(failing(() => cluster.group.get(node, FOO))).rejects.toMatchObject(moved(12_182, 'g2'));
      const { signal } = new AbortController();
      const explained = node.node.explain({ key: FOO } as never, signal);
      await expect(cluster.group.until(explained)).rejects.toMatchObject(moved(12_182, 'g2'));
      const watched = node.node.watch({ target: { kind: 'key', key: FOO } } as never, signal);
      await expect(watched[Symbol.asyncIterator]().next()).rejects.toMatchObject(moved(12_182, 'g2'));
    }
    // A write goes to the master first: it alone knows what became of its name.
    await expect(failing(() => cluster.group.set(replica, FOO, 'v'))).rejects.toMatchObject({
      code: 'not_master',
    });
  });

  it('refuse a Batch with one key of the other group whole, with nothing done', async () => {
    const { node } = masterOf('g1');
    const at = node.status().position;
    const refused = async (operations: BatchOperation[]): Promise<void> => {
      const running = cluster.group.until(Promise.resolve(node.batch(operations)));
      await expect(running).rejects.toMatchObject(moved(12_182, 'g2'));
      await expect(running).rejects.toThrow('operations[1]: slot 12182');
    };
    await refused([set(BAR), set(FOO)]);
    await refused([get(BAR), get(FOO)]);
    await refused([set(BAR), get(FOO)]);
    const atomic = {
      operations: [set(BAR), set(FOO)],
      answerBytesMax: 1_000,
      ...{ minAcks: 0, timeoutMs: 0 },
    };
    await expect(cluster.group.until(node.atomicBatch(atomic as never))).rejects.toMatchObject(
      moved(12_182, 'g2'),
    );
    expect(node.status().position).toEqual(at);
  });

  it('answer a repeat of a named write from what became of it', async () => {
    const one = masterOf('g1');
    const id = { name: { kind: 'client', clientId: 7n, sequence: 1, answeredThrough: 0, index: 0 } } as const;
    await cluster.group.set(one, BAR, 'v', { id });
    // The same name on a key of the other group shows that the table is asked first.
    await expect(failing(() => cluster.group.set(one, FOO, 'v', { id }))).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    const other = { name: { ...id.name, sequence: 2 } };
    await expect(failing(() => cluster.group.set(one, FOO, 'v', { id: other }))).rejects.toMatchObject(
      moved(12_182, 'g2'),
    );
  });

  it('take the short way of bytes for their own keys, and the general way for others', async () => {
    const { node } = masterOf('g1');
    const calls = new KeyValueCalls(node, node, new ProtobufCalls(LIMITS.valueBytesMax));
    const batches = new BatchBytes({
      batch: (operations, signal) => node.batch(operations, signal),
      namedBatch: (...given) => node.namedBatch(...given),
      bulk: node,
      pace: undefined as never,
      limits: LIMITS,
      counts: new BatchCounts(),
      describe: () => ({ code: 'x', message: '' }),
    });
    const setOf = (key: string) => toBinary(SetRequestSchema, create(SetRequestSchema, { key }));
    const getOf = (key: string) => toBinary(GetRequestSchema, create(GetRequestSchema, { key }));
    const batchOf = (...operations: object[]) =>
      toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations } as never));
    const wrapped = (kind: string, key: string) => ({ operation: { case: kind, value: { key } } });

    const answered: (() => unknown)[] = [
      () => calls.set(setOf(BAR), CALLER, 0),
      () => calls.get(getOf(BAR), CALLER, 0),
      () => batches.batch(batchOf(wrapped('set', BAR), wrapped('set', HELLO)), CALLER, 0),
      () => batches.batch(batchOf(wrapped('get', BAR), wrapped('get', HELLO)), CALLER, 0),
      () => batches.batch(batchOf(wrapped('get', BAR), wrapped('set', HELLO)), CALLER, 0),
    ];
    for (const call of answered) expect(await cluster.group.until(byBytes(call))).toBe('answered');
    const refused: (() => unknown)[] = [
      () => calls.set(setOf(FOO), CALLER, 0),
      () => batches.batch(batchOf(wrapped('set', BAR), wrapped('set', FOO)), CALLER, 0),
      () => batches.batch(batchOf(wrapped('get', BAR), wrapped('get', SOMEKEY)), CALLER, 0),
      () => batches.batch(batchOf(wrapped('get', FOO), wrapped('set', BAR)), CALLER, 0),
      () => batches.batch(batchOf(wrapped('set', BAR), wrapped('delete', FOO)), CALLER, 0),
    ];
    const at = node.status().position;
    for (const call of refused)
      await expect(cluster.group.until(byBytes(call))).rejects.toMatchObject({ code: 'shard_moved' });
    expect(node.status().position).toEqual(at);
  });

  it('keep to their slots after a failover, a restart, and while there is no coordinator', async () => {
    const old = masterOf('g1');
    await cluster.group.set(old, BAR, 'v', { durability: 'quorum', timeoutMs: 5_000 });
    const disk = cluster.kill(old.name);
    await cluster.untilLed(20_000, 2);
    const next = masterOf('g1');
    expect(next).not.toBe(old);
    await expect(failing(() => cluster.group.set(next, FOO, 'v'))).rejects.toMatchObject(moved(12_182, 'g2'));
    await cluster.stopCoordinator();
    const back = await cluster.start(old.name, { fileSystem: disk });
    await cluster.group.clock.advance(2_000);
    await expect(failing(() => cluster.group.get(back, FOO))).rejects.toMatchObject({
      code: 'shard_moved',
      details: { shard: { group: '', address: '' } },
    });
    cluster.restartCoordinator();
  });

  it('ask for a newer map where a caller knows one, but for a master with a lease', async () => {
    const replica = replicaOf('g1');
    const whenHeard = ({ node }: TestNode, epoch: number) => node.ports.whenMapHeard?.(epoch);
    const epoch = cluster.coordinator.map?.epoch ?? 0;
    await cluster.group.clock.advance(1_000);
    expect(whenHeard(replica, epoch)).toBeUndefined();
    expect(whenHeard(masterOf('g1'), epoch + 99)).toBeUndefined();
    // Between two heartbeats it asks by itself.
    await cluster.group.until(cluster.coordinator.requests.setNodeStatus(replica.name, 'draining'));
    const waiting = whenHeard(replica, epoch + 1);
    expect(waiting).toBeInstanceOf(Promise);
    await cluster.group.until(waiting as Promise<void>);
    expect(whenHeard(replica, epoch + 1)).toBeUndefined();
    cluster.cutOff.add(replica.name);
    const startedMs = cluster.group.clock.monotonicMs();
    await expect(cluster.group.until(whenHeard(replica, epoch + 2) as Promise<void>)).rejects.toMatchObject({
      code: 'unavailable',
      details: { nothingDone: true },
    });
    expect(cluster.group.clock.monotonicMs() - startedMs).toBeLessThanOrEqual(500);
    cluster.cutOff.clear();
  });

  it('give the map its slots back where the metadata store was lost', async () => {
    const { slots } = cluster.coordinator.map as ShardMap;
    await cluster.loseStore();
    await cluster.group.untilTrue(() => cluster.coordinator.isActive, 'an active coordinator');
    await cluster.group.clock.advance(3_000);
    const plan = await cluster.group.until(cluster.coordinator.requests.recover('', true));
    expect([plan.problems, plan.slots]).toEqual([[], slots]);
    await cluster.group.clock.advance(5_000);
    await cluster.untilLed(20_000, 2);
    await cluster.group.clock.advance(1_000);
    await expect(failing(() => cluster.group.set(masterOf('g1'), FOO, 'v'))).rejects.toMatchObject(
      moved(12_182, 'g2'),
    );
  });

  it('say which slots they own in equal digests, a group that is added none', async () => {
    await cluster.start('e');
    await cluster.group.clock.advance(1_000);
    await cluster.group.until(cluster.coordinator.requests.addGroup({ id: 'g3', nodes: ['e'] }));
    await cluster.untilLed(20_000, 3);
    await cluster.group.clock.advance(1_000);
    await expect(failing(() => cluster.group.set(masterOf('g3'), FOO, 'v'))).rejects.toMatchObject(
      moved(12_182, 'g2'),
    );
    const digestOf = ({ node }: TestNode) => node.digest().digest;
    expect(digestOf(replicaOf('g1'))).toBe(digestOf(masterOf('g1')));
  });
});
