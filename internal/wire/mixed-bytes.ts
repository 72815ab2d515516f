/**
 * A batch of plain Sets, Deletes and Gets, from columns to the bytes of its answer. Gets
 * are encoded in their turn, and stand between the writes when those are settled.
 */
import { type Awaitable, mapAwaitable } from '#model/awaitable.ts';
import {
  type BulkPort,
  type EntryReads,
  type MixedAnswer,
  NOT_FOUND,
  type OwnRead,
  type ReadMoment,
} from '#model/bulk.ts';
import type { WriteAnswer } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { AnswerWriter } from '#wire/answer-writer.ts';
import { AnswerBudget, type BatchLimits, type DescribeError, toResultMessage } from '#wire/batch-codec.ts';
import type { BatchCounts } from '#wire/batch-counts.ts';
import type { FoundAt } from '#wire/call-form.ts';
import { GET, type OperationColumns, SET } from '#wire/kv-columns.ts';
import { LARGE_ANSWER_BYTES } from '#wire/kv-large.ts';
import type { ToldCaller, ToldGroup } from '#wire/told-group.ts';

const NO_BYTES = new Uint8Array(0);

export interface MixedOptions {
  readonly limits: BatchLimits;
  readonly describe: DescribeError;
  readonly counts: BatchCounts;
  /** See `KeyValueCalls`. */
  readonly group?: ToldGroup | undefined;
}

export class MixedBytes {
  readonly #bulk: BulkPort;
  readonly #limits: BatchLimits;
  readonly #describe: DescribeError;
  readonly #counts: BatchCounts;
  readonly #group: ToldGroup | undefined;
  readonly #writer: AnswerWriter;
  readonly #reads = new AnswerWriter();

  /** `writer`: the edge's own, for whole answers. */
  constructor({ limits, describe, counts, group }: MixedOptions, bulk: BulkPort, writer: AnswerWriter) {
    this.#bulk = bulk;
    this.#limits = limits;
    this.#describe = describe;
    this.#counts = counts;
    this.#group = group;
    this.#writer = writer;
  }

  /** `moment`: to read from, if there are Gets. Undefined: nothing was done, and the general way is to be taken. */
  run(
    columns: OperationColumns,
    given: ReadMoment | undefined,
    caller: ToldCaller,
    headroom: number,
  ): Awaitable<Buffer> | undefined {
    if (columns.gets > 0 && (given === undefined || isLarge(columns, given.entries))) return undefined;
    const moment = given && (this.#group?.moment(given, caller) ?? given);
    const kinds = columns.kinds.slice(0, columns.count);
    const ends = new Uint32Array(columns.count);
    const budget = new AnswerBudget(this.#limits);
    const reads = this.#reads;
    reads.begin(0);
    const made = this.#bulk.mixed(columns, (i, own) => {
      if (moment !== undefined) this.#read(moment, columns, i, own, budget);
      ends[i] = reads.at;
    });
    if (made === undefined) return undefined;
    const readBytes = columns.gets === 0 ? NO_BYTES : reads.take();
    return mapAwaitable(made, (settled) =>
      this.#encode(this.#told(settled, caller), kinds, readBytes, ends, headroom),
    );
  }

  #read(
    { entries, asOf, stalenessMs }: FoundAt,
    { bytes, keyOffsets, keyBytes }: OperationColumns,
    i: number,
    own: OwnRead | undefined,
    budget: AnswerBudget,
  ): void {
    const reads = this.#reads;
    // Counted as a read of the store also if the batch wrote the key itself.
    const found = entries.find(bytes, keyOffsets[i] as number, keyBytes[i] as number);
    const valueBytes = own === undefined ? bytesOf(entries, found) : (own.entry?.value.length ?? 0);
    if (!budget.takes(valueBytes)) {
      reads.message(toResultMessage({ kind: 'error', error: budget.refusal() }, this.#describe));
      return;
    }
    reads.setFreshness(own === undefined ? asOf : (this.#group?.named(own.asOf) ?? own.asOf), stalenessMs);
    if (own === undefined) writeRead(reads, entries, found);
    else if (own.entry === undefined) reads.missing();
    else reads.found(own.entry.value, own.entry.expireAtMs, own.entry.version, own.entry.contentType);
  }

  #encode(
    { answer, others }: MixedAnswer,
    kinds: Uint8Array,
    readBytes: Uint8Array,
    ends: Uint32Array,
    headroom: number,
  ): Buffer {
    const writer = this.#writer;
    const counts = this.#counts;
    writer.begin(headroom);
    let from = 0;
    for (let i = 0; i < kinds.length; i++) {
      const other = others.size === 0 ? undefined : others.get(i);
      const kind = kinds[i] as number;
      const isGet = kind === GET;
      if (other instanceof WalnutError) counts.refused(kind, other);
      else counts.done(kind);
      if (other instanceof WalnutError)
        writer.message(toResultMessage({ kind: 'error', error: other }, this.#describe));
      else if (isGet) writer.encoded(readBytes.subarray(from, ends[i]));
      else writer.written(kind === SET ? 'set' : 'delete', (other ?? answer) as WriteAnswer);
      if (isGet) from = ends[i] as number;
    }
    return writer.take();
  }

  /** The position of what was written is told last, since it is the newest. */
  #told({ answer, others }: MixedAnswer, caller: ToldCaller): MixedAnswer {
    const group = this.#group;
    if (group === undefined) return { answer, others };
    const named = new Map(others);
    for (const [i, other] of others)
      if (!(other instanceof WalnutError)) named.set(i, group.written(other, caller));
    return { answer: answer && group.written(answer, caller), others: named };
  }
}

/** Writes what a Get found, straight from the store. */
export function writeRead(writer: AnswerWriter, entries: EntryReads, found: number): void {
  if (found === NOT_FOUND) {
    writer.missing();
    return;
  }
  const valueBytes = entries.valueBytesOf(found);
  const expireAtMs = entries.expireAtMsOf(found);
  const lsn = entries.lsnOf(found);
  const contentType = entries.contentTypeOf(found);
  writer.beginFound(valueBytes, expireAtMs, entries.epochOf(found), lsn, contentType);
  if (valueBytes > 0) entries.copyValue(found, writer.view, writer.at);
  writer.endFound(valueBytes, expireAtMs, lsn, contentType);
}

/** True if the Gets may answer so much that it is to be encoded in slices. */
function isLarge(columns: OperationColumns, entries: EntryReads): boolean {
  const { bytes, keyOffsets, keyBytes, valueBytes, kinds, count, gets } = columns;
  let stored = 0;
  let largest = 0;
  for (let i = 0; i < count; i++) {
    if (kinds[i] === SET) largest = Math.max(largest, valueBytes[i] as number);
    else if (kinds[i] === GET)
      stored += entries.storedBytes(bytes, keyOffsets[i] as number, keyBytes[i] as number);
  }
  return stored + gets * largest > LARGE_ANSWER_BYTES;
}

function bytesOf(entries: EntryReads, found: number): number {
  return found === NOT_FOUND ? 0 : entries.valueBytesOf(found);
}
