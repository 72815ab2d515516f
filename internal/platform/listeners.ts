/**
 * Any number of listeners to one kind of event, called synchronously in the
 * order in which they subscribed. A listener that throws ends the call.
 */
export type Listener<T> = (event: T) => void;

export class Listeners<T> {
  /** Replaced, never changed: whoever subscribes during a call is called from the next one on. */
  #all: readonly { readonly listener: Listener<T> }[] = [];

  /** Returns how to end the subscription; calling that again changes nothing. */
  subscribe(listener: Listener<T>): () => void {
    // An entry of its own, so that the same function may subscribe twice.
    const own = { listener };
    this.#all = [...this.#all, own];
    return () => {
      this.#all = this.#all.filter((one) => one !== own);
    };
  }

  tell(event: T): void {
    const all = this.#all;
    for (let i = 0; i < all.length; i++) all[i]?.listener(event);
  }
}
