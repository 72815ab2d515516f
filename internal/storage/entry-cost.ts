/** What an entry counts against `storage.max_memory`. Pure. */

/**
 * What an entry costs beyond the bytes of its key and value. It was measured
 * (README.md), so that `bytesMax` is close to the memory that the process uses. It
 * is a constant, because every node must compute the same cost.
 */
export const ENTRY_OVERHEAD_BYTES = 80;

/** The cost of an entry in bytes, which counts against `bytesMax`. `valueBytes`: with those of its content type. */
export function entryCost(keyBytes: number, valueBytes: number): number {
  return keyBytes + valueBytes + ENTRY_OVERHEAD_BYTES;
}
