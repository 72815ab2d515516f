/** What is wrong with the blocks of a record, as everyone who reads records is told. */
import { RecordError } from '#engine/records/record-kind.ts';
import { BlockError } from '#platform/blocks.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

/** Any other error as it is. */
export function asRecordError(error: unknown): unknown {
  if (!(error instanceof BlockError)) return error;
  return error.isNewer ? newerPart(error.message) : new RecordError(error.message);
}

/** `what`: the part of a record that this program does not know. */
export function newerPart(what: string): NewerFormatError {
  return new NewerFormatError(`${what}: a newer version of Walnut wrote it`);
}
