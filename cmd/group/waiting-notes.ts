/**
 * When to say what a node waits for: after five seconds, at once where only an
 * operator can help, and then at intervals that double up to ten minutes. Pure.
 */
import type { MemberState } from './group-member.ts';

const FIRST_MS = 5_000;
const INTERVAL_MS_MAX = 600_000;

interface Note {
  readonly state: string;
  readonly dueMs: number;
  readonly intervalMs: number;
}

export class WaitingNotes {
  readonly #notes = new Map<string, Note>();

  /** Those of `states` that something is to be said of now. To be asked every second or more often. */
  due(states: readonly MemberState[], nowMs: number): MemberState[] {
    return states.filter((member) => this.#isDue(member, nowMs));
  }

  #isDue({ name, state, isReady }: MemberState, nowMs: number): boolean {
    if (isReady) {
      this.#notes.delete(name);
      return false;
    }
    const known = this.#notes.get(name);
    const isNews = known?.state !== state;
    const dueMs = isNews ? nowMs + (needsOperator(state) ? 0 : FIRST_MS) : known.dueMs;
    const intervalMs = isNews ? FIRST_MS : known.intervalMs;
    if (nowMs < dueMs) {
      this.#notes.set(name, { state, dueMs, intervalMs });
      return false;
    }
    this.#notes.set(name, {
      state,
      dueMs: nowMs + intervalMs,
      intervalMs: Math.min(intervalMs * 2, INTERVAL_MS_MAX),
    });
    return true;
  }
}

/** Waiting will not make it ready. */
export function needsOperator(state: string): boolean {
  return state === 'quarantined' || state === 'fenced';
}
