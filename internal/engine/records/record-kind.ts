/** What a kind of record has to answer, so that nobody who reads the log switches over kinds. */
import type { EpochTable } from '#engine/epoch-table.ts';
import type { LogClock } from '#engine/log-clock.ts';
import type { EncodedMutation } from '#model/encoded.ts';
import type { Mutation } from '#model/entry.ts';
import type { Store } from '#storage/store.ts';
import type { TimeTable } from '#storage/time-table.ts';
import type { Frame } from '#wal/frame.ts';

/** The numbers that frames carry. One that was ever used keeps its meaning. */
export const RECORD_TYPE = { data: 1, epoch: 2, config: 3, members: 4, ownership: 5 } as const;
export type RecordName = keyof typeof RECORD_TYPE;

/**
 * The payload is ill-formed: corruption on a node's own disk, a bad push from a
 * peer. What a newer program wrote is `NewerFormatError` instead.
 */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** What records change. */
export interface RecordState {
  readonly store: Store;
  readonly epochs: EpochTable;
  readonly logClock: LogClock;
  /** When records were made. */
  readonly times: TimeTable;
}

/** The payload of a record, and what tells how to read it. */
export type RecordBytes = Pick<Frame, 'type' | 'buffer' | 'payloadOffset' | 'payloadBytes' | 'isFinal'>;

/** Goes through the mutations of a record: after each `next` that is true it is the next one, as it lies in the frame. */
export interface MutationWalk extends EncodedMutation {
  next(): boolean;
}

/**
 * One version of one kind of record. Every method is given frames of that kind
 * and version only, and throws `RecordError` on a payload that does not fit
 * exactly.
 */
export interface RecordKind {
  /** The format level of a program that reads it; see `model/formats.ts`. */
  readonly level: number;
  /** A history begins with it: its frame has another epoch than the one before. */
  readonly beginsEpoch: boolean;
  /** Checks everything that `apply` relies on, and changes nothing. */
  check(frame: Frame): void;
  /** Its mutations as values, in order; none where it changes no keys. Values are views of the frame. */
  mutations(frame: Frame): Mutation[];
  /** The same without taking them out, and without garbage: good until the next call. Undefined where it changes no keys. */
  walk(record: RecordBytes): MutationWalk | undefined;
  /** Makes `state` what the record says. */
  apply(frame: Frame, state: RecordState): void;
  /** Does the part of `apply` that a delayed replica does as soon as the record is logged. */
  hold(frame: Frame, state: RecordState): void;
  /** The payload as JSON fields; `hasValues`: with the values, in base64. */
  describe(frame: Frame, hasValues: boolean): Record<string, unknown>;
}
