/**
 * How many connections a server takes, and what the ones above that are told.
 * Clients and the log share the descriptors of one process: without a bound,
 * idle clients alone could keep the log from its next segment.
 */
import type { Socket } from 'node:net';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { ENHANCE_YOUR_CALM, refuseConnection } from '#rpc/refuse-connection.ts';
import type { Protocol } from '#rpc/socket-mux.ts';

/** Whatever the limit of open files: each connection takes memory, too. */
const CONNECTIONS_MAX = 20_000;
/** Kept for the log, snapshots, the MANIFEST and connections to other nodes. */
const RESERVED_FILES = 192;
/** So many peers at once, or fewer where few files may be open, are told why they are refused. */
const TOLD_MAX = 32;
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
    const message =
      `all ${connectionsMax} connections of this node are taken (ulimit -n is ${openFilesMax}): ` +
      'close some, share them, or raise the limit';
    const refusal = {
      status: 503,
      code: 'unavailable',
      message,
      retryAfterS: 1,
      goAwayCode: ENHANCE_YOUR_CALM,
    };
    refuseConnection(socket, protocol, refusal, this.#clock);
  }
}
