/** Sorts slots by stamp: a radix sort in steps, because sorting millions in one call would stall the event loop. */

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
/** Elements that one step processes. */
const STEP = 65_536;

/**
 * Returns `slots` ordered by `stamps` (whole numbers below 2^53); slots with equal
 * stamps keep their order. Overwrites both arrays. Yields every few milliseconds.
 */
export function* sortByStamp(stamps: Float64Array, slots: Uint32Array): Generator<undefined, Uint32Array> {
  const max = stamps.reduce((most, stamp) => Math.max(most, stamp), 0);
  let from: Columns = { stamps, slots };
  let to: Columns = { stamps: new Float64Array(stamps.length), slots: new Uint32Array(slots.length) };
  for (let unit = 1; unit <= max; unit *= DIGITS) {
    yield* pass(from, to, unit);
    [from, to] = [to, from];
  }
  return from.slots;
}

interface Columns {
  readonly stamps: Float64Array;
  readonly slots: Uint32Array;
}

/** Sorts by one digit; `unit` is the digit's weight. */
function* pass(from: Columns, to: Columns, unit: number): Generator<undefined, void> {
  const starts = new Uint32Array(DIGITS + 1);
  for (let i = 0; i < from.stamps.length; i++) {
    if (i % STEP === STEP - 1) yield;
    const after = digitOf(from.stamps[i] as number, unit) + 1;
    starts[after] = (starts[after] as number) + 1;
  }
  for (let digit = 1; digit <= DIGITS; digit++) {
    starts[digit] = (starts[digit] as number) + (starts[digit - 1] as number);
  }
  for (let i = 0; i < from.stamps.length; i++) {
    if (i % STEP === STEP - 1) yield;
    const stamp = from.stamps[i] as number;
    const digit = digitOf(stamp, unit);
    const at = starts[digit] as number;
    starts[digit] = at + 1;
    to.stamps[at] = stamp;
    to.slots[at] = from.slots[i] as number;
  }
}

function digitOf(stamp: number, unit: number): number {
  // Exact: a number below 2^53 divided by a power of two loses no bits.
  return Math.floor(stamp / unit) % DIGITS;
}
