/** How single calls are written, as protobuf or as JSON: from a request to columns, and from an answer to bytes. */
import type { ReadMoment } from '#model/bulk.ts';
import type { GetAnswer, IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import type { OperationColumns } from '#wire/kv-columns.ts';

/** The state that a Get reads. */
export type FoundAt = Pick<ReadMoment, 'entries' | 'asOf' | 'stalenessMs'>;

/** Answers have `headroom` unwritten bytes before them. */
export interface CallForm {
  /** The request that was read last; valid only if reading it returned true. */
  readonly columns: OperationColumns;
  /** A Get of a longer value is left to the general way, which encodes it in slices. */
  readonly valueBytesMax: number;
  /** Reads a request of one operation, as `kind` says. False: it has another form, or is invalid. */
  read(kind: number, request: Buffer): boolean;
  /** Lets go of the request. */
  close(): void;
  /** The answer to a Get straight from the store; `found` is what `EntryReads.find` returned. */
  found(moment: FoundAt, found: number, headroom: number): Buffer;
  /** The answer to a Get that was waited for. Without it, what must wait is left to the general way. */
  get?(answer: GetAnswer, headroom: number): Buffer;
  set(answer: WriteAnswer, headroom: number): Buffer;
  delete(answer: WriteAnswer, headroom: number): Buffer;
  increment(answer: IncrementAnswer, headroom: number): Buffer;
  touch(answer: TouchAnswer, headroom: number): Buffer;
}
