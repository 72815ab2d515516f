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
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { asRefusal, checkCaller, WalnutError } from '#model/errors.ts';
import { RECEIPT_TIMEOUT_MS_DEFAULT } from '#model/limits.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';

/** Most bytes of one part, unless one value alone is larger. */
export const PART_BYTES_MAX = 2 * 1_024 * 1_024;
/** An entry that is read counts as this many bytes: the size of its value is not known before, and values of more than 16 KiB are not copied. */
const READ_BYTES = 8_192;
/** A write counts as this many bytes more than its value. */
const WRITE_BYTES = 64;

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

/** `batch` of the port, in parts if it is large. */
export function inParts(port: KeyValuePort, clock: Clock, pace: SlicePace): RunBatch {
  return createSlicedBatch(
    (...given) => port.batch(...given),
    clock,
    pace,
    (operations) => port.checkBatch?.(operations),
  );
}

/** The operations in order, cut into parts of at most `PART_BYTES_MAX`. */
export function partsOf(operations: readonly BatchOperation[]): (readonly BatchOperation[])[] {
  const parts: (readonly BatchOperation[])[] = [];
  let from = 0;
  let bytes = 0;
  for (const [i, operation] of operations.entries()) {
    const more = bytesOf(operation);
    if (i > from && bytes + more > PART_BYTES_MAX) {
      parts.push(operations.slice(from, i));
      from = i;
      bytes = 0;
    }
    bytes += more;
  }
  parts.push(from === 0 ? operations : operations.slice(from));
  return parts;
}

function bytesOf({ kind, command }: BatchOperation): number {
  switch (kind) {
    case 'get':
      return READ_BYTES;
    case 'set':
      return WRITE_BYTES + command.value.length + answerBytes(command.returnPrevious);
    case 'delete':
      return WRITE_BYTES + answerBytes(command.returnPrevious);
    case 'increment':
      return WRITE_BYTES;
    case 'touch':
      return WRITE_BYTES + answerBytes(command.returnValue);
  }
}

function answerBytes(hasEntry: boolean): number {
  return hasEntry ? READ_BYTES : 0;
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

/** Waits for durability end when they would have ended in one batch. */
function withinTime(part: readonly BatchOperation[], elapsedMs: number): readonly BatchOperation[] {
  const ms = Math.floor(elapsedMs);
  if (ms <= 0) return part;
  return part.map((operation): BatchOperation => {
    if (operation.kind === 'get') return operation;
    const timeoutMs = operation.command.timeoutMs || RECEIPT_TIMEOUT_MS_DEFAULT;
    const command = { ...operation.command, timeoutMs: Math.max(1, timeoutMs - ms) };
    return { ...operation, command } as BatchOperation;
  });
}
