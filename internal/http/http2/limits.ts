/**
 * What one connection may cost, with numbers. Each limit either bounds memory
 * or bounds work that brings nothing; a peer that passes one of the second kind
 * is told ENHANCE_YOUR_CALM, and the failure names the limit.
 */

export const STREAMS_MAX = 256;
/** What a client assumes until the peer says how many it takes: the least that RFC 9113 advises it to take. */
export const STREAMS_BEFORE_SETTINGS = 100;
/** Decoded octets of a head, as RFC 7541 counts: name + value + 32 a field. */
export const HEAD_BYTES_MAX = 16 * 1024;
/** A block as it is sent. Twice the decoded limit: a head just above it is a stream's error, not the end. */
export const BLOCK_BYTES_MAX = 2 * HEAD_BYTES_MAX;
export const CONTINUATIONS_MAX = 8;
export const SETTINGS_ENTRIES_MAX = 32;
/** Acknowledgements of pings and settings waiting to be taken. */
export const ACKS_WAITING_MAX = 1000;
/** Data is no longer written but left with its stream while so much output waits to be taken. */
export const OUTPUT_BYTES_SOFT = 256 * 1024;
/** New streams are refused while so much output waits to be taken. */
export const OUTPUT_BYTES_HARD = 1024 * 1024;
/** Streams reset by this side whose late frames are ignored: as many as resets may come in one burst, and some. */
export const RESETS_REMEMBERED = 1024;

export const PREFACE_MS_MAX = 10_000;
export const HEAD_MS_MAX = 10_000;
export const SETTINGS_ACK_MS_MAX = 10_000;
/** A stream whose queued data has not moved for so long is reset. */
export const SEND_STALL_MS_MAX = 60_000;
/** The drain goes on after so long without the answer to its ping. */
export const DRAIN_PING_MS_MAX = 1_000;

export type LimitName = 'resets' | 'settings' | 'overhead' | 'acks' | 'continuations' | 'block bytes';

interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * `resets`: streams the peer resets, makes this side reset, or has refused.
 * `settings`: SETTINGS frames behind the first, each of which may touch all streams.
 * `overhead`: frames that carry nothing on: pings, window updates, empty data,
 * priority, unknown types, frames of closed streams. Honest peers send these
 * in proportion to data and calls, so each head and each frame of data, either
 * way, gives USEFUL_EARNS back; hence no honest rate of pings or updates is too
 * high, and a flood of nothing else is cut off.
 */
export const RATES = {
  resets: { burst: 1000, perSecond: 33 },
  settings: { burst: 100, perSecond: 10 },
  overhead: { burst: 10_000, perSecond: 1_000 },
} as const satisfies Record<string, Rate>;

export const USEFUL_EARNS = 4;

/** A counter that refills. */
export class Bucket {
  readonly #rate: Rate;
  #left: number;
  #filledAtMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes one; false where none is left. A clock that goes back refills nothing. */
  take(nowMs: number): boolean {
    if (this.#left < 1) {
      const passedMs = Math.max(0, nowMs - this.#filledAtMs);
      this.#left = Math.min(this.#rate.burst, this.#left + (passedMs * this.#rate.perSecond) / 1000);
      this.#filledAtMs = nowMs;
      if (this.#left < 1) return false;
    }
    this.#left--;
    return true;
  }

  earn(count: number): void {
    this.#left = Math.min(this.#rate.burst, this.#left + count);
  }
}
