/** What to do after an attempt that failed. Pure. */
import type { Failure, Outcome } from '#routing/failure.ts';
import { doubled, jittered } from '#routing/pauses.ts';

export type NextStep =
  | { readonly kind: 'give_up' }
  /** Ask this node, at once. */
  | { readonly kind: 'ask'; readonly address: string }
  /** Ask another node, or the same again where there is no other. */
  | { readonly kind: 'go_on'; readonly pauseMs: number };

export interface Situation {
  readonly failure: Failure;
  /** The effect of all attempts so far, this one included. */
  readonly outcome: Outcome;
  /** True if the call may be carried out twice without harm. */
  readonly isRepeatable: boolean;
  /** The address of the hint, where it may be followed. */
  readonly hint: string | undefined;
  /** Hints that were followed one after the other. */
  readonly hintsFollowed: number;
  /** Other nodes are known than the one that failed. */
  readonly hasOthers: boolean;
  /** One of them has not been asked in this round. */
  readonly hasUntried: boolean;
  /** Every node failed in this round as one that nothing but somebody's hand mends. */
  readonly isHopeless?: boolean;
  /** Rounds over all nodes that came to nothing, before this one. */
  readonly rounds: number;
  /** What is left of the caller's time, milliseconds. */
  readonly leftMs: number;
  /** From 0 to 1, so that callers that failed together do not come back together. */
  readonly jitter: number;
  /** The longest pause for a node or a group that may answer soon; undefined: `PAUSE_MS_MAX`. */
  readonly pauseMsMax?: number | undefined;
}

/** Two nodes that take each other for the master would else be asked in turn without a pause. */
const HINTS_MAX = 2;
/** The longest pause after the first round; it doubles with every further one. */
const PAUSE_MS = 25;
const PAUSE_MS_MAX = 1_000;

const GIVE_UP: NextStep = { kind: 'give_up' };

export function nextStep(situation: Situation): NextStep {
  const { failure, outcome, isRepeatable, hint, hintsFollowed, hasOthers, leftMs } = situation;
  if (failure.remedy === 'none' || failure.remedy === 'moved' || leftMs <= 0) return GIVE_UP;
  if (situation.isHopeless === true) return GIVE_UP;
  // An earlier attempt may still be carried out, and so would its repeat be.
  if (outcome !== 'not_done' && !isRepeatable) return GIVE_UP;
  if (hint !== undefined && hintsFollowed < HINTS_MAX) return { kind: 'ask', address: hint };
  if (failure.remedy === 'elsewhere' && !hasOthers) return GIVE_UP;
  const pauseMs = situation.hasUntried ? 0 : Math.max(failure.pauseMs ?? 0, pauseOf(situation));
  return pauseMs < leftMs ? { kind: 'go_on', pauseMs } : GIVE_UP;
}

function pauseOf({ rounds, jitter, failure, pauseMsMax = PAUSE_MS_MAX }: Situation): number {
  // Nothing but these pauses bounds how often a node that answers is asked in vain.
  const boundMs = failure.remedy === 'not_yet' ? PAUSE_MS_MAX : pauseMsMax;
  return jittered(doubled(PAUSE_MS, rounds, boundMs), jitter);
}
