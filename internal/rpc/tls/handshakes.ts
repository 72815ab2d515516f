/**
 * The handshakes under way: bounded in number and in time. Where there are too many, the one
 * that has lasted longest ends: who means it needs two round trips, and who only takes a place
 * cannot keep others out.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Connections, Session } from '#rpc/connections.ts';

/** Counts from when the connection came. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How one ended: the label of a metric. */
export type HandshakeResult =
  | 'ok'
  /** What the peer sent could not be agreed on. */
  | 'failed'
  /** The peer went away. */
  | 'gone'
  | 'timeout'
  /** It had lasted longest when there were too many. */
  | 'displaced'
  /** It ended well, but the client's certificate is not trusted. */
  | 'untrusted'
  /** It ended well, but the client has no certificate where one is required. */
  | 'no_certificate';

export interface HandshakesOptions {
  readonly clock: Clock;
  readonly countMax: number;
  /** They are told when the server drains: then all end. */
  readonly connections: Pick<Connections, 'addSession' | 'removeSession'>;
  /** One has ended without success. */
  readonly onEnd: (result: 'gone' | 'timeout' | 'displaced', remoteAddress: string) => void;
}

interface Handshake extends Session {
  readonly timer: Timer;
}

export class Handshakes {
  readonly #options: HandshakesOptions;
  /** The one that began first comes first. */
  readonly #underWay = new Map<Socket, Handshake>();

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#underWay.size;
  }

  /** `sinceMs`: when the connection came, monotonic. */
  begin(socket: Socket, sinceMs: number): void {
    const { clock, countMax, connections } = this.#options;
    if (this.#underWay.size >= countMax) this.#endOldest();
    const leftMs = Math.max(0, sinceMs + HANDSHAKE_TIMEOUT_MS - clock.monotonicMs());
    const end = (): void => void socket.destroy();
    const handshake = {
      timer: clock.after(leftMs, () => this.#cut(socket, 'timeout')),
      close: end,
      destroy: end,
    };
    this.#underWay.set(socket, handshake);
    connections.addSession(handshake);
    socket.once('close', () => {
      if (this.#underWay.has(socket)) this.#cut(socket, 'gone');
    });
  }

  /** False where it has ended before. `socket`: the one of TCP, see `carrierOf`. */
  end(socket: Socket): boolean {
    const handshake = this.#underWay.get(socket);
    if (handshake === undefined) return false;
    this.#underWay.delete(socket);
    handshake.timer.cancel();
    this.#options.connections.removeSession(handshake);
    return true;
  }

  #endOldest(): void {
    const [oldest] = this.#underWay.keys();
    if (oldest !== undefined) this.#cut(oldest, 'displaced');
  }

  #cut(socket: Socket, result: 'gone' | 'timeout' | 'displaced'): void {
    const remoteAddress = socket.remoteAddress ?? '';
    this.end(socket);
    socket.destroy();
    this.#options.onEnd(result, remoteAddress);
  }
}

/**
 * The socket of TCP under one of TLS, which only Node knows. Addresses cannot stand for it: a
 * connection that was reset has none, and its port may be taken again before its end is seen.
 */
export function carrierOf(socket: TLSSocket): Socket {
  return (socket as unknown as { readonly _parent: Socket })._parent;
}
