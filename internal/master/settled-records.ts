/**
 * Tells the listeners of records that they are settled, once the engine has done with all
 * records of the batch: in one microtask for all of them.
 */
import type { RecordInFlight } from '#master/record-in-flight.ts';

const DONE = Promise.resolve();

export class SettledRecords {
  #settled: RecordInFlight[] = [];
  readonly #tellAll = (): void => {
    const settled = this.#settled;
    this.#settled = [];
    for (const { listener, error } of settled) listener?.onSettled(error);
  };

  /** `record`: it is settled. */
  tell(record: RecordInFlight): void {
    if (record.listener === undefined) return;
    if (this.#settled.push(record) === 1) void DONE.then(this.#tellAll);
  }
}
