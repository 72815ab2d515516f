/**
 * What was noted lately about other nodes, by address, for Status. A note that is
 * not repeated is dropped after a while.
 */
import type { Clock } from '#platform/clock.ts';

/** Several rounds of the announcer. */
const KEPT_MS = 40_000;
const NOTES_MAX = 8;

export class RecentNotes<T> {
  readonly #clock: Clock;
  readonly #notes = new Map<string, { readonly note: T; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Replaces what was noted about the address. Where there are eight others, the new note is dropped. */
  note(address: string, note: T): void {
    this.#dropOld();
    if (!this.#notes.has(address) && this.#notes.size >= NOTES_MAX) return;
    this.#notes.set(address, { note, atMs: this.#clock.monotonicMs() });
  }

  forget(address: string): void {
    this.#notes.delete(address);
  }

  list(): (readonly [address: string, note: T])[] {
    this.#dropOld();
    return [...this.#notes].map(([address, { note }]) => [address, note]);
  }

  #dropOld(): void {
    const oldestMs = this.#clock.monotonicMs() - KEPT_MS;
    for (const [address, { atMs }] of this.#notes) if (atMs < oldestMs) this.#notes.delete(address);
  }
}
