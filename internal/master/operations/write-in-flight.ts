/** A single write whose answer depends on a record on its way to disk: the answer when that is settled. */
import type { RecordInFlight, SettledListener } from '#master/record-in-flight.ts';
import type { WalnutError } from '#model/errors.ts';
import { Later, type Receiver } from '#model/later.ts';

export class WriteInFlight<T> extends Later<T> implements SettledListener {
  readonly #record: RecordInFlight;
  readonly #isOwn: boolean;
  readonly #complete: () => T;
  #receiver: Receiver<T> | undefined;

  /** `isOwn`: the write made the record, so that nobody else listens to it. `complete`: makes the answer, or throws. */
  constructor(record: RecordInFlight, isOwn: boolean, complete: () => T) {
    super();
    this.#record = record;
    this.#isOwn = isOwn;
    this.#complete = complete;
  }

  to(receiver: Receiver<T>): void {
    this.#receiver = receiver;
    if (this.#isOwn) this.#record.listener = this;
    else
      this.#record.settled.then(
        () => this.onSettled(undefined),
        (error) => this.#receiver?.onError(error),
      );
  }

  onSettled(error: WalnutError | undefined): void {
    if (error !== undefined) {
      this.#receiver?.onError(error);
      return;
    }
    let answer: T;
    try {
      answer = this.#complete();
    } catch (why) {
      this.#receiver?.onError(why);
      return;
    }
    this.#receiver?.onValue(answer);
  }
}
