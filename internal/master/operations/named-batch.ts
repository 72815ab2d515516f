/** A named atomic Batch: what the log keeps of its answer, and the answer that this gives again. */
import type { Accepted, AtomicOutcome } from '#master/accepted.ts';
import type { NamedOperation } from '#master/named-once.ts';
import { recallOne, resultOf } from '#master/operations/named.ts';
import { checksumOf, textOfBatch } from '#master/request-text.ts';
import type { BatchOperation } from '#model/commands.ts';
import type { WriteResult } from '#model/write-id.ts';

/** `accept`: see `NamedOperation`. */
export function namedBatch(operations: readonly BatchOperation[], accept: () => Accepted): NamedOperation {
  return {
    checksum: checksumOf(textOfBatch(operations)),
    accept,
    resultsOf: (accepted) => resultsOf(operations, accepted),
    recall: (results) => recallBatch(operations, results),
  };
}

/** One for each write. If nothing was committed, a write without an outcome would have been made. */
function resultsOf(
  operations: readonly BatchOperation[],
  { applied: isCommitted, outcomes = [] }: Accepted,
): WriteResult[] {
  return operations.flatMap((operation, i) => {
    if (operation.kind === 'get') return [];
    const outcome = outcomes[i];
    if (outcome === undefined || outcome.kind === 'get') return [{ applied: false, isUnmet: false }];
    return [resultOf(outcome.accepted, !isCommitted)];
  });
}

/** Gets, and where nothing was committed the writes that would have been made, have no outcome. */
function recallBatch(operations: readonly BatchOperation[], results: readonly WriteResult[]): Accepted {
  const isCommitted = results.every(({ isUnmet }) => !isUnmet);
  let next = 0;
  const outcomes = operations.map((operation): AtomicOutcome | undefined => {
    if (operation.kind === 'get') return undefined;
    const result = results[next++];
    if (!isCommitted && result?.isUnmet !== true) return undefined;
    return { kind: operation.kind, accepted: recallOne(result) };
  });
  return { ...recallOne({ applied: isCommitted, isUnmet: !isCommitted }), outcomes };
}
