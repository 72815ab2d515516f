/** How far a recovery has come, and when it lets the event loop run other work. */
import type { Clock } from '#platform/clock.ts';
import { TimeSlices } from '#platform/time-slices.ts';

export interface RecoveryProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly records: number;
}

const ITEMS_BETWEEN_CLOCK_READS = 32;

export class ReplayPace {
  /** Records taken, without those that the base snapshot has too. */
  records = 0;
  readonly #bytesTotal: number;
  readonly #onProgress: ((progress: RecoveryProgress) => void) | undefined;
  readonly #slices: TimeSlices;
  #bytesDone = 0;
  #itemsSinceClock = 0;

  /** `bytesTotal`: the bytes of the segments that are to be read. */
  constructor(
    bytesTotal: number,
    clock: Clock,
    onProgress: ((progress: RecoveryProgress) => void) | undefined,
  ) {
    this.#bytesTotal = bytesTotal;
    this.#onProgress = onProgress;
    this.#slices = new TimeSlices(clock);
  }

  progressed(bytes: number): void {
    this.#bytesDone += bytes;
    this.report();
  }

  report(): void {
    this.#onProgress?.({ bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal, records: this.records });
  }

  /** Called for each item. True if it is time to let the event loop run other work. */
  isSliceOver(): boolean {
    if (++this.#itemsSinceClock < ITEMS_BETWEEN_CLOCK_READS) return false;
    this.#itemsSinceClock = 0;
    return this.#slices.isOver;
  }

  nextSlice(): Promise<void> {
    return this.#slices.next();
  }
}
