/** Which batches are written on the calling thread, and when the first of a run begins. */
import { describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { BatchStart } from '#wal/batch-start.ts';
import {
  NOW_BYTES_MAX,
  PAUSE_MS_MAX,
  PAUSE_MS_MIN,
  SLOW_MS,
  STALLED_MS,
  SYNCING_MS_MAX,
  WRITES_BETWEEN_SLOW,
  WritePace,
} from '#wal/write-pace.ts';
import { frameAfter, open } from './harness.ts';

/** A clock that a test can move while nothing is awaited. */
class HeldClock extends VirtualClock {
  nowMs = 0;
  override monotonicMs(): number {
    return this.nowMs;
  }
}

function paced(): { clock: HeldClock; pace: WritePace; write(tookMs: number): void } {
  const clock = new HeldClock();
  const pace = new WritePace(clock);
  const write = (tookMs: number): void =>
    pace.measure(() => {
      clock.nowMs += tookMs;
    });
  return { clock, pace, write };
}

describe('the pace of writes', () => {
  it('lets small batches be written at once, unless an fdatasync has been under way for a while', () => {
    const clock = new HeldClock();
    const pace = new WritePace(clock);
    expect(pace.allows(NOW_BYTES_MAX, undefined)).toBe(true);
    expect(pace.allows(NOW_BYTES_MAX + 1, undefined)).toBe(false);
    expect(pace.allows(1, 0)).toBe(true);
    clock.nowMs = SYNCING_MS_MAX;
    expect(pace.allows(1, 0)).toBe(true);
    clock.nowMs += 0.1;
    expect(pace.allows(1, 0)).toBe(false);
    expect(pace.allows(1, undefined)).toBe(true);
  });

  it('leaves them to another thread after two were slow, for twice as long each time, up to ten minutes', () => {
    const { clock, pace, write } = paced();
    write(SLOW_MS);
    write(SLOW_MS + 1);
    expect(pace.allows(1, undefined)).toBe(true);
    for (let pauseMs = PAUSE_MS_MIN; pauseMs < 4 * PAUSE_MS_MAX; pauseMs *= 2) {
      // The one before the pause counts.
      write(SLOW_MS + 1);
      clock.nowMs += Math.min(pauseMs, PAUSE_MS_MAX) - 1;
      expect(pace.allows(1, undefined)).toBe(false);
      clock.nowMs += 1;
      expect(pace.allows(1, undefined)).toBe(true);
    }
    clock.nowMs += PAUSE_MS_MAX + 1;
    write(SLOW_MS + 1);
    clock.nowMs += PAUSE_MS_MIN;
    expect(pace.allows(1, undefined)).toBe(true);
  });

  it('takes one slow write among many for a busy machine, and a very slow one for the disk', () => {
    const { pace, write } = paced();
    for (let i = 0; i < 5; i++) {
      write(STALLED_MS - 1);
      for (let k = 0; k < WRITES_BETWEEN_SLOW; k++) write(1);
      expect(pace.allows(1, undefined)).toBe(true);
    }
    write(STALLED_MS - 1);
    for (let k = 1; k < WRITES_BETWEEN_SLOW; k++) write(1);
    write(SLOW_MS + 1);
    expect(pace.allows(1, undefined)).toBe(false);
    const other = paced();
    other.write(STALLED_MS);
    expect(other.pace.allows(1, undefined)).toBe(false);
  });

  it('never lets them be written at once where the thread is not the log’s', () => {
    const pace = new WritePace(new HeldClock(), 0);
    expect(pace.allows(1, undefined)).toBe(false);
  });

  it('passes on what a write throws', () => {
    const full = new Error('full');
    const measured = (): void =>
      new WritePace(new HeldClock()).measure(() => {
        throw full;
      });
    expect(measured).toThrow(full);
  });

  it('is kept by the log: small batches at once, large ones and those beside a slow fdatasync not', async () => {
    const clock = new VirtualClock();
    const disk = new MemoryFileSystem();
    const { log } = await open(disk, { clock, fsync: 'interval', syncIntervalMs: 1_000 });
    const atOnce = (): number => disk.counts.get('writeNow') ?? 0;
    const written = async (payload: string): Promise<boolean> => {
      const before = atOnce();
      log.append(frameAfter(log.tail, payload));
      await clock.settle();
      return atOnce() > before;
    };
    expect(await written('small')).toBe(true);
    expect(await written('x'.repeat(NOW_BYTES_MAX))).toBe(false);
    disk.holdSyncs();
    await clock.advance(1_000);
    expect(disk.heldSyncCount).toBe(1);
    expect(await written('beside')).toBe(true);
    await clock.advance(SYNCING_MS_MAX + 1);
    expect(await written('beside one that takes its time')).toBe(false);
    disk.releaseSyncs();
    await clock.settle();
    expect(await written('after')).toBe(true);
  });
});

describe('the first batch of a run', () => {
  it('begins at the end of the turn, where the disk is slower than that', async () => {
    const clock = new HeldClock();
    const start = new BatchStart(clock, true);
    start.noteSync(5);
    let isBegun = false;
    void start.gather().then(() => {
      isBegun = true;
    });
    clock.nowMs = 4.9;
    start.appended();
    await Promise.resolve();
    expect(isBegun).toBe(false);
    await clock.settle();
    expect(isBegun).toBe(true);
  });

  it('begins within the turn when it has gathered for as long as an fdatasync takes, by the least of the last samples', async () => {
    const clock = new HeldClock();
    const start = new BatchStart(clock, true);
    for (const tookMs of [9, 2, 7]) start.noteSync(tookMs);
    let isBegun = false;
    const begun = start.gather().then(() => {
      isBegun = true;
    });
    clock.nowMs = 1.9;
    start.appended();
    await Promise.resolve();
    expect(isBegun).toBe(false);
    clock.nowMs = 2.1;
    start.appended();
    await begun;
    // Nothing is begun twice.
    start.appended();
    for (let i = 0; i < 1_000; i++) start.noteSync(50);
    void start.gather();
    clock.nowMs += 49;
    start.appended();
    await clock.settle();
  });

  it('waits for the end of the turn where batches are not synced one by one', async () => {
    const clock = new HeldClock();
    const start = new BatchStart(clock, false);
    start.noteSync(0);
    let isBegun = false;
    void start.gather().then(() => {
      isBegun = true;
    });
    clock.nowMs = 100;
    start.appended();
    await Promise.resolve();
    expect(isBegun).toBe(false);
    await clock.settle();
    expect(isBegun).toBe(true);
  });
});
