/** What a cache is asked for: a zipf-like stream, or a recorded trace. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { createNumbers } from '../wire/unary-requests.ts';

const PRECISION = 2 ** 30;

/**
 * `count` accesses to `keys` keys, the k-th of them 1 / k^`skew` as often as the
 * first; by inverting the distribution's sums. The same in every run.
 */
export function zipf(keys: number, count: number, skew: number): Int32Array {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let key = 0; key < keys; key++) {
    sum += 1 / (key + 1) ** skew;
    sums[key] = sum;
  }
  const numbers = createNumbers(PRECISION, 7);
  return Int32Array.from({ length: count }, () => firstAtLeast(sums, (numbers() / PRECISION) * sum));
}

function firstAtLeast(sums: Float64Array, wanted: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first `count` keys of a gzipped file of little-endian 32-bit keys. Throws where it cannot be read. */
export function readTrace(file: string, count: number): Int32Array {
  const bytes = gunzipSync(readFileSync(file));
  const length = Math.min(count, Math.floor(bytes.length / 4));
  return Int32Array.from({ length }, (_, i) => bytes.readInt32LE(4 * i));
}

/** Hits of an exact LRU of so many entries: what the accesses allow it. */
export function lruHits(accesses: Int32Array, entriesMax: number): number {
  const held = new Set<number>();
  let hits = 0;
  for (const key of accesses) {
    if (held.delete(key)) hits++;
    else if (held.size === entriesMax) held.delete(held.values().next().value as number);
    held.add(key);
  }
  return hits;
}
