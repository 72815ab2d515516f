/**
 * The handshakes under way: bounded in number and in time. Where there are too many, the one
 * that has lasted longest ends: who means it needs two round trips, and who only takes a place
 * cannot keep others out.
 */
import type { Socket } from 'node:net';
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
  readonly socket: Socket;
  readonly timer: Timer;
}

export class Handshakes {
  readonly #options: HandshakesOptions;
  /** The one that began first comes first. */
  readonly #underWay = new Map<string, Handshake>();

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
    const key = keyOf(socket);
    const leftMs = Math.max(0, sinceMs + HANDSHAKE_TIMEOUT_MS - clock.monotonicMs());
    const end = (): void => void socket.destroy();
    const handshake = {
      socket,
      timer: clock.after(leftMs, () => this.#cut(key, 'timeout')),
      close: end,
      destroy: end,
    };
    this.#underWay.set(key, handshake);
    connections.addSession(handshake);
    socket.once('close', () => {
      if (this.#underWay.get(key) === handshake) this.#cut(key, 'gone');
    });
  }

  /** False where it has ended before. `key`: see `keyOf`. */
  end(key: string): boolean {
    const handshake = this.#underWay.get(key);
    if (handshake === undefined) return false;
    this.#underWay.delete(key);
    handshake.timer.cancel();
    this.#options.connections.removeSession(handshake);
    return true;
  }

  #endOldest(): void {
    const [oldest] = this.#underWay.keys();
    if (oldest !== undefined) this.#cut(oldest, 'displaced');
  }

  #cut(key: string, result: 'gone' | 'timeout' | 'displaced'): void {
    const socket = this.#underWay.get(key)?.socket;
    const remoteAddress = socket?.remoteAddress ?? '';
    this.end(key);
    socket?.destroy();
    this.#options.onEnd(result, remoteAddress);
  }
}

/** The same for a socket and for the one of TLS on it: what makes a connection of TCP unlike all others. */
export function keyOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
