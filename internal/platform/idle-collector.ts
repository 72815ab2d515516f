/**
 * Gives memory back while there is nothing else to do. V8 collects when more is
 * asked for: a node that has just started, or taken in a million entries, would
 * keep the garbage of that for as long as it then rests. A collection that gives
 * memory back stops the process for some 60 ms where 20 MB live in the heap, and
 * throws away compiled code that is soon wanted again. So it is made once after the
 * event loop was busy and then did next to nothing for half a second, where memory
 * has become much more or much less since the last one, and at most every ten
 * seconds: neither where requests trickle in, nor where they come in bursts and
 * change little.
 */
import type { Clock, Timer } from '#platform/clock.ts';

export const LOOK_MS = 500;
/** Between two collections. */
export const PAUSE_MS = 10_000;
/** Of the time between two looks: less is idle. */
export const IDLE_SHARE = 0.01;
/** More makes garbage that is worth a collection. */
export const BUSY_SHARE = 0.2;

/** What buffers and heap take has changed by this much since the last collection: garbage of its kind may be left. */
export const CHANGED_BYTES = 32 * 1_024 * 1_024;

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

/** Begins with a process that was busy: starting. */
export function startIdleCollector(clock: Clock, heap: Heap): IdleCollector {
  let wasBusy = true;
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastBytes = Number.NEGATIVE_INFINITY;
  const look = (): void => {
    const share = heap.busyShare();
    wasBusy ||= share >= BUSY_SHARE;
    if (wasBusy && share <= IDLE_SHARE && clock.monotonicMs() - lastMs >= PAUSE_MS) {
      wasBusy = false;
      if (Math.abs(heap.takenBytes() - lastBytes) >= CHANGED_BYTES) {
        heap.collect();
        lastMs = clock.monotonicMs();
        lastBytes = heap.takenBytes();
      }
      // The collection itself made the loop busy.
      heap.busyShare();
    }
    timer = clock.after(LOOK_MS, look);
  };
  let timer: Timer = clock.after(LOOK_MS, look);
  return { close: () => timer.cancel() };
}
