/** The progress of the recovery, for Status, and as a log line every two seconds. */
import { RECOVERY_NOT_BEGUN, type RecoveryProgress } from '#engine/recovery-meter.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';

const LOG_EVERY_MS = 2_000;

export class RecoveryWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #progress = RECOVERY_NOT_BEGUN;
  #nextLogMs: number | undefined;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The progress of the recovery under way, or of the last one. */
  get progress(): RecoveryProgress {
    return this.#progress;
  }

  /** Called if there is nothing to recover: on a replica that has not met its master. */
  noteNothing(): void {
    this.#progress = { ...RECOVERY_NOT_BEGUN, phase: 'done', fraction: 1, etaMs: 0 };
  }

  note(progress: RecoveryProgress): void {
    this.#progress = progress;
    const nowMs = this.#clock.monotonicMs();
    if (progress.phase === 'done') {
      this.#nextLogMs = undefined;
      return;
    }
    this.#nextLogMs ??= nowMs + LOG_EVERY_MS;
    if (nowMs < this.#nextLogMs) return;
    this.#nextLogMs = nowMs + LOG_EVERY_MS;
    const { phase, fraction, records, recordsPerS, bytesDone, bytesTotal, elapsedMs, etaMs } = progress;
    const percent = Math.floor(fraction * 100);
    this.#logger.info(
      { phase, percent, records, recordsPerS, bytesDone, bytesTotal, elapsedMs, etaMs },
      'recovering',
    );
  }
}

/** For example `loading: log 43 %, 120000 records, 85000 records/s, about 3 s left`. */
export function describeRecovery({ phase, fraction, records, recordsPerS, etaMs }: RecoveryProgress): string {
  const parts = [`loading: ${phase} ${Math.floor(fraction * 100)} %, ${records} records`];
  if (recordsPerS > 0) parts.push(`${recordsPerS} records/s`);
  if (etaMs !== undefined && etaMs > 0) parts.push(`about ${Math.ceil(etaMs / 1_000)} s left`);
  return parts.join(', ');
}
