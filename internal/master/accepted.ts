/** What operations have been decided to answer before their record is on disk. */
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { Entry } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';

/** What an accepted operation will answer once the records it depends on are settled. */
export interface Accepted {
  readonly applied: boolean;
  readonly previous: Entry | undefined;
  readonly current: Entry | undefined;
  /** The record in flight that the answer depends on; undefined if it depends on none. */
  readonly dependsOn: RecordInFlight | undefined;
  /**
   * The position of an answer that was settled before; undefined: that of the record,
   * or of the state now.
   */
  readonly position?: Position | undefined;
  /** The write has a name: also where it changed nothing, its answer stands for a record. */
  readonly isNamed?: true | undefined;
  /** It was carried out before, under the same name. */
  readonly isRepeat?: true | undefined;
  /** What an Increment wrote; undefined for other operations, and if it wrote nothing. */
  readonly counter?: WrittenCounter | undefined;
  /** What a Touch came to; undefined for other operations, and if the key is missing. */
  readonly touched?: Touched | undefined;
  /**
   * In an atomic batch: the outcome of each operation by its index; undefined: it
   * answers nothing of its own.
   */
  readonly outcomes?: readonly (AtomicOutcome | undefined)[] | undefined;
  /** In a Batch that is not atomic and has a name: what each of its writes came to, or why it was refused. */
  readonly parts?: readonly (Accepted | WalnutError)[] | undefined;
}

export type AtomicOutcome =
  | { readonly kind: 'get'; readonly found: Entry | undefined }
  | { readonly kind: 'set' | 'delete' | 'increment' | 'touch'; readonly accepted: Accepted };

export interface Touched {
  /** With the new deadline, if it was requested. */
  readonly entry: Entry | undefined;
  /** By the log clock. */
  readonly expireAtMs: number;
}

export interface WrittenCounter {
  readonly value: bigint;
  /** By the log clock. */
  readonly expireAtMs: number;
}

/** The same with each entry of its answer, and of those of its outcomes, changed by `change`. The only list of them. */
export function mapEntries<T extends Accepted>(accepted: T, change: (entry: Entry) => Entry): T {
  const { previous, current, touched, outcomes, parts } = accepted;
  return {
    ...accepted,
    previous: previous && change(previous),
    current: current && change(current),
    touched: touched && { ...touched, entry: touched.entry && change(touched.entry) },
    outcomes: outcomes?.map(
      (outcome): AtomicOutcome | undefined =>
        outcome &&
        (outcome.kind === 'get'
          ? { kind: 'get', found: outcome.found && change(outcome.found) }
          : { kind: outcome.kind, accepted: mapEntries(outcome.accepted, change) }),
    ),
    parts: parts?.map((part) => (part instanceof WalnutError ? part : mapEntries(part, change))),
  };
}
