/**
 * Drives the operations of a trace against a group as a read-through cache would: get the
 * key, and set it on a miss. Explicit sets and deletes of the trace are carried out
 * unchanged.
 *
 * With one worker, a batch of 1 and reads from the master, everything happens in the order
 * of the trace, so the hits of an exact LRU are reproducible. With more workers their
 * operations overlap.
 *
 * In a batch of gets, a later get of a key that already missed in the batch counts as a
 * hit, because a read-through cache would have stored the value in between. The fill is
 * sent once.
 *
 * A failure that every other operation would meet too (no patience left, the node is not a
 * master, an unknown rpc) stops the replay. Other failures are counted, and the replay
 * continues.
 */

import { setMaxListeners } from 'node:events';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import {
  type BatchOperationSchema,
  BatchRequestSchema,
  type BatchResult,
  DeleteRequestSchema,
  GetRequestSchema,
  KVStore,
  SetRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { CallError } from '../call/call-error.ts';
import { isHopeless, isRetryable, type RetryPolicy } from '../call/persist.ts';
import { ReplayCaller } from './replay-caller.ts';
import type { ReplayCounters } from './replay-report.ts';
import { hashText, type TraceOperation } from './trace-operation.ts';
import type { TraceQueue } from './trace-queue.ts';

export interface ReplayPlan {
  readonly master: Endpoint;
  /** The nodes that gets go to in turn; `[master]` for the master only. */
  readonly readers: readonly Endpoint[];
  readonly concurrency: number;
  /** Operations in one Batch rpc; 1: single rpcs. */
  readonly batch: number;
  readonly policy: RetryPolicy;
}

/** Bytes of values in one Batch, far below the limit of any server. */
const BATCH_BYTES_MAX = 1_024 * 1_024;
/** How long calls in flight may still be answered after an interruption. */
const GRACE_MS = 2_000;
const { get: GET, set: SET, delete: DELETE, batch: BATCH } = KVStore.method;

/** Resolves when the trace ends or the replay is interrupted. Rejects with the failure that stopped it. */
export async function replayTrace(
  plan: ReplayPlan,
  queue: TraceQueue,
  counters: ReplayCounters,
): Promise<void> {
  // One signal for both reasons to stop, because every operation checks it.
  const stop = new AbortController();
  const onInterruption = (): void => stop.abort();
  plan.policy.interrupted.addEventListener('abort', onInterruption);
  if (plan.policy.interrupted.aborted) stop.abort();
  // Every pausing worker adds a listener.
  setMaxListeners(0, stop.signal);
  const policy = { ...plan.policy, interrupted: stop.signal };
  const callers = Array.from(
    { length: plan.concurrency },
    (_, index) => new ReplayCaller(counters, policy, plan.master, plan.readers, index),
  );
  const closeAll = (): void => {
    for (const caller of callers) caller.close();
  };
  let grace: NodeJS.Timeout | undefined;
  stop.signal.addEventListener('abort', () => {
    grace = setTimeout(closeAll, GRACE_MS);
  });
  const workers = callers.map((caller) => new ReplayWorker(caller, counters, plan.batch));
  const ends = await Promise.allSettled(workers.map((worker) => worker.run(queue, stop)));
  clearTimeout(grace);
  plan.policy.interrupted.removeEventListener('abort', onInterruption);
  closeAll();
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

class ReplayWorker {
  readonly #caller: ReplayCaller;
  readonly #counters: ReplayCounters;
  readonly #batch: number;

  constructor(caller: ReplayCaller, counters: ReplayCounters, batch: number) {
    this.#caller = caller;
    this.#counters = counters;
    this.#batch = batch;
  }

  async run(queue: TraceQueue, stop: AbortController): Promise<void> {
    try {
      while (!stop.signal.aborted) {
        const operations = queue.take(this.#batch);
        if (operations !== undefined) await this.#carryOut(operations, stop.signal);
        else if (!(await queue.refill())) return;
      }
    } catch (error) {
      stop.abort();
      throw error;
    }
  }

  async #carryOut(operations: readonly TraceOperation[], stopped: AbortSignal): Promise<void> {
    try {
      const [first] = operations;
      if (operations.length > 1) await this.#batchOf(operations);
      else if (first !== undefined) await this.#single(first);
      this.#counters.operations += operations.length;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (stopped.aborted) return;
      if (isRetryable(error) || isHopeless(error)) throw error;
      this.#counters.operations += operations.length;
      for (let i = 0; i < operations.length; i++) this.#counters.recordError(error.code, error.message);
    }
  }

  async #single(operation: TraceOperation): Promise<void> {
    if (operation.kind === 'delete') {
      await this.#caller.write(DELETE, create(DeleteRequestSchema, { key: operation.key }));
    } else if (operation.kind === 'set') {
      await this.#caller.write(SET, create(SetRequestSchema, setOf(operation)));
    } else {
      const answer = await this.#caller.read(GET, create(GetRequestSchema, { key: operation.key }));
      if (answer.found) {
        this.#counters.hits++;
      } else {
        this.#counters.misses++;
        await this.#caller.write(SET, create(SetRequestSchema, setOf(operation)));
      }
    }
  }

  /** All gets or all writes: see `TraceQueue.take`. */
  async #batchOf(operations: readonly TraceOperation[]): Promise<void> {
    if (operations[0]?.kind !== 'get') return this.#writeAll(operations);
    const wire = operations.map(({ key }) => ({ operation: { case: 'get' as const, value: { key } } }));
    const { results } = await this.#caller.read(BATCH, create(BatchRequestSchema, { operations: wire }));
    await this.#writeAll(this.#countGets(operations, results));
  }

  /** Counts hits and misses. Returns the operations whose keys are to be filled. */
  #countGets(operations: readonly TraceOperation[], results: readonly BatchResult[]): TraceOperation[] {
    const fills = new Map<string, TraceOperation>();
    operations.forEach((operation, index) => {
      const result = results[index]?.result;
      if (result?.case !== 'get') this.#recordFailure(result);
      else if (result.value.found || fills.has(operation.key)) this.#counters.hits++;
      else {
        this.#counters.misses++;
        fills.set(operation.key, operation);
      }
    });
    return [...fills.values()];
  }

  async #writeAll(operations: readonly TraceOperation[]): Promise<void> {
    for (const part of splitByBytes(operations, BATCH_BYTES_MAX)) {
      const request = create(BatchRequestSchema, { operations: part.map(writeOf) });
      const { results } = await this.#caller.write(BATCH, request);
      part.forEach((operation, index) => {
        const result = results[index]?.result;
        const expected = operation.kind === 'delete' ? 'delete' : 'set';
        if (result?.case !== expected) this.#recordFailure(result);
      });
    }
  }

  #recordFailure(result: BatchResult['result'] | undefined): void {
    if (result?.case === 'error') this.#counters.recordError(result.value.code, result.value.message);
    else this.#counters.recordError('internal', 'the answer does not fit its operation');
  }
}

function setOf({ key, valueBytes, ttlMs }: TraceOperation): MessageInitShape<typeof SetRequestSchema> {
  const value = valueFor(key, valueBytes);
  return ttlMs === 0 ? { key, value } : { key, value, expiry: { case: 'ttlMs', value: BigInt(ttlMs) } };
}

function writeOf(operation: TraceOperation): MessageInitShape<typeof BatchOperationSchema> {
  if (operation.kind === 'delete') return { operation: { case: 'delete', value: { key: operation.key } } };
  return { operation: { case: 'set', value: setOf(operation) } };
}

/** Splits operations into parts of at most `bytesMax` bytes of values, with at least one operation each. */
function* splitByBytes(
  operations: readonly TraceOperation[],
  bytesMax: number,
): Generator<readonly TraceOperation[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < operations.length; i++) {
    const size = operations[i]?.valueBytes ?? 0;
    if (i > from && bytes + size > bytesMax) {
      yield operations.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < operations.length) yield operations.slice(from);
}

const PATTERN_SHIFTS = 4_096;
let pattern = makePattern(64 * 1_024);

/**
 * Bytes that depend on key and length only, and differ between most keys. The result is a
 * shared view and must not be written to.
 */
export function valueFor(key: string, bytes: number): Uint8Array {
  if (bytes + PATTERN_SHIFTS > pattern.length) pattern = makePattern(2 * (bytes + PATTERN_SHIFTS));
  const shift = hashText(key) % PATTERN_SHIFTS;
  return pattern.subarray(shift, shift + bytes);
}

/**
 * A fixed pseudo-random sequence (xorshift32), which is the same on every run. A longer one
 * begins with a shorter one.
 */
function makePattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}
