/** The slots among which a cluster divides its keys. */

/** Slots are numbered 0 to `SLOTS` - 1. */
export const SLOTS = 16_384;

/** Slots in a row, both ends included. */
export interface SlotRun {
  readonly first: number;
  readonly last: number;
}
