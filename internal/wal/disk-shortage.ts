/**
 * Knows what the disk is short of, and tries every second whether it still is, so
 * that `shortage` ends by itself even if nobody writes.
 */
import type { Lsn } from '#model/position.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { describeShortage, type Shortage, shortageOf } from '#platform/shortage.ts';
import { messageOf } from '#platform/thrown.ts';
import { isShortage } from '#wal/wal-errors.ts';

const PROBE_INTERVAL_MS = 1_000;
/** Free bytes from which a full disk counts as usable again. */
const PROBE_FREE_BYTES = 1_024 * 1_024;

export interface DiskShortageParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes free on the log's disk. */
  readonly freeBytes: () => Promise<number>;
  /** Writes to the end of the log what is cut off again, as far as it can be. Rejects where a record would be refused. */
  readonly tryRoom: () => Promise<void>;
  /** Must have `probe` called when no batch is being written. */
  readonly onProbe: () => void;
  readonly writtenLsn: () => Lsn;
}

export class DiskShortage {
  readonly #parts: DiskShortageParts;
  #current: Shortage | undefined;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: DiskShortageParts) {
    this.#parts = parts;
  }

  /** What the last batch was short of; undefined: nothing. */
  get current(): Shortage | undefined {
    return this.#current;
  }

  begin(error: unknown): void {
    const { clock, logger, writtenLsn, onProbe } = this.#parts;
    const shortage = shortageOf(error) ?? 'space';
    if (this.#current !== shortage) {
      const what = { error: messageOf(error), lsn: writtenLsn() + 1 };
      logger.warn(what, `${describeShortage(shortage)}: writes are refused`);
    }
    this.#current = shortage;
    if (this.#isStopped) return;
    this.#timer ??= clock.after(PROBE_INTERVAL_MS, () => {
      this.#timer = undefined;
      if (this.#current !== undefined) onProbe();
    });
  }

  end(): void {
    if (this.#current !== undefined) this.#parts.logger.info({}, 'the shortage is over: writes are taken');
    this.#current = undefined;
  }

  /** Tries whether the shortage is over. Rejects if the disk fails for another reason. */
  async probe(): Promise<void> {
    try {
      if ((await this.#parts.freeBytes()) < PROBE_FREE_BYTES) return this.begin(new Error('still full'));
      // A quota, a limit of the file's size or a lack of inodes shows in a write only.
      await this.#parts.tryRoom();
      this.end();
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.begin(error);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
