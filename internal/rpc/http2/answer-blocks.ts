/**
 * Header blocks of answers, all with the date, which is of the last `refresh`.
 * Those of plain answers are prepared once for each second and length of body.
 * Throws a RangeError for fields that HTTP/2 cannot carry.
 */
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { HEAD_BYTES_MAX } from '#http/http2/limits.ts';
import type { WholeAnswer } from '#http/http2/outbound.ts';
import { type AnswerHeaders, type Fields, OK_TRAILERS, type PlainHead } from '#rpc/unary/answer.ts';
import { headTooLarge, unparsedBody } from '#rpc/unparsed.ts';
import { POSITIONS_HEADER } from '#wire/call-headers.ts';

/** Fields of HTTP/1.1 connections: HTTP/2 forbids them. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

export const CONTINUE = prepareBlock([':status', '100']);
const OK_TRAILERS_BLOCK = prepareBlock(fieldsOf(OK_TRAILERS));

/** The same answer as over HTTP/1.1. */
export const HEAD_TOO_LARGE: WholeAnswer = {
  head: prepareBlock([':status', '431', 'content-type', 'application/json']),
  text: Buffer.from(unparsedBody(headTooLarge(HEAD_BYTES_MAX))),
};

/** Lengths of bodies whose blocks are kept, each some hundred bytes. */
const LENGTHS_KEPT = 4_096;

/** The begin of the field, a literal that no table keeps: the length of its value and the value follow. */
const POSITIONS_NAME = prepareBlock([POSITIONS_HEADER, '']).subarray(0, -1);
/** The length of a value that is shorter takes one byte. */
const SHORT_VALUE = 0x7f;

export class AnswerBlocks {
  #date: string;
  #plain = new Map<PlainHead, Uint8Array[]>();
  readonly #told: Buffer[] = [];

  constructor(wallMs: number) {
    this.#date = new Date(wallMs).toUTCString();
  }

  /** To be called once a second or so. */
  refresh(wallMs: number): void {
    const date = new Date(wallMs).toUTCString();
    if (date === this.#date) return;
    this.#date = date;
    this.#plain.clear();
  }

  plain(head: PlainHead, bodyBytes: number): Uint8Array {
    let blocks = this.#plain.get(head);
    if (blocks === undefined) {
      blocks = [];
      this.#plain.set(head, blocks);
    }
    const place = head.isSized ? bodyBytes : 0;
    const known = blocks[place];
    if (known !== undefined) return known;
    const headers = head.isSized ? { ...head.headers, 'content-length': String(bodyBytes) } : head.headers;
    const block = this.head(200, headers);
    if (place < LENGTHS_KEPT) blocks[place] = block;
    return block;
  }

  /** The block with `x-walnut-positions` behind it; valid until the next call. */
  withPositions(block: Uint8Array, positions: string): Uint8Array {
    if (positions.length >= SHORT_VALUE)
      return Buffer.concat([block, prepareBlock([POSITIONS_HEADER, positions])]);
    const told = this.#toldOf(block.length + POSITIONS_NAME.length + 1 + positions.length);
    let at = block.length;
    told.set(block);
    for (let i = 0; i < POSITIONS_NAME.length; i++) told[at++] = POSITIONS_NAME[i] as number;
    told[at++] = positions.length;
    told.write(positions, at, 'latin1');
    return told;
  }

  /** Room that is used again: to allocate it costs more than to fill it. */
  #toldOf(bytes: number): Buffer {
    let told = this.#told[bytes];
    if (told === undefined) {
      told = Buffer.alloc(bytes);
      if (bytes < LENGTHS_KEPT) this.#told[bytes] = told;
    }
    return told;
  }

  head(status: number, headers: Fields): Uint8Array {
    const fields = [':status', String(status), ...fieldsOf(headers)];
    if (headers['date'] === undefined) fields.push('date', this.#date);
    return prepareBlock(fields);
  }

  trailers(trailers: AnswerHeaders): Uint8Array {
    return trailers === OK_TRAILERS ? OK_TRAILERS_BLOCK : this.fields(trailers);
  }

  fields(fields: Fields): Uint8Array {
    return prepareBlock(fieldsOf(fields));
  }
}

function fieldsOf(headers: Fields): string[] {
  const fields: string[] = [];
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase();
    if (value === undefined || HOP_BY_HOP.has(name)) continue;
    for (const each of Array.isArray(value) ? value : [value]) fields.push(name, String(each));
  }
  return fields;
}
