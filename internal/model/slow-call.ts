/** Calls that took long, as the slow log keeps them. */

export interface SlowCall {
  /** Counts up from 1 since the process started. */
  readonly id: number;
  /** Wall time at which it was answered, in milliseconds. */
  readonly endedAtMs: number;
  /** `/package.Service/Method`, or a verb and a route such as `GET /v1/keys/`. */
  readonly operation: string;
  /** The first key or prefix of the request, quoted and cut by `quoteKey`; empty where it has none. */
  readonly key: string;
  /** `ok`, or the code of the error in lower case. */
  readonly code: string;
  readonly durationMs: number;
  /** See `callerOf`. */
  readonly user: string;
  readonly from: string;
}

export interface SlowLogAnswer {
  /** The newest first. */
  readonly calls: readonly SlowCall[];
  /** Calls that take as long are kept; 0: none are. */
  readonly thresholdMs: number;
  /** Most calls that are kept. */
  readonly entriesMax: number;
  /** Slow calls since the process started, those that are not kept any more included. */
  readonly total: number;
}

export interface SlowLogPort {
  /** At most `limit` calls whose id is above `afterId`. */
  read(limit: number, afterId: number): SlowLogAnswer;
}
