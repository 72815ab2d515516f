/**
 * What an operation reads the state from and writes to: the record itself, or the
 * plan of an atomic batch, which becomes a record only as a whole.
 */
import type { Accepted } from '#master/accepted.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { Entry } from '#model/entry.ts';

/** The accepted state of a key: `live` is what callers see, `stored` counts expired entries too. */
export interface Looked {
  readonly live: Entry | undefined;
  readonly stored: boolean;
  /** The record in flight that this depends on; undefined if it depends on none. */
  readonly record: RecordInFlight | undefined;
}

export interface WriteTarget {
  /** The time of the record, by the log clock. */
  readonly nowMs: number;
  readonly record: RecordInFlight;
  /** The answer of every operation in the record that answers nothing of its own. */
  readonly written: Accepted;
  look(key: string): Looked;
  /** `contentType` undefined: the entry has none, whatever it had. */
  set(key: string, value: Uint8Array, expireAtMs: number, contentType?: string): void;
  delete(key: string): void;
  /** True if the token is that of the key's fill lease, and no earlier write here ends it. */
  isLeased(key: string, token: string): boolean;
  /** A write of the key was accepted, and changes nothing. */
  endLease(key: string): void;
  /** The key must be there. */
  touch(key: string, expireAtMs: number): void;
}
