/** Which of the keys 0 to `count` - 1 each operation takes. Pure: the same in every run with the same seed. */

/** The k-th key of a zipf distribution is asked for 1 / k^0.99 as often as the first, as in YCSB. */
const SKEW = 0.99;
const RANGE = 2 ** 32;

export type Distribution = 'uniform' | 'zipf';

/** Gives numbers from 0 up to, not including, 1 (xorshift, 32 bits). */
export function createShares(seed: number): () => number {
  let state = (seed | 0) === 0 ? 1 : seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / RANGE;
  };
}

/** For zipf it keeps 8 bytes a key. */
export function createKeyChoice(
  distribution: Distribution,
  count: number,
  shares: () => number,
): () => number {
  if (distribution === 'uniform') return () => Math.floor(shares() * count);
  const sums = new Float64Array(count);
  let sum = 0;
  for (let key = 0; key < count; key++) {
    sum += 1 / (key + 1) ** SKEW;
    sums[key] = sum;
  }
  return () => firstAbove(sums, shares() * sum);
}

/** The index of the first sum above `wanted`, which is less than the last one. */
function firstAbove(sums: Float64Array, wanted: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] as number) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
