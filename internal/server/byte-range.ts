/**
 * The part of a value that `Range` asks for, as RFC 9110 (14) says. One range of bytes
 * is answered; several, other units, and what is no range are answered with the whole
 * value, as the RFC allows. Pure.
 */

/** `start` is the first byte, `end` the one behind the last. */
export type ByteRange = 'whole' | 'unsatisfiable' | { readonly start: number; readonly end: number };

/** `header` as it was sent; `bytes` is the length of the value. */
export function selectRange(header: string | undefined, bytes: number): ByteRange {
  const [, set] = header === undefined ? [] : (/^bytes=(.*)$/i.exec(header.trim()) ?? []);
  const specs = (set ?? '').split(',').map((spec) => spec.trim());
  const [spec, ...more] = specs.filter((each) => each !== '');
  const match = more.length === 0 ? /^(\d*)-(\d*)$/.exec(spec ?? '') : null;
  if (match === null) return 'whole';
  const [, first = '', last = ''] = match;
  return first === '' ? selectSuffix(last, bytes) : selectFrom(Number(first), last, bytes);
}

function selectFrom(start: number, last: string, bytes: number): ByteRange {
  if (last !== '' && Number(last) < start) return 'whole';
  if (start >= bytes) return 'unsatisfiable';
  return { start, end: last === '' ? bytes : Math.min(Number(last) + 1, bytes) };
}

/** The last bytes. An empty value has no part, but is all that such a range can mean. */
function selectSuffix(length: string, bytes: number): ByteRange {
  if (length === '' || bytes === 0) return 'whole';
  if (Number(length) === 0) return 'unsatisfiable';
  return { start: Math.max(0, bytes - Number(length)), end: bytes };
}
