/** A named write of one operation: what the log keeps of its answer, and the answer that this gives again. */
import type { Accepted } from '#master/accepted.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import { checksumOf, type Text } from '#master/request-text.ts';
import type { WritePath } from '#master/write-path.ts';
import { NEVER } from '#model/entry.ts';
import type { WriteId, WriteResult } from '#model/write-id.ts';

export interface NamedSingle {
  readonly text: Text;
  readonly isConditional: boolean;
  readonly accept: () => Accepted;
}

/** See `NamedOnce.once`. */
export function acceptNamed(
  path: WritePath,
  id: WriteId,
  builder: RecordBuilder,
  { text, isConditional, accept }: NamedSingle,
): Accepted {
  const operation = {
    checksum: checksumOf(text),
    accept,
    resultsOf: (accepted: Accepted) => [resultOf(accepted, isConditional)],
    recall: ([result]: readonly WriteResult[]) => recallOne(result),
  };
  return path.named.once(id, operation, builder);
}

export function resultOf({ applied, counter }: Accepted, isConditional: boolean): WriteResult {
  const result = { applied, isUnmet: isConditional && !applied };
  return counter === undefined ? result : { ...result, value: counter.value };
}

/** Values and deadlines are not known any more. */
export function recallOne(result: WriteResult | undefined): Accepted {
  const nothing = { previous: undefined, current: undefined, dependsOn: undefined };
  const counter = result?.value === undefined ? {} : { counter: { value: result.value, expireAtMs: NEVER } };
  return { applied: result?.applied === true, ...nothing, ...counter };
}
