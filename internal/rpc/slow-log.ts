/**
 * Keeps the last calls that took long: which, about which key, whose, and how long. It knows
 * no values, and looks for the key of a call only once the call was slow.
 */
import type { Operation } from '#model/access.ts';
import { quoteKey } from '#model/limits.ts';
import type { SlowCall, SlowLogAnswer, SlowLogPort } from '#model/slow-call.ts';
import type { Clock } from '#platform/clock.ts';
import { callerOf } from '#rpc/admission.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';

export interface SlowLogOptions {
  /** Milliseconds from which on a call counts as slow; 0: none does. */
  readonly thresholdMs: number;
  /** Most calls that are kept. */
  readonly entriesMax: number;
}

/** Keeps nothing. */
export const NO_SLOW_LOG: SlowLogOptions = { thresholdMs: 0, entriesMax: 0 };

/** A call that has ended. */
export interface EndedCall {
  readonly call: RpcCall;
  /** See `SlowCall`. */
  readonly operation: string;
  readonly code: string;
  readonly durationMs: number;
  /** Called only where the call is kept. */
  readonly key: () => string | undefined;
}

export class SlowLog implements SlowLogPort {
  readonly #clock: Clock;
  readonly #entriesMax: number;
  readonly #calls: SlowCall[] = [];
  #total = 0;
  #thresholdMs: number;

  constructor(clock: Clock, { thresholdMs, entriesMax }: SlowLogOptions) {
    this.#clock = clock;
    this.#thresholdMs = thresholdMs;
    this.#entriesMax = entriesMax;
  }

  get total(): number {
    return this.#total;
  }

  /** To be asked before `note`, whose argument only slow calls should cost. */
  isSlow({ isHeld }: Operation, durationMs: number): boolean {
    return durationMs >= this.#thresholdMs && this.#thresholdMs > 0 && isHeld !== true;
  }

  setThreshold(thresholdMs: number): void {
    this.#thresholdMs = thresholdMs;
  }

  note({ call, operation, code, durationMs, key }: EndedCall): void {
    this.#total++;
    const about = key();
    this.#calls.push({
      id: this.#total,
      endedAtMs: this.#clock.wallMs(),
      operation,
      key: about === undefined ? '' : quoteKey(about),
      code,
      durationMs,
      ...callerOf(call),
    });
    if (this.#calls.length > this.#entriesMax) this.#calls.shift();
  }

  read(limit: number, afterId: number): SlowLogAnswer {
    const newer = this.#calls.filter(({ id }) => id > afterId);
    return {
      calls: newer.reverse().slice(0, limit),
      thresholdMs: this.#thresholdMs,
      entriesMax: this.#entriesMax,
      total: this.#total,
    };
  }
}
