/**
 * A value that comes later, to one receiver and without a promise: what a call on the
 * hot path waits for. A promise costs three objects and a microtask at each step.
 */

export interface Receiver<T> {
  /** One of the two is called, once, and never before `to` has returned. Neither may throw. */
  onValue(value: T): void;
  onError(error: unknown): void;
}

export abstract class Later<T> {
  /** To be called once, in the turn of the event loop that made this. */
  abstract to(receiver: Receiver<T>): void;

  /** The value as `change` makes it; what `change` throws is the receiver's error. */
  map<R>(change: (value: T) => R): Later<R> {
    return new Changed(this, change);
  }
}

class Changed<T, R> extends Later<R> implements Receiver<T> {
  readonly #source: Later<T>;
  readonly #change: (value: T) => R;
  #receiver: Receiver<R> | undefined;

  constructor(source: Later<T>, change: (value: T) => R) {
    super();
    this.#source = source;
    this.#change = change;
  }

  to(receiver: Receiver<R>): void {
    this.#receiver = receiver;
    this.#source.to(this);
  }

  onValue(value: T): void {
    let changed: R;
    try {
      changed = this.#change(value);
    } catch (error) {
      this.#receiver?.onError(error);
      return;
    }
    this.#receiver?.onValue(changed);
  }

  onError(error: unknown): void {
    this.#receiver?.onError(error);
  }
}

/** A value that is there or comes later. */
export type Soon<T> = T | Later<T>;

export function mapSoon<T, R>(value: Soon<T>, change: (value: T) => R): Soon<R> {
  return value instanceof Later ? value.map(change) : change(value);
}
