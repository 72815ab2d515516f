/** What a gateway logs of one group: who leads it, and when its calls wait for it. */
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';

/** A group that answers now and then is told as held at most so often. */
const HELD_EVERY_MS = 10_000;

export class GroupLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #heldMs = Number.NEGATIVE_INFINITY;
  #isHeldTold = false;

  constructor(group: string, logger: Logger, clock: Clock) {
    this.#logger = logger.child({ group });
    this.#clock = clock;
  }

  /** `leader`: `node name@term`, or empty. */
  led(leader: string, before: string): void {
    if (leader === '') this.#logger.warn({ before }, 'the group has no leader in the map');
    else this.#logger.info({ leader, before }, 'the map names another leader of the group');
  }

  /** Attempts at the group failed one after the other, and its calls wait. */
  held(calls: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#heldMs < HELD_EVERY_MS) return;
    this.#heldMs = nowMs;
    this.#isHeldTold = true;
    this.#logger.warn({ calls }, 'the group does not answer: its calls wait');
  }

  /** The group answered. */
  released(): void {
    if (!this.#isHeldTold) return;
    this.#isHeldTold = false;
    const afterMs = Math.round(this.#clock.monotonicMs() - this.#heldMs);
    this.#logger.info({ afterMs }, 'calls to the group go on');
  }
}
