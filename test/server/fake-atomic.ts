/** An atomic batch of the fake node: tried on its entries, and undone if it may not be made. */
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  BatchOperation,
  BatchResult,
  WriteAnswer,
} from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { ofOperation } from '#model/errors.ts';
import type { Position } from '#model/position.ts';

export interface FakeState {
  readonly entries: Map<string, Entry>;
  lsn: number;
}

export function runAtomically(
  state: FakeState,
  { operations, durability, minAcks }: AtomicBatchCommand,
  run: (operations: readonly BatchOperation[]) => BatchResult[],
  positionOf: (lsn: number) => Position,
): AtomicBatchAnswer {
  const before = { entries: [...state.entries], lsn: state.lsn };
  const undo = (): void => {
    state.entries.clear();
    for (const [key, entry] of before.entries) state.entries.set(key, entry);
    state.lsn = before.lsn;
  };
  const results = run(operations);
  results.forEach((result, i) => {
    if (result.kind !== 'error') return;
    undo();
    throw ofOperation(i, result.error);
  });
  const isUnmet = (result: BatchResult, i: number): boolean => {
    const operation = operations[i] as BatchOperation;
    if (operation.kind === 'get' || operation.kind === 'touch') return false;
    if (operation.command.condition === undefined) return false;
    return 'answer' in result && !(result.answer as WriteAnswer).applied;
  };
  const isCommitted = !results.some(isUnmet);
  if (!isCommitted) undo();
  const shown = (result: BatchResult, i: number): BatchResult => {
    const current = state.entries.get((operations[i] as BatchOperation).command.key);
    return { ...result, answer: { ...(result as { answer: WriteAnswer }).answer, current } } as BatchResult;
  };
  return {
    isCommitted,
    position: positionOf(state.lsn),
    results: isCommitted ? results : results.map((one, i) => (isUnmet(one, i) ? shown(one, i) : undefined)),
    durabilityReached: durability ?? 'accepted',
    replicasAcked: minAcks,
  };
}
