/**
 * A Batch that is not atomic and has one name for all of its writes: its outcome in the log has a
 * result for each of them. One that is refused does nothing, also when the Batch is repeated; a Batch
 * of which every write is refused has done nothing, and its name stays new.
 */
import type { Accepted } from '#master/accepted.ts';
import type { NamedOperation } from '#master/named-once.ts';
import { toBatchError, toRefused } from '#master/operations/batch-steps.ts';
import { recallOne, resultOf } from '#master/operations/named.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import type { WritePath } from '#master/write-path.ts';
import type { BatchResult, WriteOperation } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { BatchId, WriteResult } from '#model/write-id.ts';

type Part = Accepted | WalnutError;

export interface PartRunner {
  /** Decides what a write comes to. Throws where it is refused. */
  readonly accept: (write: WriteOperation, builder: RecordBuilder) => Accepted;
  readonly toResult: (write: WriteOperation, accepted: Accepted) => Promise<BatchResult>;
}

/** Resolves with a result for each write. */
export async function runNamedParts(
  path: WritePath,
  writes: readonly WriteOperation[],
  id: BatchId,
  { accept, toResult }: PartRunner,
): Promise<BatchResult[]> {
  const whole = path.write((builder) => {
    const parts = (): Part[] => writes.map((write) => tryAccept(() => accept(write, builder)));
    return once(path, writes, id, parts, builder);
  });
  if (whole.parts === undefined) throw new Error('a named Batch has an outcome for each write');
  const { dependsOn, position, isRepeat } = whole;
  return Promise.all(
    whole.parts.map(async (part, i): Promise<BatchResult> => {
      if (part instanceof WalnutError) return { kind: 'error', error: part };
      const write = writes[i] as WriteOperation;
      try {
        return await toResult(write, { ...part, dependsOn, position, isNamed: true, isRepeat });
      } catch (error) {
        return toBatchError(error);
      }
    }),
  );
}

/** What the Batch came to; of one whose writes are all refused nothing is logged. */
function once(
  path: WritePath,
  writes: readonly WriteOperation[],
  id: BatchId,
  accept: () => Part[],
  builder: RecordBuilder,
): Accepted {
  let refused: Part[] | undefined;
  const operation: NamedOperation = {
    checksum: id.checksum,
    accept: () => {
      const parts = accept();
      const first = parts[0];
      if (first instanceof WalnutError && parts.every((part) => part instanceof WalnutError)) {
        refused = parts;
        throw first;
      }
      return { ...builder.written, parts };
    },
    resultsOf: ({ parts = [] }) => parts.map((part, i) => partResult(part, writes[i] as WriteOperation)),
    recall: (results) => ({ ...recallOne({ applied: true, isUnmet: false }), parts: recallParts(results) }),
  };
  try {
    return path.named.once(id, operation, builder);
  } catch (error) {
    if (refused === undefined) throw error;
    return { ...recallOne(undefined), parts: refused };
  }
}

function tryAccept(accept: () => Accepted): Part {
  try {
    return accept();
  } catch (error) {
    return toRefused(error).error;
  }
}

export const REFUSED: WriteResult = { applied: false, isUnmet: false, isRefused: true };

function partResult(part: Part, { kind, command }: WriteOperation): WriteResult {
  if (part instanceof WalnutError) return REFUSED;
  return resultOf(part, kind !== 'touch' && command.condition !== undefined);
}

function recallParts(results: readonly WriteResult[]): Part[] {
  return results.map((result) => (result.isRefused === true ? refusedBefore() : recallOne(result)));
}

/** Why is not in the log. */
function refusedBefore(): WalnutError {
  return new WalnutError(
    'unavailable',
    'the Batch was carried out before, and this write was refused then, why is not known any more: nothing of it was done; send it again under another name',
    { nothingDone: true },
  );
}
