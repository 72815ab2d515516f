/**
 * How many connections a server takes, and what it tells those that it refuses.
 * Clients and the log share the descriptors of one process: without a bound,
 * idle clients alone could keep the log from its next segment, or take the memory of all.
 */
import type { Socket } from 'node:net';
import { ErrorCode } from '#http/http2/frame.ts';
import { CONNECTIONS_MAX } from '#model/limits.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Full } from '#rpc/connection-places.ts';
import { refuseConnection } from '#rpc/refuse-connection.ts';
import type { Protocol } from '#rpc/socket-mux.ts';

/** Kept for the log, snapshots, the MANIFEST and connections to other nodes. */
const RESERVED_FILES = 192;
/** So many peers at once, or fewer where few files may be open, are told why they are refused. */
const TOLD_MAX = 32;
const LOG_EVERY_MS = 10_000;
/**
 * The most that a connection takes which waits, and which no other bound counts (measured: up to
 * 44 KiB, and 103 KiB by TLS). Its peer has sent nearly all of a head of 16 kB, and by TLS nearly
 * all of a record as well. One that asked once and sends nothing takes 16 kB, and 37 kB by TLS.
 */
const CLEAR_BYTES = 48 * 1_024;
const TLS_BYTES = 104 * 1_024;
/** So many are taken however little memory there is. */
const CONNECTIONS_MIN = 256;

export interface ConnectionLimit {
  readonly openFilesMax: number;
  readonly reservedFiles: number;
  /** How many there is memory for. */
  readonly memoryMax: number;
  readonly connectionsMax: number;
  /** How many one address may have, or one /64 network of IPv6. */
  readonly perAddressMax: number;
  /** Connections beyond the limit that are told why they are refused, at once; others are closed without an answer. */
  readonly toldMax: number;
}

/** How many connections are taken into so many bytes of memory. Pure. */
export function connectionsIn(bytes: number, isTls: boolean): number {
  const count = Math.floor(bytes / (isTls ? TLS_BYTES : CLEAR_BYTES));
  return Math.min(CONNECTIONS_MAX, Math.max(CONNECTIONS_MIN, count));
}

/**
 * Half of the files that may be open, if these are few. `perAddressMax`: as configured;
 * undefined: a quarter, so that no caller takes all. Pure.
 */
export function limitConnections(
  openFilesMax: number,
  perAddressMax?: number,
  memoryMax = CONNECTIONS_MAX,
): ConnectionLimit {
  const reservedFiles = Math.min(RESERVED_FILES, Math.ceil(openFilesMax / 2));
  // Those that are told why they are refused take a descriptor, too.
  const toldMax = Math.min(TOLD_MAX, Math.floor(openFilesMax / 8));
  const filesLeft = openFilesMax - reservedFiles - toldMax;
  const connectionsMax = Math.max(1, Math.min(memoryMax, filesLeft));
  return {
    openFilesMax,
    reservedFiles,
    memoryMax,
    connectionsMax,
    perAddressMax: Math.min(connectionsMax, perAddressMax ?? Math.max(16, Math.floor(connectionsMax / 4))),
    toldMax,
  };
}

/** What keeps a server from taking more connections. Pure. */
export function describeBound({ connectionsMax, memoryMax, openFilesMax }: ConnectionLimit): string {
  if (connectionsMax < memoryMax) return `ulimit -n is ${openFilesMax}`;
  return memoryMax < CONNECTIONS_MAX ? 'its memory has room for no more' : 'no node takes more';
}

/** Refuses connections, counts that, and says so in the log at most every ten seconds for each limit. */
export class ConnectionRefusals {
  readonly #limit: ConnectionLimit;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onRefused: (full: Full) => void;
  readonly #lines = { all: new RefusalLine(), address: new RefusalLine() };

  constructor(parts: {
    readonly limit: ConnectionLimit;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly onRefused: (full: Full) => void;
  }) {
    this.#limit = parts.limit;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#onRefused = parts.onRefused;
  }

  /** One was closed, told why or not. `address`: of the peer. */
  count(full: Full, address: string): void {
    this.#onRefused(full);
    const refused = this.#lines[full].take(this.#clock.monotonicMs());
    if (refused === undefined) return;
    const { perAddressMax } = this.#limit;
    if (full === 'all') {
      this.#logger.warn({ refused, ...this.#limit }, 'connections refused: the limit is reached');
    } else {
      this.#logger.warn({ refused, address, perAddressMax }, 'connections refused: one address has too many');
    }
  }

  /** Tells the peer in its own protocol, and closes. */
  tell(socket: Socket, protocol: Protocol, full: Full): void {
    const refusal = {
      status: 503,
      code: 'unavailable',
      message: this.#reason(full),
      retryAfterS: 1,
      goAwayCode: ErrorCode.enhanceYourCalm,
    };
    refuseConnection(socket, protocol, refusal, this.#clock);
  }

  #reason(full: Full): string {
    const { connectionsMax, perAddressMax } = this.#limit;
    return full === 'all'
      ? `all ${connectionsMax} connections of this node are taken (${describeBound(this.#limit)}): ` +
          'close some, share them, or raise the limit'
      : `all ${perAddressMax} connections that one address may have are taken: ` +
          'close some, share them, or raise server.max_connections_per_address';
  }
}

/** How many were refused since the last line of the log. */
class RefusalLine {
  #sinceLog = 0;
  #nextLogMs = Number.NEGATIVE_INFINITY;

  /** Undefined: no line now. */
  take(nowMs: number): number | undefined {
    this.#sinceLog++;
    if (nowMs < this.#nextLogMs) return undefined;
    this.#nextLogMs = nowMs + LOG_EVERY_MS;
    const refused = this.#sinceLog;
    this.#sinceLog = 0;
    return refused;
  }
}
