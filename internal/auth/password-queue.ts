/**
 * Password hashing, bounded: each takes 16 MiB and a thread that the disk needs, too, and
 * anybody can ask for it. What finds no place is refused at once. Those who wait for a
 * network from which a right password came have places and turns of their own, so that
 * strangers, however many, do not take all.
 */
import { PasswordPace } from '#auth/password-pace.ts';
import type { Clock } from '#platform/clock.ts';
import { networkOf } from '#platform/network-of.ts';

const RUNNING_MAX = 2;
/** Those of known networks, and those of the others. */
const WAITING_MAX = 64;
/** Running and waiting, of one network. */
const OF_NETWORK_MAX = 4;

/** `busy`: all places are taken. `paced`: the network of the caller has as many as it may, or guessed too often. */
export type NoPlace = 'busy' | 'paced';

/** What a check of a password came to; undefined: it is wrong. */
type Check<T> = () => Promise<T | undefined>;
type Line = (() => void)[];

export class PasswordQueue {
  readonly #pace: PasswordPace;
  readonly #known: Line = [];
  readonly #strangers: Line = [];
  readonly #byNetwork = new Map<string, number>();
  #running = 0;
  #isTurnOfStrangers = false;

  constructor(clock: Clock) {
    this.#pace = new PasswordPace(clock);
  }

  tryRun<T>(address: string, check: Check<T>): Promise<T | undefined> | NoPlace {
    const network = networkOf(address);
    const line = this.#pace.isKnown(network) ? this.#known : this.#strangers;
    const ofNetwork = this.#byNetwork.get(network) ?? 0;
    if (ofNetwork >= OF_NETWORK_MAX) return 'paced';
    if (this.#running >= RUNNING_MAX && line.length >= WAITING_MAX) return 'busy';
    if (!this.#pace.tryGuess(network)) return 'paced';
    this.#byNetwork.set(network, ofNetwork + 1);
    return this.#run(network, line, check).finally(() => this.#leave(network));
  }

  async #run<T>(network: string, line: Line, check: Check<T>): Promise<T | undefined> {
    if (this.#running >= RUNNING_MAX) await new Promise<void>((resolve) => line.push(resolve));
    else this.#running++;
    try {
      const found = await check();
      if (found === undefined) return undefined;
      this.#pace.remember(network);
      this.#pace.giveBack(network);
      return found;
    } catch (error) {
      this.#pace.giveBack(network);
      throw error;
    }
  }

  /** The place goes to the next that waits, so `#running` stays as it is then. */
  #leave(network: string): void {
    const ofNetwork = (this.#byNetwork.get(network) ?? 1) - 1;
    if (ofNetwork === 0) this.#byNetwork.delete(network);
    else this.#byNetwork.set(network, ofNetwork);
    const next = this.#next();
    if (next === undefined) this.#running--;
    else next();
  }

  #next(): (() => void) | undefined {
    const [first, second] = this.#isTurnOfStrangers
      ? [this.#strangers, this.#known]
      : [this.#known, this.#strangers];
    this.#isTurnOfStrangers = !this.#isTurnOfStrangers;
    return first.shift() ?? second.shift();
  }
}
