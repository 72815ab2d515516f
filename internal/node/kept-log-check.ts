/**
 * Reads the log that is kept for replicas once, in the background: damage there is
 * an alarm, not a failure.
 */

import type { Engine } from '#engine/engine.ts';
import type { Lsn } from '#model/position.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';

interface Damage {
  readonly what: string;
  /** Undefined if it is not known. */
  readonly lsn: number | undefined;
}

export class KeptLogCheck {
  readonly #engine: Engine;
  readonly #logger: Logger;
  #found: string | undefined;
  #running: Promise<void> | undefined;

  constructor(engine: Engine, logger: Logger) {
    this.#engine = engine;
    this.#logger = logger;
  }

  /** Ends when `signal` aborts. */
  start(signal: AbortSignal): void {
    this.#running = this.#run(signal);
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  /** What is damaged, as found here or by a reader of the feed; undefined if nothing is known to be. */
  get damage(): string | undefined {
    if (this.#found !== undefined) return this.#found;
    const { damagedLsn } = this.#engine.feed;
    return damagedLsn === undefined ? undefined : `LSN ${damagedLsn} cannot be read`;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const damage = await this.#verify(signal);
    this.#found = damage?.what;
    if (damage?.lsn !== undefined) this.#engine.feed.noteDamage(damage.lsn as Lsn);
  }

  async #verify(signal: AbortSignal): Promise<Damage | undefined> {
    try {
      const damage = await this.#engine.log.verifyKept(signal);
      if (damage === undefined) return undefined;
      this.#logger.error({ damage }, 'the log kept for replicas is damaged');
      const what = `${damage.file} at byte ${damage.byte}, LSN ${damage.lsn}: ${damage.why}`;
      return { what, lsn: damage.lsn };
    } catch (error) {
      if (signal.aborted) return undefined;
      this.#logger.error({ err: error }, 'the log kept for replicas cannot be read');
      return { what: `it cannot be read: ${messageOf(error)}`, lsn: undefined };
    }
  }
}
