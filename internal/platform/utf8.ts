/** UTF-8 that nobody has vouched for. */
import { isUtf8 } from 'node:buffer';

/** Whether `bytes[from, to)` are well-formed UTF-8. */
export function isUtf8Range(bytes: Buffer, from: number, to: number): boolean {
  let bits = 0;
  for (let i = from; i < to; i++) bits |= bytes[i] as number;
  // ASCII, as most keys are, needs no second look.
  return bits < 0x80 || isUtf8(bytes.subarray(from, to));
}
