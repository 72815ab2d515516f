/**
 * Numbers as values: decimal whole numbers in ASCII from -2^63 to 2^63 - 1, so that
 * Get, Set and Increment agree about them. Pure.
 */
import { WalnutError } from '#model/errors.ts';
import { quoteKey } from '#model/limits.ts';

export const COUNTER_MIN = -(2n ** 63n);
export const COUNTER_MAX = 2n ** 63n - 1n;

/** No leading zeros, no plus sign, no -0: each number has one form. */
const FORM = /^(?:0|-?[1-9][0-9]{0,18})$/;
/** Longest number, with its sign. */
const CHARACTERS_MAX = 20;

/** So many digits, or a sign and digits, are exact as a number. */
const EXACT_CHARACTERS_MAX = 15;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/** Most numbers are short, and read like this they cost less than by text and pattern. */
function tryShort(value: Uint8Array): bigint | undefined {
  const { length } = value;
  const start = value[0] === MINUS ? 1 : 0;
  // No digit, a leading zero, or -0.
  if (length === start || (value[start] === ZERO && length > 1)) return undefined;
  let number = 0;
  for (let i = start; i < length; i++) {
    const digit = value[i] as number;
    if (digit < ZERO || digit > NINE) return undefined;
    number = number * 10 + (digit - ZERO);
  }
  return BigInt(start === 0 ? number : -number);
}

/** Undefined unless `value` is exactly a number. */
export function tryCounter(value: Uint8Array): bigint | undefined {
  if (value.length <= EXACT_CHARACTERS_MAX) return tryShort(value);
  if (value.length > CHARACTERS_MAX) return undefined;
  const text = String.fromCharCode(...value);
  if (!FORM.test(text)) return undefined;
  const number = BigInt(text);
  return isCounter(number) ? number : undefined;
}

export function isCounter(number: bigint): boolean {
  return number >= COUNTER_MIN && number <= COUNTER_MAX;
}

/** A number as people type it, in decimals, leading zeros allowed; undefined for anything else. */
export function parseTypedNumber(text: string): bigint | undefined {
  const number = /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined;
  return number !== undefined && isCounter(number) ? number : undefined;
}

export function encodeCounter(number: bigint): Uint8Array {
  return Buffer.from(String(number), 'latin1');
}

/** The number that a value is. Throws `failed_precondition` if it is none. */
export function counterOf(key: string, value: Uint8Array): bigint {
  const number = tryCounter(value);
  if (number !== undefined) return number;
  // Four bytes are the most that a character takes.
  const start = Buffer.from(value.subarray(0, 4 * 65)).toString();
  const what = `key ${quoteKey(key)} has a value that is no number`;
  const expected = 'Expected a decimal whole number from -2^63 to 2^63 - 1, such as 42 or -7';
  throw new WalnutError('failed_precondition', `${what}: ${quoteKey(start)}. ${expected}`, {
    withoutValue: `${what}. ${expected}`,
  });
}

/** Throws `out_of_range` if the sum does not fit. */
export function addToCounter(key: string, number: bigint, delta: bigint): bigint {
  const sum = number + delta;
  if (isCounter(sum)) return sum;
  const why = `adding ${delta} exceeds ${COUNTER_MIN} to ${COUNTER_MAX}`;
  throw new WalnutError('out_of_range', `key ${quoteKey(key)} is ${number}: ${why}`, {
    withoutValue: `key ${quoteKey(key)} has a number to which ${why}`,
  });
}
