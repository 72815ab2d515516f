/** Records on their way to disk, and who is told what became of them. */
import type { WalnutError } from '#model/errors.ts';
import type { Frame } from '#wal/frame.ts';

/** Called once: without an error when the record is committed (and applied, except on a delayed replica), otherwise with the reason why it never will be. */
export type RecordDone = (error?: WalnutError) => void;

/** `RecordDone` as an object, for the hot path: a closure for each record costs more than all else that is kept of it. */
export interface RecordOwner {
  onDone(error: WalnutError | undefined): void;
}

export interface PendingRecord {
  readonly frame: Frame;
  readonly done: RecordDone | RecordOwner | undefined;
}

export function tellDone({ done }: PendingRecord, error?: WalnutError): void {
  if (typeof done === 'function') done(error);
  else done?.onDone(error);
}
