/** Validation of UTF-8. */
import { isUtf8 } from 'node:buffer';

/** True if `bytes[from, to)` are well-formed UTF-8. */
export function isUtf8Range(bytes: Buffer, from: number, to: number): boolean {
  let bits = 0;
  for (let i = from; i < to; i++) bits |= bytes[i] as number;
  // Most keys are ASCII, which is always well-formed.
  return bits < 0x80 || isUtf8(bytes.subarray(from, to));
}
