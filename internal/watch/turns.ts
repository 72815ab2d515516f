/** A few places for work that costs disk and processor time; a caller that finds none waits its turn. */

/** Takes the place, or says that it has gone. */
type Waiter = () => boolean;

export class Turns {
  #free: number;
  /** Oldest first. */
  readonly #waiting = new Set<Waiter>();

  constructor(places: number) {
    this.#free = places;
  }

  /** Resolves with how to give the place back, once; undefined if `signal` aborted first. */
  async take(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return undefined;
    if (this.#free === 0) return (await this.#wait(signal)) ? this.#place() : undefined;
    this.#free--;
    return this.#place();
  }

  #wait(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter = (): boolean => {
        signal.removeEventListener('abort', onAbort);
        resolve(!signal.aborted);
        return !signal.aborted;
      };
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        resolve(false);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  #place(): () => void {
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.#pass();
    };
  }

  #pass(): void {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter);
      if (waiter()) return;
    }
    this.#free++;
  }
}
