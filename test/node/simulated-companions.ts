/** Clients that come along with a simulated group. */
import type { KnownHistory } from '#test/node/simulated-history.ts';
import type { Member } from '#test/node/simulated-members.ts';

export interface Companions {
  /** Some of them do one thing each, unawaited. */
  step(members: readonly Member[]): void;
  /** Throws where what they saw was not right; the oracle has seen everything by then. */
  judge?(history: KnownHistory): void;
}
