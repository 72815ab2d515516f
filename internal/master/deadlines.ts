/** Computes the deadline that is logged for a set, by the log clock. */
import type { LogClock } from '#engine/log-clock.ts';
import { PLAIN_EXPIRY, type PlainSets } from '#model/bulk.ts';
import type { Expiry } from '#model/commands.ts';
import { type Entry, isExpired, movedDeadline, NEVER } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';

export class Deadlines {
  readonly #logClock: LogClock;
  readonly #defaultTtlMs: () => number;

  /** `defaultTtlMs`: for sets without an expiry; 0 means that they never expire. */
  constructor(logClock: LogClock, defaultTtlMs: () => number) {
    this.#logClock = logClock;
    this.#defaultTtlMs = defaultTtlMs;
  }

  /**
   * `live`: the entry as callers see it; `keep` keeps its deadline. Throws
   * `invalid_argument` for a deadline above 2^53.
   */
  of(expiry: Expiry, live: Entry | undefined, nowMs: number): number {
    switch (expiry.kind) {
      case 'default':
        return this.#default(nowMs);
      case 'ttl':
        return deadlineIn(expiry.ttlMs, nowMs);
      case 'at':
        return movedDeadline(expiry.expireAtMs, -this.#logClock.shiftMs(nowMs));
      case 'logged':
        return expiry.expireAtMs;
      case 'keep':
        return live?.expireAtMs ?? NEVER;
    }
  }

  /** Computes the deadline of the plain set at `index`. `shiftMs`: that of the log clock at `nowMs`. */
  ofPlain({ expiries, expiryMs }: PlainSets, index: number, shiftMs: number, nowMs: number): number {
    const ms = expiryMs[index] as number;
    if (expiries[index] === PLAIN_EXPIRY.at) return movedDeadline(ms, -shiftMs);
    return expiries[index] === PLAIN_EXPIRY.ttl ? deadlineIn(ms, nowMs) : this.#default(nowMs);
  }

  #default(nowMs: number): number {
    const ttlMs = this.#defaultTtlMs();
    return ttlMs === 0 ? NEVER : nowMs + ttlMs;
  }
}

/** True if the deadline of no Set is beyond 2^53. */
export function areReachable({ count, expiries, expiryMs }: PlainSets, nowMs: number): boolean {
  for (let i = 0; i < count; i++) {
    if (expiries[i] === PLAIN_EXPIRY.ttl && nowMs + (expiryMs[i] as number) > Number.MAX_SAFE_INTEGER)
      return false;
  }
  return true;
}

/** True if one of the deadlines is given in wall time. */
export function hasWallTime({ count, expiries }: PlainSets): boolean {
  for (let i = 0; i < count; i++) if (expiries[i] === PLAIN_EXPIRY.at) return true;
  return false;
}

/** Returns true if one of the deadlines has passed already. */
export function hasPast({ count, expiries, expiryMs }: PlainSets, shiftMs: number, nowMs: number): boolean {
  for (let i = 0; i < count; i++) {
    if (expiries[i] !== PLAIN_EXPIRY.at) continue;
    if (isExpired(movedDeadline(expiryMs[i] as number, -shiftMs), nowMs)) return true;
  }
  return false;
}

function deadlineIn(ttlMs: number, nowMs: number): number {
  if (nowMs + ttlMs > Number.MAX_SAFE_INTEGER) {
    throw invalidArgument(`ttl_ms is ${ttlMs}: expected a deadline below 2^53 milliseconds`);
  }
  return nowMs + ttlMs;
}
