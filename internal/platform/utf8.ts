/** Text of UTF-8 bytes that nobody has vouched for. */
import { isUtf8 } from 'node:buffer';

/** The text of `bytes[from, to)`; undefined where they are not well-formed UTF-8. A BOM is text like any other. */
export function tryDecodeUtf8(bytes: Buffer, from: number, to: number): string | undefined {
  let bits = 0;
  for (let i = from; i < to; i++) bits |= bytes[i] as number;
  // ASCII, as most keys are, cannot be ill-formed, and is the quickest to decode as the Latin-1 that it is too.
  if (bits < 0x80) return bytes.toString('latin1', from, to);
  return isUtf8(bytes.subarray(from, to)) ? bytes.toString('utf8', from, to) : undefined;
}
