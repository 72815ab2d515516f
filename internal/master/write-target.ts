/**
 * Where an operation looks at the state and puts its writes: the record itself, or
 * the plan of an atomic batch, which becomes a record only as a whole.
 */
import type { Accepted } from '#master/accepted.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { Entry } from '#model/entry.ts';

/** The accepted state of a key: `live` is what callers see, `stored` counts expired entries too. */
export interface Looked {
  readonly live: Entry | undefined;
  readonly stored: boolean;
  /** The record in flight that this knowledge depends on; undefined: none. */
  readonly record: RecordInFlight | undefined;
}

export interface WriteTarget {
  /** The time of the record, by the log clock. */
  readonly nowMs: number;
  readonly record: RecordInFlight;
  /** What every operation that the record contains answers, if it answers nothing else. */
  readonly written: Accepted;
  look(key: string): Looked;
  set(key: string, value: Uint8Array, expireAtMs: number): void;
  delete(key: string): void;
}
