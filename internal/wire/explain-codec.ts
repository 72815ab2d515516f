/** Converts Explain between protobuf and the model. Pure; bad input throws `invalid_argument`. */
import type { ExplainRequest, ExplainResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import { EXPLAIN_CHANGES_MAX, type ExplainAnswer, type ExplainCommand, summarize } from '#model/explain.ts';
import { checkKey } from '#model/limits.ts';
import { fromPosition } from '#wire/position-codec.ts';
import { fromWatchEvent } from '#wire/watch-codec.ts';

export function toExplainCommand({ key, changes }: ExplainRequest): ExplainCommand {
  checkKey(key);
  if (changes > EXPLAIN_CHANGES_MAX) {
    throw invalidArgument(`changes is ${changes}: expected at most ${EXPLAIN_CHANGES_MAX}`);
  }
  return { key, changes };
}

export function fromExplainAnswer(answer: ExplainAnswer): ExplainResponse {
  const { entry, wallShiftMs } = answer;
  const found = entry !== undefined && !entry.isExpired ? entry : undefined;
  return {
    $typeName: 'walnut.v1.ExplainResponse',
    summary: summarize(answer),
    found: found !== undefined,
    ...(found === undefined ? {} : { version: fromPosition(found.version) }),
    expireAtMs: BigInt(found?.expireAtMs ?? 0),
    valueBytes: BigInt(found?.valueBytes ?? 0),
    memoryBytes: BigInt(found?.memoryBytes ?? 0),
    changes: answer.changes.map((event) => fromWatchEvent(event, wallShiftMs)),
    sets: BigInt(answer.sets),
    deletes: BigInt(answer.deletes),
    waitingChanges: BigInt(answer.waitingChanges),
    searchedFrom: fromPosition(answer.searchedFrom),
    complete: answer.isComplete,
    asOf: fromPosition(answer.asOf),
    stalenessMs: BigInt(Math.max(0, Math.floor(answer.stalenessMs))),
    lagRecords: BigInt(answer.lagRecords),
    modifiedMs: BigInt(found?.modifiedMs ?? 0),
    accessedMs: BigInt(found?.accessedMs ?? 0),
  };
}
