/**
 * The log lines of a loop that asks the metadata store: one for each reason why it fails,
 * until it succeeds, and one when it does. A store that is away for a night fills no log.
 */
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';

/** Reasons may contain what differs each time. */
const REASONS_MAX = 16;

export class ToldReasons {
  readonly #logger: Logger;
  readonly #asking: string;
  readonly #told = new Set<string>();

  /** `asking`: who asks the store. */
  constructor(logger: Logger, asking: string) {
    this.#logger = logger;
    this.#asking = asking;
  }

  failed(error: unknown): void {
    const why = messageOf(error);
    if (this.#told.has(why)) return;
    if (this.#told.size >= REASONS_MAX) this.#told.clear();
    this.#told.add(why);
    this.#logger.warn({ asking: this.#asking, why }, 'the metadata store gives no answer');
  }

  succeeded(): void {
    if (this.#told.size === 0) return;
    this.#told.clear();
    this.#logger.info({ asking: this.#asking }, 'the metadata store answers again');
  }
}
