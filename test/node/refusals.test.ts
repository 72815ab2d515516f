/** Writes that are refused say so to programs, and only where nothing of them was done. */
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, IncrementCommand, SetCommand } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const OPTIONS = { returnPrevious: false, minAcks: 0, timeoutMs: 0 };
const SET: SetCommand = { key: 'refused', value: Buffer.from('v'), expiry: { kind: 'default' }, ...OPTIONS };
const INCREMENT: IncrementCommand = { ...SET, delta: 1n, initial: 0n };
const BATCH: BatchOperation[] = [
  { kind: 'get', command: { key: 'k', waitMs: 0 } },
  { kind: 'set', command: SET },
];

const WRITES: [string, (node: TestNode['node']) => unknown][] = [
  ['set', (node) => node.set(SET)],
  ['delete', (node) => node.delete({ key: 'k', ...OPTIONS })],
  ['batch', (node) => node.batch(BATCH)],
  ['restore', (node) => node.restore(BATCH)],
  ['increment', (node) => node.increment(INCREMENT)],
  [
    'touch',
    (node) => node.touch({ key: 'k', expiry: { kind: 'ttl', ttlMs: 1_000 }, returnValue: false, ...OPTIONS }),
  ],
  ['atomic batch', (node) => node.atomicBatch({ operations: BATCH, answerBytesMax: 1_000, ...OPTIONS })],
  ['DeletePrefix', (node) => node.deletePrefix({ prefix: 'k', cursor: '', limit: 0, ...OPTIONS })],
  ['mixed batch', (node) => node.mixed({ count: 0 } as never, () => undefined)],
  ['plain sets', (node) => node.sets({ count: 0 } as never)],
];

it('are tried for every rpc that writes', () => {
  const writing = KVStore.methods.filter(
    ({ idempotency }) => idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN,
  );
  const tried = new Set(WRITES.map(([name]) => name.toLowerCase()));
  expect(writing.map(({ name }) => name.toLowerCase()).filter((name) => !tried.has(name))).toEqual([]);
});

async function failureOf(call: () => unknown): Promise<WalnutError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof WalnutError) return error;
    throw error;
  }
  return expect.unreachable('it should be refused');
}

describe.each(WRITES)('a %s that is refused', (_name, write) => {
  it('did nothing on a replica, and names the master', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('one');
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, replica]);
    const before = master.node.digest();
    const { code, details } = await failureOf(() => write(replica.node));
    expect([code, details.nothingDone, details.leaderHint]).toEqual(['not_master', true, 'master:1']);
    await group.clock.advance(1_000);
    expect(master.node.digest()).toEqual(before);
  });

  it('did nothing on a master without enough replicas', async () => {
    const group = new TestGroup();
    const master = await group.master({ minReplicasToWrite: 1 });
    const before = master.node.digest();
    const { code, details } = await failureOf(() => write(master.node));
    expect([code, details.nothingDone]).toEqual(['unavailable', true]);
    expect(master.node.digest()).toEqual(before);
  });
});

describe('a read that is refused', () => {
  it('tells how long it waited, and how old the data is, in whole milliseconds', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('one');
    await group.untilLevel([master, replica]);
    const { epoch } = master.node.status().position;
    const late = { key: 'k', atLeast: { epoch, lsn: 1_000_000 as Lsn }, waitMs: 99.966 };
    const { message } = await failureOf(() => group.until(Promise.resolve(replica.node.get(late))));
    expect(message).toContain('is not reached after 100 ms: ');
    for (const [from, to] of [
      ['one:1', 'master:1'],
      ['master:1', 'one:1'],
    ] as const)
      group.network.cut(from, to);
    await group.clock.advance(2_000.4);
    const stale = await failureOf(() => replica.node.get({ key: 'k', waitMs: 0, maxStalenessMs: 1 }));
    expect(stale.message).toMatch(/would be \d+ ms old/);
  });
});

const QUORUM = { ...OPTIONS, durability: 'quorum' } as const;
const FOR_QUORUM: typeof WRITES = [
  ['set', (node) => node.set({ ...SET, ...QUORUM })],
  ['delete', (node) => node.delete({ key: 'k', ...QUORUM })],
  ['increment', (node) => node.increment({ ...INCREMENT, ...QUORUM })],
  [
    'touch',
    (node) => node.touch({ key: 'k', expiry: { kind: 'ttl', ttlMs: 1_000 }, returnValue: false, ...QUORUM }),
  ],
  ['batch', (node) => node.batch([{ kind: 'set', command: { ...SET, ...QUORUM } }])],
  ['atomic batch', (node) => node.atomicBatch({ operations: BATCH, answerBytesMax: 1_000, ...QUORUM })],
  ['DeletePrefix', (node) => node.deletePrefix({ prefix: 'k', cursor: '', limit: 0, ...QUORUM })],
];

describe.each(FOR_QUORUM)('a %s that asks for QUORUM', (_name, write) => {
  it('is refused by the master of a plain group, with nothing done', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'k', 'v');
    const before = master.node.digest();
    const failure = await failureOf(() => write(master.node));
    expect([failure.code, failure.details.nothingDone]).toEqual(['failed_precondition', true]);
    expect(failure.message).toContain('this is the master of a plain group');
    expect(master.node.digest()).toEqual(before);
  });
});

describe('a read that fails', () => {
  it('says nothing of what was done', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('one');
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, replica]);
    const { epoch, lsn } = master.node.digest().position;
    const ahead = { epoch, lsn: (lsn + 1) as typeof lsn };
    const failure = await failureOf(() =>
      group.until(replica.node.get({ key: 'k', atLeast: ahead, waitMs: 10 }) as Promise<unknown>),
    );
    expect([failure.code, failure.details.nothingDone]).toEqual(['unavailable', undefined]);
  });
});
