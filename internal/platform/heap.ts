/** How V8 keeps its heap. The limit itself is the launcher's to set. */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Heap } from '#platform/idle-collector.ts';

/** V8 waits for as much garbage as this share of what lived at the last full collection, by default for thrice that. */
const GROWING_PERCENT = 50;

/**
 * To be called first. What a node keeps lies outside the heap, and what lives in
 * it is some 20 MB: little to collect, and much to save where garbage is not
 * left to pile up to many times that.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

/** Collections of young buffers between two of all. */
const YOUNG_PER_FULL = 4;

/** V8's own collection, which Node gives to nobody who does not start it with a flag. */
type Collect = (
  options:
    | { readonly type: 'major'; readonly flavor: 'last-resort' | 'regular' }
    | { readonly type: 'minor' },
) => void;

/**
 * Frees buffers that are garbage. V8 lets some 64 MiB of them gather that are
 * young, and as much that are not, which is more than a small machine has to
 * spare. `perBytes`: of large bodies taken in, between two collections.
 */
export function createBufferCollector(perBytes: number): (bytes: number) => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  let bytesSince = 0;
  let rounds = 0;
  return (bytes) => {
    bytesSince += bytes;
    if (bytesSince < perBytes) return;
    bytesSince = 0;
    // What lived through two young collections is freed by a full one only.
    collect(++rounds % YOUNG_PER_FULL === 0 ? { type: 'major', flavor: 'regular' } : { type: 'minor' });
  };
}

/** This process's heap, for `startIdleCollector`. */
export function openHeap(): Heap {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  let last: EventLoopUtilization = performance.eventLoopUtilization();
  return {
    busyShare: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    takenBytes: () => {
      const { total_heap_size: heapBytes, external_memory: bufferBytes } = getHeapStatistics();
      return heapBytes + bufferBytes;
    },
    collect: () => collect({ type: 'major', flavor: 'last-resort' }),
  };
}

/** Bytes that the heap may grow to. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit;
}
