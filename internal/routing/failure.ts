/** What is known of a call that failed: its effect, and what may help. */
import { WalnutError } from '#model/errors.ts';

/** Routing itself ended the attempt, so that this is no answer of a node. */
export class EndedAttempt extends WalnutError {
  constructor(why: string, code: 'unavailable' | 'deadline_exceeded' | 'cancelled' = 'unavailable') {
    super(code, why);
  }
}

/**
 * What became of a call that failed. `done`: it took effect, and only its answer could
 * not be used. `not_done`: it did nothing and never will. `unknown`: either.
 */
export type Outcome = 'done' | 'not_done' | 'unknown';

/** One attempt that failed, as far as routing needs to know it. */
export interface Failure {
  /** The effect of this attempt alone. */
  readonly outcome: 'not_done' | 'unknown';
  /**
   * `elsewhere`: another node is the one to ask. `others`: this node fails like this until
   * somebody mends it; others may not. `later`: this node cannot answer now;
   * another one may, and so may this one later. `not_yet`: the same of this request only; the
   * node answers others. `ended`: the attempt was ended on this side, as another node leads now,
   * which says nothing of the node that was asked. `moved`: another group is the one to ask, and no attempt was carried
   * out here. `none`: every repeat fails like this.
   */
  readonly remedy: 'elsewhere' | 'others' | 'later' | 'not_yet' | 'ended' | 'moved' | 'none';
  /** The attempt ran out of its time: a further one gets more. */
  readonly isLate?: boolean;
  /** `host:port` of the master, as the node that was asked knows it. */
  readonly leaderHint?: string | undefined;
  /** The node asks not to be called again before so many milliseconds. */
  readonly pauseMs?: number | undefined;
}

/** What a caller is told with the error of the last attempt. */
export interface Told {
  readonly outcome: Outcome;
  /** The node that failed last. */
  readonly address: string;
  readonly attempts: number;
}
