/**
 * Goes through plain sets: each `next` makes the following one current, without its
 * deadline, which the caller sets.
 */
import type { PlainSets } from '#model/bulk.ts';
import type { EncodedPair } from '#model/encoded.ts';
import { NEVER } from '#model/entry.ts';

export class PlainSetCursor implements EncodedPair {
  readonly bytes: Buffer;
  index = -1;
  keyOffset = 0;
  keyBytes = 0;
  valueOffset = 0;
  valueBytes = 0;
  expireAtMs: number = NEVER;
  readonly typeOffset = 0;
  readonly typeBytes = 0;
  readonly #sets: PlainSets;

  constructor(sets: PlainSets) {
    this.bytes = sets.bytes;
    this.#sets = sets;
  }

  next(): boolean {
    const sets = this.#sets;
    const i = ++this.index;
    if (i >= sets.count) return false;
    this.keyOffset = sets.keyOffsets[i] as number;
    this.keyBytes = sets.keyBytes[i] as number;
    this.valueOffset = sets.valueOffsets[i] as number;
    this.valueBytes = sets.valueBytes[i] as number;
    return true;
  }
}
