/**
 * Decides when to say what a node waits for: after five seconds, and then at intervals that
 * double up to ten minutes. If only an operator can help, it is said as soon as the state
 * of every node is known, because the advice depends on all of them. Pure.
 */
import type { MemberState } from './group-member.ts';

const FIRST_MS = 5_000;
const INTERVAL_MS_MAX = 600_000;

interface Note {
  readonly state: string;
  readonly dueMs: number;
  readonly intervalMs: number;
  readonly isSaid: boolean;
}

export class WaitingNotes {
  readonly #notes = new Map<string, Note>();

  /** Returns the states to report now. Call it at least once a second. */
  due(states: readonly MemberState[], nowMs: number): MemberState[] {
    const areKnown = states.every(({ isReady, state }) => isReady || needsOperator(state));
    return states.filter((member) => this.#isDue(member, areKnown, nowMs));
  }

  #isDue({ name, state, isReady }: MemberState, areKnown: boolean, nowMs: number): boolean {
    if (isReady) {
      this.#notes.delete(name);
      return false;
    }
    const known = this.#notes.get(name);
    const note =
      known?.state === state
        ? known
        : { state, dueMs: nowMs + FIRST_MS, intervalMs: FIRST_MS, isSaid: false };
    const isUrgent = !note.isSaid && areKnown && needsOperator(state);
    if (nowMs < note.dueMs && !isUrgent) {
      this.#notes.set(name, note);
      return false;
    }
    const { intervalMs } = note;
    this.#notes.set(name, {
      state,
      dueMs: nowMs + intervalMs,
      intervalMs: Math.min(intervalMs * 2, INTERVAL_MS_MAX),
      isSaid: true,
    });
    return true;
  }
}

/** True if waiting will not make the node ready. */
export function needsOperator(state: string): boolean {
  return state === 'quarantined' || state === 'fenced';
}
