/** How V8 keeps its heap. The limit itself is the launcher's to set. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

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

/** Bytes that the heap may grow to. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit;
}
