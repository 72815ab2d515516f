/** Plain Sets whose record is on its way to disk: their answer when it is settled. */
import type { Accepted } from '#master/accepted.ts';
import { refuseRest } from '#master/operations/batch-steps.ts';
import type { RecordInFlight, SettledListener } from '#master/record-in-flight.ts';
import type { WritePath } from '#master/write-path.ts';
import type { SetsAnswer } from '#model/bulk.ts';
import type { WalnutError } from '#model/errors.ts';
import { Later, type Receiver } from '#model/later.ts';

/** Why Sets were refused, by their index. */
export type Refused = Map<number, WalnutError>;

/** What every plain Set is answered with, once its record is settled. */
const WRITTEN: Accepted = { applied: true, previous: undefined, current: undefined, dependsOn: undefined };
const NONE_REFUSED: ReadonlyMap<number, WalnutError> = new Map();

export class SetsInFlight extends Later<SetsAnswer> implements SettledListener {
  readonly #path: WritePath;
  readonly #record: RecordInFlight;
  readonly #count: number;
  readonly #refused: Refused | undefined;
  #receiver: Receiver<SetsAnswer> | undefined;

  constructor(path: WritePath, record: RecordInFlight, count: number, refused: Refused | undefined) {
    super();
    this.#path = path;
    this.#record = record;
    this.#count = count;
    this.#refused = refused;
  }

  to(receiver: Receiver<SetsAnswer>): void {
    this.#receiver = receiver;
    this.#record.listener = this;
  }

  onSettled(error: WalnutError | undefined): void {
    this.#receiver?.onValue(error === undefined ? this.#answer() : this.#refuseRest(error));
  }

  #answer(): SetsAnswer {
    try {
      const answer = this.#path.complete(WRITTEN, this.#record.position);
      return { answer, refused: this.#refused ?? NONE_REFUSED };
    } catch (error) {
      return this.#refuseRest(error);
    }
  }

  #refuseRest(error: unknown): SetsAnswer {
    return refuseRest(this.#refused ?? new Map(), this.#count, error);
  }
}
