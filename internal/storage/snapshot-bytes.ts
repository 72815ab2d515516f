/** What the parts of a snapshot's codec share: the error, and numbers below 2^53. */
import { assert } from '#platform/assert.ts';

const TWO_32 = 2 ** 32;

/**
 * The file is damaged, cut or not a snapshot. `offset`: every byte of the file before
 * it is intact. It is where the bytes begin that a wrong CRC covers, so the damage is
 * at it or behind it.
 */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly offset: number;
  readonly why: string;
  /** No damage: the CRCs are right, and a newer program wrote it. */
  readonly isNewer: boolean;

  constructor(offset: number, why: string, isNewer = false) {
    super(`snapshot: byte ${offset}: ${why}`);
    this.offset = offset;
    this.why = why;
    this.isNewer = isNewer;
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Returns where it ends. */
export function writeU64(view: DataView, at: number, value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, 'a snapshot contains whole numbers below 2^53');
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  return at + 8;
}

/** `offset` is that of the number in the file. */
export function readU64(view: DataView, at: number, offset: number): number {
  const high = view.getUint32(at + 4, true);
  if (high >= 2 ** 21) throw new SnapshotError(offset, 'a number of 2^53 or more');
  return high * TWO_32 + view.getUint32(at, true);
}
