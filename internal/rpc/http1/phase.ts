/** What a connection of HTTP/1.1 is at, since when, and for how long it may be. */
import { ANSWER_WAIT_MS, HALF_CLOSED_MS, HEADERS_TIMEOUT_MS, KEEP_ALIVE_MS } from '#rpc/http1/bounds.ts';
import { DRAINING_MS } from '#rpc/socket-mux.ts';
import { LINGER_MS } from '#rpc/unparsed.ts';

/**
 * `idle`: no byte of a request has come. `head`, `body`: one is on its way. `answer`: it is
 * whole. `blocked`: so it is, and others wait behind it. `parting`: its peer sends no
 * more. `over`: the socket ends.
 */
export type Phase = 'idle' | 'head' | 'body' | 'answer' | 'blocked' | 'parting' | 'over';

export type PhaseLimits = Readonly<Record<Phase, number>>;

/** In milliseconds. `requestMs`: from a request's first byte until it is whole. */
export function phaseLimits(requestMs: number): PhaseLimits {
  return {
    idle: KEEP_ALIVE_MS,
    head: HEADERS_TIMEOUT_MS,
    body: requestMs,
    answer: Number.POSITIVE_INFINITY,
    blocked: ANSWER_WAIT_MS,
    parting: HALF_CLOSED_MS,
    over: LINGER_MS,
  };
}

export class PhaseTime {
  readonly #limitsMs: PhaseLimits;
  /** The first bytes of a new connection have come. */
  #phase: Phase = 'head';
  #sinceMs: number;

  constructor(limitsMs: PhaseLimits, nowMs: number) {
    this.#limitsMs = limitsMs;
    this.#sinceMs = nowMs;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** A head is whole: the time of its request runs since its first byte. */
  onHead(nowMs: number): void {
    if (this.#phase !== 'head') this.#sinceMs = nowMs;
    this.#phase = 'body';
  }

  become(phase: Phase, nowMs: number): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#sinceMs = nowMs;
  }

  /** `isLast`: the server drains, and a stop must not wait for the rest of a head. */
  isLate(nowMs: number, isLast: boolean): boolean {
    const limitMs = isLast && this.#phase === 'head' ? DRAINING_MS : this.#limitsMs[this.#phase];
    return nowMs - this.#sinceMs >= limitMs;
  }
}
