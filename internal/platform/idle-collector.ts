/**
 * Gives memory back while there is nothing else to do. V8 collects when more is
 * asked for: a node that has just started, or taken in a million entries, would
 * keep the garbage of that for as long as it then rests. A collection stops the
 * process for as long as what lives in the heap takes, some 30 ms for 20 MB, so it
 * is made only after half a second in which the event loop did next to nothing,
 * only where the heap has grown since the last one, and once in ten seconds.
 */
import type { Clock, Timer } from '#platform/clock.ts';

export const LOOK_MS = 500;
/** Between two collections. */
export const PAUSE_MS = 10_000;
/** Of the time between two looks that the event loop was busy. */
export const IDLE_SHARE = 0.02;
/** Growth of what the heap takes, or of buffers, since the last collection that is worth one. */
export const GROWN_BYTES = 4 * 1_024 * 1_024;

/** What is looked at, and what is done: Node's in production. */
export interface Heap {
  /** Share of the time since it was last asked in which the event loop was busy, 0 to 1. */
  busyShare(): number;
  /** Bytes that V8 has taken for its heap, and that buffers outside of it take. */
  takenBytes(): number;
  /** A full collection that gives back what it frees. */
  collect(): void;
}

export interface IdleCollector {
  close(): void;
}

export function startIdleCollector(clock: Clock, heap: Heap): IdleCollector {
  let timer: Timer | undefined;
  let lastBytes = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const look = (): void => {
    const isIdle = heap.busyShare() <= IDLE_SHARE;
    const nowMs = clock.monotonicMs();
    if (isIdle && nowMs - lastMs >= PAUSE_MS && heap.takenBytes() - lastBytes >= GROWN_BYTES) {
      heap.collect();
      lastBytes = heap.takenBytes();
      lastMs = nowMs;
      // The collection itself made the loop busy.
      heap.busyShare();
    }
    timer = clock.after(LOOK_MS, look);
  };
  timer = clock.after(LOOK_MS, look);
  return { close: () => timer?.cancel() };
}
