/**
 * Tells the listeners of records that they are settled, once the engine has done with all
 * records of the batch: in one microtask for all of them.
 */
import type { RecordInFlight, SettledListener } from '#master/record-in-flight.ts';
import type { WalnutError } from '#model/errors.ts';

interface Settled {
  readonly listener: SettledListener;
  readonly error: WalnutError | undefined;
}

const DONE = Promise.resolve();

export class SettledRecords {
  #settled: Settled[] = [];
  readonly #tellAll = (): void => {
    const settled = this.#settled;
    this.#settled = [];
    for (const { listener, error } of settled) listener.onSettled(error);
  };

  tell({ listener }: RecordInFlight, error: WalnutError | undefined): void {
    if (listener === undefined) return;
    if (this.#settled.push({ listener, error }) === 1) void DONE.then(this.#tellAll);
  }
}
