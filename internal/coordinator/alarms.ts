/** What operators must know, each alarm once, with the time since when it is so. */
import type { Alarm } from '#cluster/coordinator-port.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';

export class Alarms {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #raised = new Map<string, Alarm>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  get list(): readonly Alarm[] {
    return [...this.#raised.values()];
  }

  /** What was so when this coordinator acted before is not known any more. */
  clear(): void {
    this.#raised.clear();
  }

  /** Raises the alarm about a subject, changes its text, or ends it where `why` is undefined. */
  set(subject: string, why: string | undefined): void {
    const raised = this.#raised.get(subject);
    if (raised?.why === why) return;
    if (why === undefined) {
      this.#raised.delete(subject);
      this.#logger.info({ subject }, 'an alarm is over');
      return;
    }
    this.#raised.set(subject, { why, sinceMs: raised?.sinceMs ?? this.#clock.wallMs() });
    this.#logger.warn({ subject, why }, 'alarm');
  }
}
