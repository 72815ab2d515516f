/**
 * Heads of answers over HTTP/1.1, as text of one octet a character, all with the date,
 * which is of the last `refresh`. Those of plain answers are made once for each second
 * and length of body. Throws a TypeError for fields that HTTP cannot carry.
 */
import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import { KEEP_ALIVE_MS } from '#rpc/http1/bounds.ts';
import type { Fields, PlainHead } from '#rpc/unary/answer.ts';
import { POSITIONS_HEADER } from '#wire/call-headers.ts';

/** Lengths of bodies whose heads are kept, each some two hundred bytes. */
const LENGTHS_KEPT = 4_096;
const KEPT = `connection: keep-alive\r\nkeep-alive: timeout=${KEEP_ALIVE_MS / 1_000}\r\n`;
const LAST = 'connection: close\r\n';
/** The driver decides about the connection. */
const OF_CONNECTION = new Set(['connection', 'keep-alive']);

export class AnswerHeads {
  #date: string;
  /** By the length of the body, for connections that go on. */
  #plain = new Map<PlainHead, string[]>();

  constructor(wallMs: number) {
    this.#date = dateField(wallMs);
  }

  /** To be called once a second or so. */
  refresh(wallMs: number): void {
    const date = dateField(wallMs);
    if (date === this.#date) return;
    this.#date = date;
    this.#plain.clear();
  }

  /** `isLast`: the connection ends behind the answer. */
  plain(head: PlainHead, bodyBytes: number, isLast: boolean): string {
    if (isLast) return this.sized(200, head.headers, bodyBytes, true);
    let heads = this.#plain.get(head);
    if (heads === undefined) {
      heads = [];
      this.#plain.set(head, heads);
    }
    const known = heads[bodyBytes];
    if (known !== undefined) return known;
    const text = this.sized(200, head.headers, bodyBytes, false);
    if (bodyBytes < LENGTHS_KEPT) heads[bodyBytes] = text;
    return text;
  }

  /** The head of an answer whose whole body is known. */
  sized(status: number, headers: Fields, bodyBytes: number, isLast: boolean): string {
    return this.of(status, { ...headers, 'content-length': bodyBytes }, isLast);
  }

  of(status: number, headers: Fields, isLast: boolean): string {
    let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined || OF_CONNECTION.has(name)) continue;
      for (const each of Array.isArray(value) ? value : [value]) text += field(name, String(each));
    }
    if (headers['date'] === undefined) text += this.#date;
    return `${text}${isLast ? LAST : KEPT}\r\n`;
  }
}

/** The head with `x-walnut-positions` as its last field. */
export function withPositions(head: string, positions: string): string {
  return `${head.slice(0, -2)}${POSITIONS_HEADER}: ${positions}\r\n\r\n`;
}

function field(name: string, value: string): string {
  validateHeaderName(name);
  validateHeaderValue(name, value);
  return `${name}: ${value}\r\n`;
}

function dateField(wallMs: number): string {
  return `date: ${new Date(wallMs).toUTCString()}\r\n`;
}
