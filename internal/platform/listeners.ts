/**
 * The listeners to one kind of event, called synchronously in the order in which they
 * subscribed. If a listener throws, those after it are not called.
 */
export type Listener<T> = (event: T) => void;

export class Listeners<T> {
  /** Replaced, never modified, so that a listener added during a call is called from the next one on. */
  #all: readonly { readonly listener: Listener<T> }[] = [];

  /** Returns a function that ends the subscription; calling it again does nothing. */
  subscribe(listener: Listener<T>): () => void {
    // The wrapper object allows the same function to subscribe twice.
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
