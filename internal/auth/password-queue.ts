/**
 * Password hashing, bounded: each takes 16 MiB and a thread that the disk needs, too, and
 * anybody can ask for it. What finds no place is refused at once.
 */
const RUNNING_MAX = 2;
const WAITING_MAX = 64;
/** Running and waiting, of one address. */
const OF_ADDRESS_MAX = 4;

export class PasswordQueue {
  readonly #waiting: (() => void)[] = [];
  readonly #byAddress = new Map<string, number>();
  #running = 0;

  /** Undefined: there is no place. */
  tryRun<T>(address: string, work: () => Promise<T>): Promise<T> | undefined {
    const ofAddress = this.#byAddress.get(address) ?? 0;
    if (ofAddress >= OF_ADDRESS_MAX) return undefined;
    if (this.#running >= RUNNING_MAX && this.#waiting.length >= WAITING_MAX) return undefined;
    this.#byAddress.set(address, ofAddress + 1);
    return this.#run(work).finally(() => this.#leave(address));
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= RUNNING_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    return work();
  }

  /** The place goes to the next that waits, so `#running` stays as it is then. */
  #leave(address: string): void {
    const ofAddress = (this.#byAddress.get(address) ?? 1) - 1;
    if (ofAddress === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, ofAddress);
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
