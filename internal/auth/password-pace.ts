/**
 * Wrong passwords of each network, so that guessing is slow, and the networks from which a
 * right one came. Each memory is bounded: of too many networks the one that was seen first
 * is forgotten.
 */
import type { Clock } from '#platform/clock.ts';

/** So many wrong passwords at once, and then one for each `GUESS_EVERY_MS`. */
export const GUESSES_MAX = 10;
export const GUESS_EVERY_MS = 5_000;
const GUESSING_MAX = 4_096;
const KNOWN_MAX = 1_024;

interface Guesses {
  left: number;
  /** When `left` was counted. */
  atMs: number;
}

export class PasswordPace {
  readonly #clock: Clock;
  readonly #guessing = new Map<string, Guesses>();
  readonly #known = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a guess; false where the network has none left. */
  tryGuess(network: string): boolean {
    const left = this.#left(network);
    if (left < 1) return false;
    this.#set(network, left - 1);
    return true;
  }

  /** It was no guess: the password is right, or could not be checked. */
  giveBack(network: string): void {
    this.#set(network, Math.min(GUESSES_MAX, this.#left(network) + 1));
  }

  /** True if a right password came from there. */
  isKnown(network: string): boolean {
    return this.#known.has(network);
  }

  remember(network: string): void {
    this.#known.delete(network);
    forgetFirst(this.#known, KNOWN_MAX);
    this.#known.add(network);
  }

  #left(network: string): number {
    const guesses = this.#guessing.get(network);
    if (guesses === undefined) return GUESSES_MAX;
    const earned = (this.#clock.monotonicMs() - guesses.atMs) / GUESS_EVERY_MS;
    return Math.min(GUESSES_MAX, guesses.left + earned);
  }

  #set(network: string, left: number): void {
    this.#guessing.delete(network);
    if (left >= GUESSES_MAX) return;
    forgetFirst(this.#guessing, GUESSING_MAX);
    this.#guessing.set(network, { left, atMs: this.#clock.monotonicMs() });
  }
}

/** Makes room for one more. */
function forgetFirst(memory: Map<string, unknown> | Set<string>, max: number): void {
  const [first] = memory.keys();
  if (memory.size >= max && first !== undefined) memory.delete(first);
}
