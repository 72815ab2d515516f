/**
 * Connections with a client certificate. A handshake verifies it once; here it is judged again
 * when the authorities change and once a minute for its time. A connection whose certificate
 * is not trusted any more ends, and all calls and streams on it.
 */
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '#platform/clock.ts';
import { plainAddress } from '#rpc/protected-mode.ts';
import type { Certificate } from '#tls/tls-material.ts';
import { isStillTrusted, isValidAt } from '#tls/trust.ts';

const LOOK_MS = 60_000;

export class CertifiedSockets {
  readonly #clock: Clock;
  readonly #onOutcast: (remoteAddress: string) => void;
  readonly #open = new Map<TLSSocket, Certificate>();
  #timer: Timer | undefined;

  constructor(clock: Clock, onOutcast: (remoteAddress: string) => void) {
    this.#clock = clock;
    this.#onOutcast = onOutcast;
  }

  add(socket: TLSSocket, certificate: Certificate): void {
    this.#open.set(socket, certificate);
    this.#timer ??= this.#clock.after(LOOK_MS, () => this.#look());
    socket.once('close', () => {
      this.#open.delete(socket);
      if (this.#open.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    });
  }

  judgeAgain(authorities: readonly Certificate[]): void {
    this.#endUnless((certificate, nowMs) => isStillTrusted(certificate, authorities, nowMs));
  }

  #look(): void {
    this.#endUnless(isValidAt);
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look());
  }

  #endUnless(isGood: (certificate: Certificate, nowMs: number) => boolean): void {
    const nowMs = this.#clock.wallMs();
    for (const [socket, certificate] of this.#open) {
      if (isGood(certificate, nowMs)) continue;
      this.#onOutcast(plainAddress(socket.remoteAddress));
      socket.destroy();
    }
  }
}
