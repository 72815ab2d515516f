/**
 * Batches whose values are many bytes, carried out as several smaller ones in order, so
 * that the event loop serves other callers in between. A record of the log is applied
 * in one go; one of 32 MiB would block the event loop for 50 ms.
 *
 * Atomic batches are not divided. Between the parts of another batch, writes of other
 * callers may be applied. If the first part is refused, nothing was done, and the whole
 * batch is refused. If a later part is refused, its operations and all operations after
 * it get the error as their result. What would refuse the whole from its start is asked
 * before the first part.
 */
import { partsOf, withinTime } from '#model/batch-parts.ts';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { asRefusal, checkCaller, WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';

export type RunBatch = KeyValuePort['batch'];

/**
 * `run`, which carries out a batch, except that a large one is given to it in parts, with a
 * pause between them. `check`: throws what refuses a batch as a whole.
 */
export function createSlicedBatch(
  run: RunBatch,
  clock: Clock,
  pace: SlicePace,
  check: (operations: readonly BatchOperation[]) => void = () => {},
): RunBatch {
  return (operations, signal) => {
    const parts = partsOf(operations);
    if (parts.length === 1) return run(operations, signal);
    return runParts(run, clock, pace, parts, signal, () => check(operations));
  };
}

/** `batch` of the port, in parts if it is large and the port does not divide it by itself. */
export function inParts(port: KeyValuePort, clock: Clock, pace: SlicePace): RunBatch {
  const run: RunBatch = (...given) => port.batch(...given);
  if (port.dividesBatches === true) return run;
  return createSlicedBatch(run, clock, pace, (operations) => port.checkBatch?.(operations));
}

async function runParts(
  run: RunBatch,
  clock: Clock,
  pace: SlicePace,
  parts: readonly (readonly BatchOperation[])[],
  signal: AbortSignal | undefined,
  check: () => void,
): Promise<BatchResult[]> {
  check();
  const startedMs = clock.monotonicMs();
  const results: BatchResult[] = [];
  /** Why a part failed, and why those behind it are not begun. */
  let refusal: WalnutError | undefined;
  for (const part of parts) {
    if (results.length > 0) {
      await pace.pause();
      checkCaller(signal);
    }
    if (refusal !== undefined) {
      results.push(...failed(part, refusal));
      continue;
    }
    try {
      results.push(...(await run(withinTime(part, clock.monotonicMs() - startedMs), signal)));
    } catch (error) {
      if (results.length === 0 || !(error instanceof WalnutError)) throw error;
      results.push(...failed(part, error));
      refusal = asRefusal(error) as WalnutError;
    }
  }
  return results;
}

function failed(part: readonly BatchOperation[], error: WalnutError): BatchResult[] {
  return part.map(() => ({ kind: 'error', error }));
}
