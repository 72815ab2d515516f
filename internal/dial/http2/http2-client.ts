/**
 * Calls to one node over HTTP/2 by our own codec: one connection, opened by the first call and
 * again when it has gone, and further ones while all have as many calls as the peer takes at once,
 * so that calls that wait long do not stop the others. A call is sent again only where the peer
 * says that it has not looked at it. So many calls wait for a place; further ones fail.
 */
import type { Endpoint } from '#dial/endpoint.ts';
import { ClientConnection, type ConnectionOwner } from '#dial/http2/client-connection.ts';
import type { OutgoingCall } from '#dial/http2/outgoing-call.ts';
import { type OpenHttp2, openHttp2 } from '#dial/open-socket.ts';
import { ErrorCode } from '#http/http2/frame.ts';
import type { Clock } from '#platform/clock.ts';

/** Calls beyond those that the peer takes at once. */
export const CALLS_WAITING_MAX = 1_024;
/** Nodes take 256 calls on each: together as many as a node has watchers. */
export const CONNECTIONS_MAX = 16;
/** After a further connection could not be opened, none is tried for so long. */
const GROWTH_PAUSE_MS = 1_000;

export class Http2Client implements ConnectionOwner {
  readonly endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #openSocket: OpenHttp2;
  readonly #open = new Set<ClientConnection>();
  /** Those that take calls; the first one with room has the next. */
  readonly #current: ClientConnection[] = [];
  #mayGrowMs = Number.NEGATIVE_INFINITY;
  #waiting: OutgoingCall[] = [];
  #isClosed = false;

  constructor(endpoint: Endpoint, clock: Clock, open: OpenHttp2 = openHttp2) {
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#openSocket = open;
  }

  /** Throws a RangeError for fields that cannot be sent. */
  start(call: OutgoingCall): void {
    if (this.#isClosed) call.fail(undefined, 'the client is closed', true);
    else if (this.#waiting.length >= CALLS_WAITING_MAX)
      call.fail(
        ErrorCode.enhanceYourCalm,
        `${CALLS_WAITING_MAX} calls wait to be sent: expected fewer`,
        true,
      );
    else {
      this.#waiting.push(call);
      this.onRoom();
    }
  }

  /** Nobody waits for the answer any more; its sink is told nothing further. `isLate`: it took too long. */
  cancel(call: OutgoingCall, isLate: boolean): void {
    if (call.isOver) return;
    call.isOver = true;
    const at = this.#waiting.indexOf(call);
    if (at >= 0) this.#waiting.splice(at, 1);
    else call.connection?.cancel(call, isLate);
  }

  /** Calls under way fail, and so do later ones. */
  close(): void {
    this.#isClosed = true;
    this.#failWaiting('the client is closed');
    for (const connection of [...this.#open]) connection.destroy('the client is closed');
  }

  onRefused(call: OutgoingCall): void {
    this.start(call);
  }

  /** Sends what waits, as far as there is room. */
  onRoom(): void {
    for (let call = this.#waiting[0]; call !== undefined; call = this.#waiting[0]) {
      // Taken out first: were it refused at once, it would come back.
      this.#waiting.shift();
      if (this.#tryStart(call)) continue;
      this.#waiting.unshift(call);
      if (!this.#mayGrow()) return;
      this.#connect();
    }
  }

  onLeft(connection: ClientConnection): void {
    const at = this.#current.indexOf(connection);
    if (at < 0) return;
    this.#current.splice(at, 1);
    if (connection.isProven || this.#current.length > 0) {
      // The others go on: a peer that takes no further connection is not asked for one at each call.
      if (!connection.isProven) this.#mayGrowMs = this.#clock.monotonicMs() + GROWTH_PAUSE_MS;
      this.onRoom();
    } else this.#failWaiting(connection.why, connection.isUntrusted);
  }

  onClosed(connection: ClientConnection): void {
    this.#open.delete(connection);
  }

  #tryStart(call: OutgoingCall): boolean {
    for (const connection of this.#current) if (connection.tryStart(call)) return true;
    return false;
  }

  /** One that is still being opened may have room in a moment. */
  #mayGrow(): boolean {
    const { length } = this.#current;
    if (length === 0) return true;
    const isOpening = this.#current.some(({ isProven }) => !isProven);
    return !isOpening && length < CONNECTIONS_MAX && this.#clock.monotonicMs() >= this.#mayGrowMs;
  }

  #connect(): void {
    const open = (onBytes: (bytes: Buffer) => void) => this.#openSocket(this.endpoint, onBytes);
    const connection = new ClientConnection(open, this.#clock, this);
    this.#open.add(connection);
    this.#current.push(connection);
  }

  #failWaiting(why: string, isUntrusted = false): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) call.fail(undefined, why, true, isUntrusted);
  }
}
