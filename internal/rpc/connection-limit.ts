/**
 * How many connections a server takes, and what the ones above that are told.
 * Clients and the log share the descriptors of one process: without a bound,
 * idle clients alone could keep the log from its next segment.
 */
import type { Socket } from 'node:net';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Protocol } from '#rpc/socket-mux.ts';

/** Whatever the limit of open files: each connection takes memory, too. */
const CONNECTIONS_MAX = 20_000;
/** Kept for the log, snapshots, the MANIFEST and connections to other nodes. */
const RESERVED_FILES = 192;
/** So many peers at once, or fewer where few files may be open, are told why they are refused. */
const TOLD_MAX = 32;
/** How long one may take to say what it speaks, and then to read why it is refused. */
export const TELL_MS = 1_000;
const LOG_EVERY_MS = 10_000;

export interface ConnectionLimit {
  readonly openFilesMax: number;
  readonly reservedFiles: number;
  readonly connectionsMax: number;
  /** Connections beyond the limit that are told why they are refused, at once; others are closed without an answer. */
  readonly toldMax: number;
}

/** Half of the files that may be open, if these are few. Pure. */
export function limitConnections(openFilesMax: number): ConnectionLimit {
  const reservedFiles = Math.min(RESERVED_FILES, Math.ceil(openFilesMax / 2));
  // Those that are told why they are refused take a descriptor, too.
  const toldMax = Math.min(TOLD_MAX, Math.floor(openFilesMax / 8));
  const connectionsMax = Math.max(1, Math.min(CONNECTIONS_MAX, openFilesMax - reservedFiles - toldMax));
  return { openFilesMax, reservedFiles, connectionsMax, toldMax };
}

/** Refuses connections, counts that, and says so in the log at most every ten seconds. */
export class ConnectionRefusals {
  readonly #limit: ConnectionLimit;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onRefused: () => void;
  #sinceLog = 0;
  #nextLogMs = Number.NEGATIVE_INFINITY;

  constructor(parts: {
    readonly limit: ConnectionLimit;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly onRefused: () => void;
  }) {
    this.#limit = parts.limit;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#onRefused = parts.onRefused;
  }

  /** One was closed, told why or not. */
  count(): void {
    this.#onRefused();
    this.#sinceLog++;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextLogMs) return;
    this.#nextLogMs = nowMs + LOG_EVERY_MS;
    this.#logger.warn(
      { refused: this.#sinceLog, ...this.#limit },
      'connections refused: the limit is reached',
    );
    this.#sinceLog = 0;
  }

  /** Tells the peer in its own protocol, and closes. */
  tell(socket: Socket, protocol: Protocol): void {
    const { connectionsMax, openFilesMax } = this.#limit;
    const why =
      `all ${connectionsMax} connections of this node are taken (ulimit -n is ${openFilesMax}): ` +
      'close some, share them, or raise the limit';
    // The rest that the peer sends is read and dropped, because a reset could overtake the answer.
    socket.resume();
    socket.end(protocol === 'http2' ? goAway(why) : unavailable(why));
    const timer = this.#clock.after(TELL_MS, () => socket.destroy());
    socket.once('close', () => timer.cancel());
  }
}

function unavailable(message: string): Buffer {
  const body = JSON.stringify({ code: 'unavailable', message });
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'retry-after: 1',
    'connection: close',
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const FRAME_SETTINGS = 4;
const FRAME_GOAWAY = 7;
const ENHANCE_YOUR_CALM = 11;

/** Empty SETTINGS, which must come first, and GOAWAY: no stream was taken up, so all may be tried elsewhere. */
function goAway(why: string): Buffer {
  const codes = Buffer.alloc(8);
  codes.writeUInt32BE(ENHANCE_YOUR_CALM, 4);
  const payload = Buffer.concat([codes, Buffer.from(why)]);
  return Buffer.concat([frame(FRAME_SETTINGS, Buffer.alloc(0)), frame(FRAME_GOAWAY, payload)]);
}

/** On stream 0, without flags. */
function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  return Buffer.concat([header, payload]);
}
