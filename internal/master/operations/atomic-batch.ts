/**
 * An atomic Batch: all operations in one record, or none. Conditions, reads and
 * errors are settled first, in a plan; only a plan without a failure becomes a record.
 */

import type { Accepted, AtomicOutcome } from '#master/accepted.ts';
import { AtomicPlan } from '#master/operations/atomic-plan.ts';
import { judgeDelete } from '#master/operations/delete.ts';
import { judgeIncrement, toIncrementAnswer } from '#master/operations/increment.ts';
import { namedBatch } from '#master/operations/named-batch.ts';
import { judgeSet } from '#master/operations/set.ts';
import { judgeTouch, toTouchAnswer } from '#master/operations/touch.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import type { WritePath } from '#master/write-path.ts';
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  BatchOperation,
  BatchResult,
  GetCommand,
  WriteAnswer,
} from '#model/commands.ts';
import { ofOperation, WalnutError } from '#model/errors.ts';

/** Throws if a Get cannot be answered from the accepted state here. */
export type AdmitRead = (command: GetCommand) => void;

export async function runAtomicBatch(
  path: WritePath,
  command: AtomicBatchCommand,
  admit: AdmitRead,
  signal: AbortSignal | undefined,
): Promise<AtomicBatchAnswer> {
  const { id, operations } = command;
  const accepted = path.write((builder) => {
    const accept = (): Accepted => acceptAll(path, command, builder, admit);
    return id === undefined ? accept() : path.named.once(id, namedBatch(operations, accept), builder);
  });
  const { isRepeat, ...answer } = await path.answer(accepted, command, signal);
  return {
    isCommitted: accepted.applied,
    position: answer.position,
    results: (accepted.outcomes ?? []).map((outcome) => outcome && toResult(path, outcome, answer)),
    durabilityReached: answer.durabilityReached,
    replicasAcked: answer.replicasAcked,
    ...(isRepeat === undefined ? {} : { isRepeat }),
  };
}

function acceptAll(
  path: WritePath,
  command: AtomicBatchCommand,
  builder: RecordBuilder,
  admit: AdmitRead,
): Accepted {
  const { operations } = command;
  const plan = new AtomicPlan(builder);
  // Taken before anything is written, because it is the state that is looked at.
  const { newest } = path;
  const outcomes = operations.map((operation, i) => {
    try {
      return judge(path, operation, plan, admit);
    } catch (error) {
      throw ofOperation(i, error);
    }
  });
  const isCommitted = outcomes.every((outcome, i) => isMet(outcome, operations[i] as BatchOperation));
  const shown = isCommitted
    ? outcomes
    : outcomes.map((one, i) => unmetOutcome(one, operations[i] as BatchOperation, plan));
  checkAnswer(shown, command);
  if (isCommitted) plan.commit();
  const dependsOn = isCommitted && !plan.isEmpty ? builder.record : newest;
  return {
    applied: isCommitted,
    previous: undefined,
    current: undefined,
    dependsOn,
    position: dependsOn?.position ?? path.engine.position,
    outcomes: shown,
  };
}

function judge(
  path: WritePath,
  operation: BatchOperation,
  plan: AtomicPlan,
  admit: AdmitRead,
): AtomicOutcome {
  switch (operation.kind) {
    case 'get': {
      const { command } = operation;
      admit(command);
      // The store counts the hit or miss, and notes the access.
      path.engine.store.get(command.key, plan.nowMs);
      return { kind: 'get', found: plan.look(command.key).live };
    }
    case 'set':
      return { kind: 'set', accepted: judgeSet(path, operation.command, plan) };
    case 'delete':
      return { kind: 'delete', accepted: judgeDelete(operation.command, plan) };
    case 'increment':
      return { kind: 'increment', accepted: judgeIncrement(path, operation.command, plan) };
    case 'touch':
      return { kind: 'touch', accepted: judgeTouch(path, operation.command, plan) };
  }
}

/** A Delete or Touch that finds nothing is no failure, unless it has a condition. */
function isMet(outcome: AtomicOutcome, operation: BatchOperation): boolean {
  return (
    outcome.kind === 'get' ||
    outcome.accepted.applied ||
    operation.kind === 'get' ||
    operation.kind === 'touch' ||
    operation.command.condition === undefined
  );
}

/**
 * The answer to one operation of a batch that writes nothing; undefined if its own
 * condition was met. `current` is the entry without the batch: what an earlier operation would
 * have written has no version, because another write will have that position.
 */
function unmetOutcome(
  outcome: AtomicOutcome,
  operation: BatchOperation,
  plan: AtomicPlan,
): AtomicOutcome | undefined {
  if (outcome.kind === 'get' || isMet(outcome, operation)) return undefined;
  const current = plan.lookWithoutPlan(operation.command.key);
  return { kind: outcome.kind, accepted: { ...outcome.accepted, current } };
}

/** Throws `resource_exhausted` if the values that the caller is shown exceed its bytes, before anything is written. */
function checkAnswer(
  outcomes: readonly (AtomicOutcome | undefined)[],
  { operations, answerBytesMax: bytesMax, isShown }: AtomicBatchCommand,
): void {
  let bytes = 0;
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome === undefined || isShown?.(operations[i]?.command.key ?? '') === false) continue;
    if (outcome.kind === 'get') bytes += outcome.found?.value.length ?? 0;
    else bytes += valueBytes(outcome.accepted);
  }
  if (bytes <= bytesMax) return;
  throw new WalnutError(
    'resource_exhausted',
    `the answer would have ${bytes} bytes of values: expected at most ${bytesMax} (server.max_batch_bytes)`,
    { limit: { name: 'server.max_batch_bytes', max: bytesMax, size: bytes } },
  );
}

function valueBytes({ previous, current, touched }: Accepted): number {
  const entries = [previous, current, touched?.entry];
  return entries.reduce((sum, entry) => sum + (entry?.value.length ?? 0), 0);
}

function toResult(path: WritePath, outcome: AtomicOutcome, whole: WriteAnswer): BatchResult {
  if (outcome.kind === 'get') {
    const entry = outcome.found && path.shown(outcome.found);
    return { kind: 'get', answer: { entry, asOf: whole.position, stalenessMs: 0 } };
  }
  const { accepted } = outcome;
  const answer: WriteAnswer = {
    ...whole,
    applied: accepted.applied,
    previous: accepted.previous && path.shown(accepted.previous),
    current: accepted.current && path.shown(accepted.current),
  };
  if (outcome.kind === 'increment')
    return { kind: 'increment', answer: toIncrementAnswer(path, accepted, answer) };
  if (outcome.kind === 'touch') return { kind: 'touch', answer: toTouchAnswer(path, accepted, answer) };
  return { kind: outcome.kind, answer };
}
