/** An atomic batch of Gets alone: every node answers it, from its visible state at one moment. */
import type { AtomicBatchAnswer, BatchOperation, BatchResult, GetCommand } from '#model/commands.ts';
import { ofOperation } from '#model/errors.ts';
import type { Reader } from '#node/reader.ts';
import { assert } from '#platform/assert.ts';

/** Waits until every position that the Gets name is visible, then reads all keys at once. */
export async function readAtOnce(
  reader: Reader,
  operations: readonly BatchOperation[],
  signal: AbortSignal | undefined,
): Promise<Pick<AtomicBatchAnswer, 'results' | 'position'>> {
  const gets = operations.map((operation) => {
    assert(operation.kind === 'get', 'only gets are here');
    return operation.command;
  });
  for (const [i, { atLeast, waitMs }] of gets.entries()) {
    if (atLeast !== undefined) await named(i, () => reader.untilReached(atLeast, waitMs, signal));
  }
  const read = (command: GetCommand, i: number): BatchResult => {
    try {
      return { kind: 'get', answer: reader.getNow(command) };
    } catch (error) {
      throw ofOperation(i, error);
    }
  };
  return { results: gets.map(read), position: reader.moment().asOf };
}

async function named<T>(index: number, wait: () => Promise<T>): Promise<T> {
  try {
    return await wait();
  } catch (error) {
    throw ofOperation(index, error);
  }
}
