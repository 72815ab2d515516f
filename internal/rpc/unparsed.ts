/**
 * Answers bytes that Node's HTTP/1.1 parser rejects: sends the answers that are due before,
 * then an error that says why, and closes the connection, because the next request cannot
 * be located. The error has the shape of all others.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { UNKNOWN_CODING } from '#http/http1/request-rules.ts';
import type { Clock } from '#platform/clock.ts';

export const UNESCAPED_PATH =
  'the path has bytes that a URL may not contain: expected them percent-encoded as UTF-8, such as %C3%BC for ü';

/** How long the peer may go on sending: a connection closed over unread bytes is reset, and the answer with it. */
export const LINGER_MS = 1_000;

/** Node's fields of a parser error. */
export interface ParseError {
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  /** The bytes that were parsed. */
  readonly rawPacket?: Uint8Array | undefined;
}

export interface Unparsed {
  readonly status: number;
  readonly message: string;
}

export const LATE: Unparsed = { status: 408, message: 'the request did not come whole in time' };

/** True for Node's word for a request that took too long to come. */
export function isLate(code: string | undefined): boolean {
  return code === 'ERR_HTTP_REQUEST_TIMEOUT';
}

export function describeUnparsed({ code, reason, rawPacket }: ParseError, headerBytesMax: number): Unparsed {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return headTooLarge(headerBytesMax);
  }
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    return { status: 413, message: 'the chunk extensions are too large: expected none' };
  }
  if (isLate(code)) {
    return LATE;
  }
  if (code === 'HPE_INVALID_TRANSFER_ENCODING') return { status: 501, message: UNKNOWN_CODING };
  if (code === 'HPE_INVALID_URL' || code === 'HPE_INVALID_CONSTANT') {
    const isUnescaped = firstLine(rawPacket).some((byte) => byte > 0x7e);
    if (isUnescaped) return { status: 400, message: UNESCAPED_PATH };
  }
  return notHttp(reason);
}

export function headTooLarge(bytesMax: number): Unparsed {
  return { status: 431, message: `the headers are too large: expected at most ${bytesMax} bytes` };
}

/** The body of the answer, in JSON, as of every failure. */
export function unparsedBody({ status, message }: Unparsed): string {
  return JSON.stringify({ code: codeOf(status), message });
}

/** `why`: what the parser found. */
export function notHttp(why: string | undefined): Unparsed {
  const found = why === undefined || why === '' ? '' : `: ${why}`;
  return { status: 400, message: `expected a request of HTTP/1.1 or HTTP/2${found}` };
}

/** Answers on the bare socket, and ends it. */
export function endWith(socket: Socket, clock: Clock, why: Unparsed): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status } = why;
  const body = unparsedBody(why);
  const head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  const linger = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', () => linger.cancel());
  socket.end(head + body);
  socket.resume();
}

function codeOf(status: number): string {
  if (status === 501) return 'unimplemented';
  return status === 413 || status === 431 ? 'resource_exhausted' : 'invalid_argument';
}

function firstLine(packet: Uint8Array | undefined): Uint8Array {
  if (packet === undefined) return new Uint8Array(0);
  const end = packet.indexOf(0x0d);
  return end === -1 ? packet : packet.subarray(0, end);
}
