/**
 * Batch from a request's bytes to an answer's, without messages in between: what the
 * common form of a request takes, and exactly what `batch-codec.ts` would answer. A request
 * is read once. Gets that can be answered at once and Sets that ask for nothing but being
 * visible go through the bulk port, where there is one; everything else becomes commands
 * for the port.
 */
import { type Awaitable, mapAwaitable } from '#model/awaitable.ts';
import { type BulkPort, NOT_FOUND, PREFETCH_KEYS, type ReadMoment, type SetsAnswer } from '#model/bulk.ts';
import type { BatchOperation, BatchResult, WriteAnswer } from '#model/commands.ts';
import { mapSoon } from '#model/later.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { BatchId } from '#model/write-id.ts';
import { asBuffer } from '#platform/bytes.ts';
import { runSlices, type SlicePace } from '#platform/slices.ts';
import { AnswerWriter } from '#wire/answer-writer.ts';
import { AnswerBudget, type BatchLimits, type DescribeError, toResultMessage } from '#wire/batch-codec.ts';
import type { BatchCounts } from '#wire/batch-counts.ts';
import { LEADER_HINT_HEADER } from '#wire/error-codes.ts';
import { type Caller, type Encoded, momentFor } from '#wire/kv-calls.ts';
import { GET, SET } from '#wire/kv-columns.ts';
import { encodeLargeResults, LARGE_ANSWER_BYTES, valuesIn, writeResult } from '#wire/kv-large.ts';
import { RequestReader } from '#wire/kv-reader.ts';
import { MixedBytes, writeRead } from '#wire/mixed-bytes.ts';
import type { ToldGroup } from '#wire/told-group.ts';

/** A request with more bytes is carried out as commands, which may be done in parts. */
export const BULK_BYTES_MAX = 1_024 * 1_024;
const NOTHING = Buffer.alloc(0);

export interface BatchBytesOptions {
  /** The port's, in parts if the batch is large. */
  readonly batch: KeyValuePort['batch'];
  readonly namedBatch: KeyValuePort['namedBatch'];
  /** Between the slices of large answers. */
  readonly pace: SlicePace;
  readonly bulk: BulkPort | undefined;
  readonly limits: BatchLimits;
  readonly describe: DescribeError;
  readonly counts: BatchCounts;
  /** See `KeyValueCalls`. */
  readonly group?: ToldGroup | undefined;
  /** What ends the work of a Batch; undefined: the signal of its caller. */
  readonly endOf?: ((caller: Caller) => AbortSignal) | undefined;
}

/** One per edge: its buffers serve one request after another. */
export class BatchBytes {
  readonly counts: BatchCounts;
  readonly #options: BatchBytesOptions;
  readonly #reader: RequestReader;
  readonly #writer = new AnswerWriter();
  readonly #mixed: MixedBytes | undefined;

  constructor(options: BatchBytesOptions) {
    this.#options = options;
    this.counts = options.counts;
    this.#reader = new RequestReader(options.limits.valueBytesMax, options.group);
    this.#mixed = options.bulk && new MixedBytes(options, options.bulk, this.#writer);
  }

  /**
   * From the bytes of a request to those of the answer, with `headroom` unwritten ones
   * before them; undefined where the request has another form, with nothing done.
   */
  batch(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    try {
      return this.#batch(asBuffer(request), caller, headroom);
    } finally {
      this.#reader.close();
    }
  }

  #batch(bytes: Buffer, caller: Caller, headroom: number): Encoded | undefined {
    if (!this.#reader.readBatch(bytes)) return undefined;
    const { columns } = this.#reader;
    const { bulk } = this.#options;
    // The general way says what is none of these.
    if (columns.isAtomic) {
      const isPlain = columns.areSets && bytes.length <= BULK_BYTES_MAX;
      return isPlain ? this.#atomicSets(caller, headroom) : undefined;
    }
    if (columns.areGets && columns.name === undefined) {
      const moment = momentFor(columns, bulk);
      if (moment !== undefined) return this.#answerGets(moment, bytes, caller, headroom);
    }
    if (columns.areSets && bytes.length <= BULK_BYTES_MAX) {
      const { count } = columns;
      const made = bulk?.sets(columns);
      if (made !== undefined)
        return mapSoon(made, (settled) => this.#encodeSets(settled, count, caller, headroom));
    }
    if (columns.name !== undefined) return this.#carryOutNamed(columns.name, caller, headroom);
    if (columns.arePlain && !columns.areGets && !columns.areSets && bytes.length <= BULK_BYTES_MAX) {
      const moment = columns.gets === 0 ? undefined : momentFor(columns, bulk);
      const made = this.#mixed?.run(columns, moment, caller, headroom);
      if (made !== undefined) return made;
    }
    return this.#carryOut(
      columns.operations(),
      NOTHING,
      new AnswerBudget(this.#options.limits),
      caller,
      headroom,
    );
  }

  /** Undefined for what the general way refuses. */
  #carryOutNamed(id: BatchId, caller: Caller, headroom: number): Awaitable<Buffer> | undefined {
    const { namedBatch, limits, counts } = this.#options;
    const { columns } = this.#reader;
    const writes = columns.bytes.length <= BULK_BYTES_MAX ? columns.unnamedWrites() : undefined;
    if (writes === undefined) return undefined;
    const signal = caller.hasDeadline ? caller.signal : undefined;
    return mapAwaitable(namedBatch(writes, id, signal), (results) => {
      counts.addAll(writes, results);
      return this.#encodeAll(results, NOTHING, new AnswerBudget(limits), caller, headroom);
    });
  }

  /** Carries out operations, for an answer that begins with results that are encoded already. */
  #carryOut(
    operations: readonly BatchOperation[],
    encoded: Buffer,
    budget: AnswerBudget,
    caller: Caller,
    headroom: number,
  ): Awaitable<Buffer> {
    const { batch, counts, endOf } = this.#options;
    const isEnding = caller.hasDeadline || mayWait(operations);
    const signal = isEnding ? (endOf?.(caller) ?? caller.signal) : undefined;
    return mapAwaitable(batch(operations, signal), (results) => {
      counts.addAll(operations, results);
      return this.#encodeAll(results, encoded, budget, caller, headroom);
    });
  }

  /** The answer that has these results, which are counted already. */
  encode(results: readonly BatchResult[], caller: Caller, headroom: number): Awaitable<Buffer> {
    return this.#encodeAll(results, NOTHING, new AnswerBudget(this.#options.limits), caller, headroom);
  }

  #encodeAll(
    results: readonly BatchResult[],
    encoded: Buffer,
    budget: AnswerBudget,
    caller: Caller,
    headroom: number,
  ): Awaitable<Buffer> {
    tellLeader(results, caller);
    const { describe, pace, group } = this.#options;
    const told = group?.results(results, caller) ?? results;
    const isLarge = encoded.length > 0 || valuesIn(told) > LARGE_ANSWER_BYTES;
    if (!isLarge) return this.#encodeResults(told, budget, headroom);
    caller.beginLarge?.();
    return runSlices(encodeLargeResults(encoded, told, budget, describe, headroom), pace);
  }

  #atomicSets(caller: Caller, headroom: number): Encoded | undefined {
    const { columns } = this.#reader;
    const { count } = columns;
    const made = this.#options.bulk?.sets(columns);
    return made && mapSoon(made, (settled) => this.#encodeAtomicSets(settled, count, caller, headroom));
  }

  #encodeAtomicSets(made: SetsAnswer, count: number, caller: Caller, headroom: number): Buffer {
    const answer = this.#answerOf(made, caller);
    if (answer === undefined) throw made.refused.get(0);
    this.#options.counts.done(SET, count);
    const writer = this.#writer;
    writer.begin(headroom);
    writer.written('set', answer, count);
    writer.committed(answer);
    return writer.take();
  }

  /** Each straight from the key in the request to the value in the answer, until that grows large. */
  #answerGets(moment: ReadMoment, bytes: Buffer, caller: Caller, headroom: number): Awaitable<Buffer> {
    const { entries } = moment;
    const { columns } = this.#reader;
    const { keyOffsets, keyBytes, count } = columns;
    const { limits, counts } = this.#options;
    const writer = this.#writer;
    const budget = new AnswerBudget({ ...limits, answerBytesMax: LARGE_ANSWER_BYTES });
    const { asOf, stalenessMs } = this.#options.group?.moment(moment, caller) ?? moment;
    writer.begin(headroom);
    writer.setFreshness(asOf, stalenessMs);
    for (let i = 0; i < count; i++) {
      if (i % PREFETCH_KEYS === 0) entries.prefetch(bytes, keyOffsets, keyBytes, i, count);
      const found = entries.find(bytes, keyOffsets[i] as number, keyBytes[i] as number);
      if (found === NOT_FOUND || budget.takes(entries.valueBytesOf(found))) writeRead(writer, entries, found);
      else return this.#answerLargeGets(i, budget.bytes, caller, headroom);
    }
    counts.done(GET, count);
    return writer.take();
  }

  /** Goes on with the Get of this index, as commands. The values of those before it have so many bytes. */
  #answerLargeGets(from: number, bytes: number, caller: Caller, headroom: number): Awaitable<Buffer> {
    const budget = new AnswerBudget(this.#options.limits);
    budget.takes(bytes);
    this.#options.counts.done(GET, from);
    const encoded = Buffer.from(this.#writer.take().subarray(headroom));
    const operations = this.#reader.columns.operations().slice(from);
    return this.#carryOut(operations, encoded, budget, caller, headroom);
  }

  #answerOf({ answer }: SetsAnswer, caller: Caller): WriteAnswer | undefined {
    return answer && (this.#options.group?.written(answer, caller) ?? answer);
  }

  #encodeSets(made: SetsAnswer, count: number, caller: Caller, headroom: number): Buffer {
    const answer = this.#answerOf(made, caller);
    const { refused } = made;
    const writer = this.#writer;
    const { describe, counts } = this.#options;
    if (answer !== undefined) counts.done(SET, count - refused.size);
    for (const error of refused.values()) counts.refused(SET, error);
    writer.begin(headroom);
    if (refused.size === 0 && answer !== undefined) {
      writer.written('set', answer, count);
      return writer.take();
    }
    for (let i = 0; i < count; i++) {
      const error = refused.get(i);
      if (error !== undefined) writer.message(toResultMessage({ kind: 'error', error }, describe));
      else if (answer !== undefined) writer.written('set', answer);
    }
    return writer.take();
  }

  #encodeResults(results: readonly BatchResult[], budget: AnswerBudget, headroom: number): Buffer {
    this.#writer.begin(headroom);
    for (const result of results) writeResult(this.#writer, result, budget, this.#options.describe);
    return this.#writer.take();
  }
}

/** Names in the head of the answer the node that may carry out what an operation is refused for here. */
export function tellLeader(results: readonly BatchResult[], caller: Pick<Caller, 'responseHeader'>): void {
  for (const result of results) {
    const hint = result.kind === 'error' ? result.error.details.leaderHint : undefined;
    if (hint === undefined) continue;
    caller.responseHeader?.set(LEADER_HINT_HEADER, hint);
    return;
  }
}

/** True if a Get among them may wait; the other operations that are read here never do. */
function mayWait(operations: readonly BatchOperation[]): boolean {
  return operations.some(({ kind, command }) => kind === 'get' && command.waitMs > 0);
}
