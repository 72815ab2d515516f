/**
 * The last head of a connection, and the heads that it saves parsing: those with equal
 * octets, and those that differ in nothing but the values of `CALL_FIELDS`. Every octet
 * outside these values is compared with one that the parser took at the same place; the
 * values are read by a grammar that is narrower than the parser's. Whatever else differs
 * is for the parser, which alone refuses.
 */
import { type CallValue, Http1Head } from './head1.ts';
import { isLength } from './request-rules.ts';

/** A longer head is not kept. */
const MEMO_BYTES_MAX = 2048;
const NONE = Buffer.alloc(0);

export class HeadMemo {
  #bytes: Buffer = NONE;
  #head: Http1Head | undefined;

  /** Octets of the head that is kept, which is the one that was found last. */
  get length(): number {
    return this.#bytes.length;
  }

  /** `head` was parsed from `bytes[from, to)`, of which it keeps a copy. */
  keep(head: Http1Head, bytes: Buffer, from: number, to: number): void {
    if (to - from > MEMO_BYTES_MAX) return;
    if (to - from === this.#bytes.length) bytes.copy(this.#bytes, 0, from, to);
    else this.#bytes = Buffer.from(bytes.subarray(from, to));
    this.#head = head;
  }

  /** The identical head where `bytes` go on at `from` with the octets of the head before. */
  equal(bytes: Buffer, from: number): Http1Head | undefined {
    const { length } = this.#bytes;
    const to = from + length;
    if (length === 0 || to > bytes.length) return undefined;
    return bytes.compare(this.#bytes, 0, length, from, to) === 0 ? this.#head : undefined;
  }

  /** A head where `bytes` go on at `from` with a whole one that differs only in the values of one call. */
  similar(bytes: Buffer, from: number): Http1Head | undefined {
    const before = this.#head;
    if (before === undefined || before.callValues.length === 0) return undefined;
    const values: CallValue[] = [];
    let at = from;
    let kept = 0;
    for (const value of before.callValues) {
      const start = this.#skipEqual(bytes, at, kept, value.from);
      if (start < 0) return undefined;
      at = endOfValue(bytes, start, from + MEMO_BYTES_MAX);
      if (at === start) return undefined;
      values.push({ at: value.at, from: start - from, to: at - from });
      kept = value.to;
    }
    const to = this.#skipEqual(bytes, at, kept, this.#bytes.length);
    if (to < 0 || to - from > MEMO_BYTES_MAX) return undefined;
    const head = withValues(before, values, bytes, from);
    if (head !== undefined) this.keep(head, bytes, from, to);
    return head;
  }

  /** Behind octets of `bytes` from `at` on that equal those kept in `[from, to)`; -1 where they differ. */
  #skipEqual(bytes: Buffer, at: number, from: number, to: number): number {
    const kept = this.#bytes;
    const end = at + to - from;
    if (end > bytes.length) return -1;
    for (let i = at, k = from; i < end; i++, k++) if (bytes[i] !== kept[k]) return -1;
    return end;
  }
}

/** Behind the visible ASCII characters that begin at `from`: a blank is for the parser to judge. */
function endOfValue(bytes: Buffer, from: number, limit: number): number {
  const end = Math.min(bytes.length, limit);
  let at = from;
  for (; at < end; at++) {
    const octet = bytes[at] as number;
    if (octet <= 0x20 || octet >= 0x7f) break;
  }
  return at;
}

/** Undefined where a length is none. */
function withValues(
  { method, target, fields, contentLength, isLast, derived, derivedBefore }: Http1Head,
  values: readonly CallValue[],
  bytes: Buffer,
  start: number,
): Http1Head | undefined {
  const list = fields.slice();
  let length = contentLength;
  for (const { at, from, to } of values) {
    const value = bytes.toString('latin1', start + from, start + to);
    list[at] = value;
    if (list[at - 1] !== 'content-length') continue;
    if (!isLength(value)) return undefined;
    length = Number(value);
  }
  return new Http1Head(method, target, list, length, isLast, values, derived ?? derivedBefore);
}
