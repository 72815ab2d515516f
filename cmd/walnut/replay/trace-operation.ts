/** One access of a trace, whatever its format. */

export interface TraceOperation {
  readonly kind: 'get' | 'set' | 'delete';
  readonly key: string;
  /** The size of the value that is set, also on a miss, in bytes. */
  readonly valueBytes: number;
  /** The time to live of the value that is set, in milliseconds; 0: none. */
  readonly ttlMs: number;
}

const SIZE_MIN = 40;
const SIZE_SPAN = 1_000;

/**
 * The size of a value if the trace does not state it: 40 + number mod 1,000 bytes, with a
 * mod that is never negative.
 */
export function defaultValueBytes(number: number): number {
  return SIZE_MIN + (((number % SIZE_SPAN) + SIZE_SPAN) % SIZE_SPAN);
}

/** FNV-1a, 32 bits, over UTF-16 units. It replaces the number if the key is text. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

const INTEGER = /^-?\d{1,15}$/;

/** Numeric keys get the size that the binary trace of the same numbers gives. */
export function defaultValueBytesOfKey(key: string): number {
  return defaultValueBytes(INTEGER.test(key) ? Number(key) : hashText(key));
}
