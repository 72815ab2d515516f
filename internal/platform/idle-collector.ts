/**
 * Returns memory to the system while the node is idle. V8 collects only when memory is
 * requested, so a node that is idle after its start, or after a million writes, would
 * keep that garbage. A collection that returns memory stops the process for about 60 ms
 * with 20 MB live in the heap, and discards compiled code that is soon needed again.
 * So one runs only if the event loop was busy and then nearly idle for half a second,
 * if memory use has changed much since the last one, and at most every ten seconds. A
 * steady trickle of requests, or bursts that change little, cause none.
 */
import type { Clock, Timer } from '#platform/clock.ts';

export const LOOK_MS = 500;
/** The least time between two collections. */
export const PAUSE_MS = 10_000;
/** The event loop counts as idle up to this busy share of the time between two looks. */
export const IDLE_SHARE = 0.01;
/** From this busy share on, the work made enough garbage for a collection. */
export const BUSY_SHARE = 0.2;

/** A collection needs a change of heap and buffers by this much since the last one, because only then is there much garbage. */
export const CHANGED_BYTES = 32 * 1_024 * 1_024;

/** The measurements and the collection; Node's own in production. */
export interface Heap {
  /** The share of time in which the event loop was busy since the last call, 0 to 1. */
  busyShare(): number;
  /** Bytes allocated for V8's heap and for buffers outside it. */
  takenBytes(): number;
  /** Runs a full collection that returns freed memory to the system. */
  collect(): void;
}

export interface IdleCollector {
  close(): void;
}

/** Starts the collector. The start of the process counts as busy. */
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
      // Discards the busy time of the collection itself.
      heap.busyShare();
    }
    timer = clock.after(LOOK_MS, look);
  };
  let timer: Timer = clock.after(LOOK_MS, look);
  return { close: () => timer.cancel() };
}
