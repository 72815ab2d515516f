import { getHeapStatistics } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { openHeap } from '#platform/heap.ts';
import {
  BUSY_SHARE,
  CHANGED_BYTES,
  IDLE_SHARE,
  LOOK_MS,
  PAUSE_MS,
  startIdleCollector,
} from '#platform/idle-collector.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

function rig() {
  const clock = new VirtualClock();
  const state = { share: 0, collections: 0, bytes: 0 };
  const collector = startIdleCollector(clock, {
    busyShare: () => state.share,
    takenBytes: () => state.bytes,
    collect: () => {
      state.collections++;
    },
  });
  /** Busy time changes much of what is in memory, unless `changes` says otherwise. */
  const pass = (share: number, ms: number, changes = CHANGED_BYTES): Promise<void> => {
    state.share = share;
    if (share >= BUSY_SHARE) state.bytes += changes;
    return clock.advance(ms);
  };
  return { state, collector, pass };
}

describe('the idle collector', () => {
  it('collects after the start, and after each time that the loop was busy, once it is idle', async () => {
    const { state, pass } = rig();
    await pass(0, LOOK_MS - 1);
    expect(state.collections).toBe(0);
    await pass(0, 1);
    expect(state.collections).toBe(1);
    await pass(0, 10 * PAUSE_MS);
    expect(state.collections).toBe(1);
    await pass(BUSY_SHARE, LOOK_MS);
    await pass(IDLE_SHARE + 0.001, 10 * PAUSE_MS);
    expect(state.collections).toBe(1);
    await pass(IDLE_SHARE, LOOK_MS);
    expect(state.collections).toBe(2);
  });

  it('leaves a loop alone that is never busy, whatever trickles in', async () => {
    const { state, pass } = rig();
    await pass(0, LOOK_MS);
    for (let i = 0; i < 100; i++) {
      await pass(BUSY_SHARE - 0.001, LOOK_MS);
      await pass(0, 3 * LOOK_MS);
    }
    expect(state.collections).toBe(1);
  });

  it('leaves a loop alone whose work changed little, and not one whose memory has shrunk', async () => {
    const { state, pass } = rig();
    await pass(0, LOOK_MS);
    state.bytes = 10 * CHANGED_BYTES;
    await pass(BUSY_SHARE, LOOK_MS);
    await pass(0, PAUSE_MS);
    expect(state.collections).toBe(2);
    for (let i = 0; i < 10; i++) {
      await pass(1, LOOK_MS, i % 2 === 0 ? CHANGED_BYTES - 1 : 1 - CHANGED_BYTES);
      await pass(0, PAUSE_MS);
    }
    expect(state.collections).toBe(2);
    await pass(1, LOOK_MS, -CHANGED_BYTES);
    await pass(0, PAUSE_MS);
    expect(state.collections).toBe(3);
    await pass(1, LOOK_MS, CHANGED_BYTES);
    await pass(0, PAUSE_MS);
    expect(state.collections).toBe(4);
  });

  it('makes pauses, and none of them is forgotten', async () => {
    const { state, collector, pass } = rig();
    await pass(0, LOOK_MS);
    await pass(BUSY_SHARE, LOOK_MS);
    await pass(0, PAUSE_MS - 2 * LOOK_MS);
    expect(state.collections).toBe(1);
    await pass(0, LOOK_MS);
    expect(state.collections).toBe(2);
    await pass(1, LOOK_MS);
    collector.close();
    await pass(0, 10 * PAUSE_MS);
    expect(state.collections).toBe(2);
  });

  it('has a heap whose garbage a collection gives back', () => {
    const heap = openHeap();
    expect(heap.busyShare()).toBeLessThanOrEqual(1);
    const takenBytes = (): number => getHeapStatistics().total_heap_size;
    let garbage: unknown[] = [];
    heap.collect();
    const before = takenBytes();
    for (let i = 0; i < 200_000; i++) garbage.push({ i, text: `text ${i}` });
    const grown = takenBytes();
    expect(grown).toBeGreaterThan(before + 4_000_000);
    expect(garbage.length).toBe(200_000);
    garbage = [];
    heap.collect();
    expect(takenBytes()).toBeLessThan(grown - 2_000_000);
  });
});
