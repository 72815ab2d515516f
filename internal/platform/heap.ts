/** Settings of V8's heap and its garbage collector. The launcher sets the heap limit. */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Heap } from '#platform/idle-collector.ts';

/** V8 collects when garbage reaches this share of what lived at the last full collection; its default is three times that. */
const GROWING_PERCENT = 50;

/**
 * Makes V8 collect earlier. Must be called before anything else. A node's entries are
 * outside the heap and only about 20 MB live in it, so a collection is cheap, and
 * garbage does not grow to a multiple of that.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

/** One of this many collections is a full one; the others are of the young generation. */
const YOUNG_PER_FULL = 4;

/** V8's `gc` function, which exists only after the flag `--expose-gc`. */
type Collect = (
  options:
    | { readonly type: 'major'; readonly flavor: 'last-resort' | 'regular' }
    | { readonly type: 'minor' },
) => void;

/**
 * Frees buffers that are garbage. V8 lets about 64 MiB of young buffers and as much of
 * old ones accumulate, which is too much for a small machine. A collection runs after
 * every `perBytes` of large bodies received and of answers that wait to be read.
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
    // Only a full collection frees what survived two young ones.
    collect(++rounds % YOUNG_PER_FULL === 0 ? { type: 'major', flavor: 'regular' } : { type: 'minor' });
  };
}

/** Opens this process's heap for `startIdleCollector`. */
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

/** The most bytes to which the heap may grow. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit;
}
