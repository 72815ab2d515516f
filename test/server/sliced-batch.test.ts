import { describe, expect, it } from 'vitest';
import { GuardedKeys } from '#auth/guarded-keys.ts';
import type { KeyRights } from '#model/access.ts';
import { PART_BYTES_MAX, partsOf } from '#model/batch-parts.ts';
import type { BatchOperation } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { SliceQueue } from '#platform/slice-queue.ts';
import { createSlicedBatch, inParts, type RunBatch } from '#server/sliced-batch.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { FakeNode } from '#test/server/fake-node.ts';

const WAITS = { durability: undefined, minAcks: 0, timeoutMs: 0 };

function set(key: string, bytes: number, more: object = {}): BatchOperation {
  const value = new Uint8Array(bytes);
  const command = { key, value, expiry: { kind: 'default' as const }, condition: undefined };
  return { kind: 'set', command: { ...command, returnPrevious: false, ...WAITS, ...more } };
}

function get(key: string): BatchOperation {
  return { kind: 'get', command: { key, atLeast: undefined, waitMs: 0, maxStalenessMs: undefined } };
}

function touch(key: string, returnValue: boolean): BatchOperation {
  return { kind: 'touch', command: { key, expiry: { kind: 'default' }, returnValue, ...WAITS } };
}

const MIB = 1_024 * 1_024;
const ALL: KeyRights = { read: [''], write: [''] };

function opened(node = new FakeNode(), clock = new VirtualClock()) {
  const batches: (readonly BatchOperation[])[] = [];
  const port = node.ports.keyValue;
  const run: RunBatch = (operations, signal) => {
    batches.push(operations);
    return port.batch(operations, signal);
  };
  return { node, clock, batches, batch: createSlicedBatch(run, clock, new SliceQueue(clock)) };
}

const bytesOf = (operations: readonly BatchOperation[]): number =>
  operations.reduce((sum, each) => sum + (each.kind === 'set' ? each.command.value.length : 0), 0);

describe('a batch that is refused as a whole', () => {
  const refusal = new WalnutError('shard_moved', 'operations[2]: ask g2');
  const refuse = (): never => {
    throw refusal;
  };

  it('is refused before the first of its parts', async () => {
    const clock = new VirtualClock();
    const run: RunBatch = () => expect.fail('a part was carried out');
    const batch = createSlicedBatch(run, clock, new SliceQueue(clock), refuse);
    await expect((async () => batch([set('a', 2 * MIB), set('b', 2 * MIB)]))()).rejects.toBe(refusal);
  });
});

describe('a port that divides batches by itself', () => {
  it.each([
    ['alone', (port: KeyValuePort) => port],
    ['for a caller with some rights', (port: KeyValuePort) => new GuardedKeys(port, ALL)],
  ])('gets a large one whole, %s', async (_, seen) => {
    const { node, clock } = opened();
    const { keyValue } = node.ports;
    const sizes: number[] = [];
    const batch: RunBatch = (operations, signal) => {
      sizes.push(operations.length);
      return keyValue.batch(operations, signal);
    };
    const port = seen(Object.assign(Object.create(keyValue), { batch, dividesBatches: true }));
    await inParts(port, clock, new SliceQueue(clock))([set('a', 2 * MIB), set('b', 2 * MIB)]);
    expect(sizes).toEqual([2]);
  });
});

describe('a batch', () => {
  it.each([
    ['1,000 small sets', Array.from({ length: 1_000 }, (_, i) => set(`${i}`, 100)), 1],
    ['200 reads', Array.from({ length: 200 }, (_, i) => get(`${i}`)), 1],
    ['1,000 reads', Array.from({ length: 1_000 }, (_, i) => get(`${i}`)), 4],
    ['1,000 touches that read', Array.from({ length: 1_000 }, (_, i) => touch(`${i}`, true)), 4],
    ['1,000 touches', Array.from({ length: 1_000 }, (_, i) => touch(`${i}`, false)), 1],
    [
      '1,000 sets that read',
      Array.from({ length: 1_000 }, (_, i) => set(`${i}`, 0, { returnPrevious: true })),
      4,
    ],
    ['four sets of 8 MiB', Array.from({ length: 4 }, (_, i) => set(`${i}`, 8 * MIB)), 4],
    ['1,000 sets of 32 kB', Array.from({ length: 1_000 }, (_, i) => set(`${i}`, 32_000)), 16],
  ])('of %s is carried out in parts of bounded size', (_, operations, count) => {
    const parts = partsOf(operations);
    expect(parts).toHaveLength(count);
    expect(parts.flat()).toEqual(operations);
    for (const part of parts) expect(part.length === 1 || bytesOf(part) <= PART_BYTES_MAX).toBe(true);
  });

  it('in parts sees its own writes, in order', async () => {
    const { batch, batches } = opened();
    const operations = [set('k', 1.5 * MIB), get('k'), set('k', MIB), get('k')];
    const results = await batch(operations);
    expect(batches.length).toBeGreaterThan(1);
    expect(
      results.map((each) => (each.kind === 'get' ? each.answer.entry?.value.length : each.kind)),
    ).toEqual(['set', 1.5 * MIB, 'set', MIB]);
  });

  it('is refused as a whole where its first part is', async () => {
    const node = new FakeNode();
    node.failure = new WalnutError('failed_precondition', 'a replica takes no writes');
    const { batch } = opened(node);
    await expect(batch([set('a', 2 * MIB), set('b', 2 * MIB)])).rejects.toThrow('a replica takes no writes');
    expect(node.entries.size).toBe(0);
  });

  it('says what was carried out where a later part is refused', async () => {
    const node = new FakeNode();
    const { batch, batches } = opened(node);
    const running = batch([set('a', 2 * MIB), set('b', 2 * MIB), set('c', 2 * MIB)]);
    node.failure = new WalnutError('failed_precondition', 'a replica takes no writes');
    const results = await running;
    expect(results.map(({ kind }) => kind)).toEqual(['set', 'error', 'error']);
    // What the part that failed did is for its error to say; the one behind it was never begun.
    expect(results.map((result) => result.kind === 'error' && result.error.details.nothingDone)).toEqual([
      false,
      undefined,
      true,
    ]);
    expect(batches).toHaveLength(2);
    expect([...node.entries.keys()]).toEqual(['a']);
  });

  it('does no more once its caller has gone', async () => {
    const { batch, node } = opened();
    const caller = new AbortController();
    const running = batch([set('a', 2 * MIB), set('b', 2 * MIB)], caller.signal);
    caller.abort();
    await expect(running).rejects.toThrow('the caller gave up waiting');
    expect([...node.entries.keys()]).toEqual(['a']);
  });
});
