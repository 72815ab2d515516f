/** Connections that are not served are told why, in the protocol that they speak, and closed. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Flag, FRAME_HEAD_BYTES, FrameType, writeFrameHead } from '#http/http2/frame.ts';
import type { Clock } from '#platform/clock.ts';
import type { Protocol } from '#rpc/socket-mux.ts';

/** How long a peer may take to say what it speaks, and then to read why it is refused. */
export const TELL_MS = 1_000;

export interface ConnectionRefusal {
  /** For HTTP/1.1. */
  readonly status: number;
  /** Connect's code in lower case. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterS?: number;
  /** The code of the GOAWAY. Its last stream is 0, so that every request may be tried elsewhere. */
  readonly goAwayCode: number;
}

export function refuseConnection(
  socket: Socket,
  protocol: Protocol,
  refusal: ConnectionRefusal,
  clock: Clock,
): void {
  socket.on('error', ignore);
  // The rest that the peer sends is read and dropped, because a reset could overtake the answer.
  socket.resume();
  socket.end(protocol === 'http2' ? goAway(refusal) : answer(refusal));
  const timer = clock.after(TELL_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
}

function ignore(): void {}

function answer({ status, code, message, retryAfterS }: ConnectionRefusal): Buffer {
  const body = JSON.stringify({ code, message });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(retryAfterS === undefined ? [] : [`retry-after: ${retryAfterS}`]),
    'connection: close',
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Empty SETTINGS, which must come first, and GOAWAY. */
function goAway({ goAwayCode, message }: ConnectionRefusal): Buffer {
  const codes = Buffer.alloc(8);
  codes.writeUInt32BE(goAwayCode, 4);
  const payload = Buffer.concat([codes, Buffer.from(message)]);
  return Buffer.concat([frame(FrameType.settings, Buffer.alloc(0)), frame(FrameType.goaway, payload)]);
}

/** On stream 0, without flags. */
function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  writeFrameHead(head, 0, payload.length, type, Flag.none, 0);
  return Buffer.concat([head, payload]);
}
