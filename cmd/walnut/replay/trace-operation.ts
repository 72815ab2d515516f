/** One access of a trace, whatever its format. */

export interface TraceOperation {
  readonly kind: 'get' | 'set' | 'delete';
  readonly key: string;
  /** Bytes of the value that is set, also on a miss. */
  readonly valueBytes: number;
  /** Time to live of what is set, in milliseconds; 0: none. */
  readonly ttlMs: number;
}

const SIZE_MIN = 40;
const SIZE_SPAN = 1_000;

/** 40 + number mod 1,000 bytes (with a mod that is never negative): how large a value is where the trace does not say. */
export function defaultValueBytes(number: number): number {
  return SIZE_MIN + (((number % SIZE_SPAN) + SIZE_SPAN) % SIZE_SPAN);
}

/** FNV-1a, 32 bits, over UTF-16 units: stands for the number where a key is text. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

const INTEGER = /^-?\d{1,15}$/;

/** Keys that are numbers get the size that the binary trace of the same numbers would give. */
export function defaultValueBytesOfKey(key: string): number {
  return defaultValueBytes(INTEGER.test(key) ? Number(key) : hashText(key));
}
