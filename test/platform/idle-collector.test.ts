import { describe, expect, it } from 'vitest';
import { openHeap } from '#platform/heap.ts';
import {
  GROWN_BYTES,
  type Heap,
  IDLE_SHARE,
  LOOK_MS,
  PAUSE_MS,
  startIdleCollector,
} from '#platform/idle-collector.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

class FakeHeap implements Heap {
  busy = 0;
  taken = GROWN_BYTES;
  left = 0;
  collections = 0;

  busyShare(): number {
    return this.busy;
  }

  takenBytes(): number {
    return this.taken;
  }

  collect(): void {
    this.collections++;
    this.taken = this.left;
  }
}

describe('the idle collector', () => {
  it('collects once the loop has been idle for a while, and again only where there is more to collect', async () => {
    const clock = new VirtualClock();
    const heap = new FakeHeap();
    const collector = startIdleCollector(clock, heap);
    await clock.advance(LOOK_MS - 1);
    expect(heap.collections).toBe(0);
    await clock.advance(1);
    expect(heap.collections).toBe(1);
    heap.taken = heap.left + GROWN_BYTES - 1;
    await clock.advance(10 * PAUSE_MS);
    expect(heap.collections).toBe(1);
    heap.taken++;
    await clock.advance(LOOK_MS);
    expect(heap.collections).toBe(2);
    collector.close();
    heap.taken = 10 * GROWN_BYTES;
    await clock.advance(10 * PAUSE_MS);
    expect(heap.collections).toBe(2);
  });

  it('leaves a loop alone that has anything to do, and makes pauses', async () => {
    const clock = new VirtualClock();
    const heap = new FakeHeap();
    const collector = startIdleCollector(clock, heap);
    heap.busy = IDLE_SHARE + 0.001;
    await clock.advance(10 * PAUSE_MS);
    expect(heap.collections).toBe(0);
    heap.busy = IDLE_SHARE;
    await clock.advance(LOOK_MS);
    expect(heap.collections).toBe(1);
    heap.taken = 10 * GROWN_BYTES;
    await clock.advance(PAUSE_MS - 1);
    expect(heap.collections).toBe(1);
    await clock.advance(LOOK_MS);
    expect(heap.collections).toBe(2);
    collector.close();
  });

  it('has a heap whose garbage a collection gives back', () => {
    const heap = openHeap();
    expect(heap.busyShare()).toBeLessThanOrEqual(1);
    let garbage: unknown[] = [];
    heap.collect();
    const before = heap.takenBytes();
    for (let i = 0; i < 200_000; i++) garbage.push({ i, text: `text ${i}` });
    const grown = heap.takenBytes();
    expect(grown).toBeGreaterThan(before + GROWN_BYTES);
    expect(garbage.length).toBe(200_000);
    garbage = [];
    heap.collect();
    expect(heap.takenBytes()).toBeLessThan(grown - GROWN_BYTES / 2);
  });
});
