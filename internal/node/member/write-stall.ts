/** How long the oldest write has been under way: since when records wait and none was committed. */
import type { Engine } from '#engine/engine.ts';
import type { Clock } from '#platform/clock.ts';

export class WriteStall {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #committedLsn = 0;
  #sinceMs: number | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** Milliseconds since this was asked first while the same record waited; 0: none waits. */
  ageMs(engine: Engine | undefined): number {
    const nowMs = this.#clock.monotonicMs();
    const waits = engine !== undefined && engine.committedLsn < engine.log.tail.lsn;
    if (!waits) this.#sinceMs = undefined;
    else if (this.#sinceMs === undefined || engine.committedLsn !== this.#committedLsn) this.#sinceMs = nowMs;
    this.#committedLsn = engine?.committedLsn ?? 0;
    return this.#sinceMs === undefined ? 0 : nowMs - this.#sinceMs;
  }
}
