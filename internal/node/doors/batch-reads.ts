/** Batches of Gets alone: every node answers them. An atomic one is answered from the visible state at one moment. */
import type { AtomicBatchAnswer, BatchOperation, BatchResult, GetCommand } from '#model/commands.ts';
import { ofOperation, WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Reader } from '#node/reader.ts';
import { assert } from '#platform/assert.ts';

/** Answers each Get by itself. Rejects if the caller has gone. */
export function readEach(
  port: Pick<KeyValuePort, 'get'>,
  operations: readonly BatchOperation[],
  signal: AbortSignal | undefined,
): Promise<BatchResult[]> {
  return Promise.all(
    operations.map(async (operation): Promise<BatchResult> => {
      assert(operation.kind === 'get', 'only gets are here');
      try {
        const pending = port.get(operation.command, signal);
        return { kind: 'get', answer: pending instanceof Promise ? await pending : pending };
      } catch (error) {
        if (error instanceof WalnutError && error.code !== 'cancelled') return { kind: 'error', error };
        throw error;
      }
    }),
  );
}

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
