/**
 * Parses HTTP/1.1 responses (RFC 9112) from a byte stream, one at a time. It supports what
 * a Connect server sends to a client that accepts no encoding and never pipelines: bodies
 * with a content-length, and chunked bodies. It throws on anything else, and then the
 * connection must be closed.
 */
import { LEADER_HINT_HEADER, NEW_NODE_HINT_HEADER, RETRY_AFTER_HEADER } from '#wire/error-codes.ts';
import type { CallHints } from './call-error.ts';

export interface LeanResponse extends CallHints {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** The server will close the connection after this response. */
  readonly isLast: boolean;
}

const HEAD_BYTES_MAX = 64 * 1_024;
const BODY_BYTES_MAX = 512 * 1_024 * 1_024;
const CRLF = '\r\n';
const HEAD_END = '\r\n\r\n';

const HINTS: ReadonlyMap<string, keyof CallHints> = new Map([
  [LEADER_HINT_HEADER, 'leaderHint'],
  [NEW_NODE_HINT_HEADER, 'ownerHint'],
  [RETRY_AFTER_HEADER, 'retryAfter'],
]);

interface Head extends CallHints {
  readonly status: number;
  readonly contentType: string;
  readonly isLast: boolean;
  /** Undefined if the body is chunked. */
  readonly bodyBytes: number | undefined;
}

export class LeanResponseReader {
  #parts: Buffer[] = [];
  #bytes = 0;
  /**
   * Parsing is not tried again with fewer bytes than this, so that the parts of a large
   * body are not joined again and again.
   */
  #wantedBytes = 0;
  #head: Head | undefined;
  #body: Buffer[] = [];

  /** Returns the response if these bytes complete it. */
  push(bytes: Buffer): LeanResponse | undefined {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes < this.#wantedBytes) return undefined;
    let data = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts, this.#bytes);
    if (this.#head === undefined) {
      const end = data.indexOf(HEAD_END, 0, 'latin1');
      if (end < 0) return this.#waitFor(data, data.length + 1, HEAD_BYTES_MAX);
      this.#head = parseHead(data.toString('latin1', 0, end));
      data = data.subarray(end + HEAD_END.length);
    }
    return this.#head.bodyBytes === undefined
      ? this.#readChunks(this.#head, data)
      : this.#readBody(this.#head, data);
  }

  #readBody(head: Head, data: Buffer): LeanResponse | undefined {
    const wanted = head.bodyBytes ?? 0;
    if (data.length < wanted) return this.#waitFor(data, wanted, BODY_BYTES_MAX);
    return this.#finish(head, data, data.length - wanted);
  }

  #readChunks(head: Head, from: Buffer): LeanResponse | undefined {
    let data = from;
    for (;;) {
      const lineEnd = data.indexOf(CRLF, 0, 'latin1');
      if (lineEnd < 0) return this.#waitFor(data, data.length + 1, HEAD_BYTES_MAX);
      const size = parseChunkSize(data.toString('latin1', 0, lineEnd));
      if (size === 0) {
        // The response ends with an empty line, directly after the line of the last chunk or
        // after trailers.
        const end = data.indexOf(HEAD_END, lineEnd, 'latin1');
        if (end < 0) return this.#waitFor(data, data.length + 1, HEAD_BYTES_MAX);
        const body = this.#body.length === 1 ? (this.#body[0] as Buffer) : Buffer.concat(this.#body);
        return this.#finish(head, body, data.length - end - HEAD_END.length);
      }
      const start = lineEnd + CRLF.length;
      const wanted = start + size + CRLF.length;
      if (data.length < wanted) return this.#waitFor(data, wanted, BODY_BYTES_MAX);
      this.#body.push(data.subarray(start, start + size));
      data = data.subarray(wanted);
    }
  }

  #waitFor(data: Buffer, wantedBytes: number, bytesMax: number): undefined {
    if (wantedBytes > bytesMax) throw new Error(`response larger than ${bytesMax} bytes`);
    this.#parts = [data];
    this.#bytes = data.length;
    this.#wantedBytes = wantedBytes;
    return undefined;
  }

  #finish(head: Head, body: Buffer, excessBytes: number): LeanResponse {
    if (excessBytes !== 0) throw new Error('bytes after the response');
    this.#parts = [];
    this.#bytes = 0;
    this.#wantedBytes = 0;
    this.#head = undefined;
    this.#body = [];
    return { ...head, body };
  }
}

function parseHead(text: string): Head {
  const lines = text.split(CRLF);
  const status = /^HTTP\/1\.1 (\d{3})/.exec(lines[0] ?? '')?.[1];
  if (status === undefined) throw new Error('not an HTTP/1.1 response');
  let contentType = '';
  const hints: { -readonly [Name in keyof CallHints]: CallHints[Name] } = {};
  let isLast = false;
  let bodyBytes: number | undefined;
  let isChunked = false;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).trim();
    const name = line.slice(0, colon).toLowerCase();
    switch (name) {
      case 'content-length':
        bodyBytes = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
        break;
      case 'transfer-encoding':
        isChunked = value.toLowerCase() === 'chunked';
        break;
      case 'content-type':
        contentType = value;
        break;
      case 'connection':
        isLast = value.toLowerCase() === 'close';
        break;
      default: {
        const hint = HINTS.get(name);
        if (hint !== undefined) hints[hint] = value;
      }
    }
  }
  if (isChunked) bodyBytes = undefined;
  else if (bodyBytes === undefined || Number.isNaN(bodyBytes)) throw new Error('a response without a length');
  return { status: Number(status), contentType, ...hints, isLast, bodyBytes };
}

function parseChunkSize(line: string): number {
  const size = /^([0-9a-fA-F]{1,8})\s*(;|$)/.exec(line)?.[1];
  if (size === undefined) throw new Error('a malformed chunk size');
  return Number.parseInt(size, 16);
}
