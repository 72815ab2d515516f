/** Plain Sets, Deletes and Gets from bytes, as one record: what `batch.ts` comes to, without commands. */
import type { Accepted } from '#master/accepted.ts';
import { PLAIN, toBatchError, toRefused } from '#master/operations/batch-steps.ts';
import { PlainSetCursor } from '#master/operations/plain-set-cursor.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { WritePath } from '#master/write-path.ts';
import {
  type MixedAnswer,
  type MixedBatch,
  type OwnRead,
  PLAIN_EXPIRY,
  PLAIN_KIND,
  PREFETCH_KEYS,
} from '#model/bulk.ts';
import type { WriteAnswer } from '#model/commands.ts';
import { isExpired, movedDeadline } from '#model/entry.ts';
import type { WalnutError } from '#model/errors.ts';

type Read = (index: number, own: OwnRead | undefined) => void;

/** Undefined where the deadline of a Set has passed already, which makes it a delete: nothing is done then. */
export function runMixedBatch(
  path: WritePath,
  batch: MixedBatch,
  read: Read,
): Promise<MixedAnswer> | undefined {
  const run = new MixedRun(path, batch, read);
  return path.write((builder) => run.accept(builder)) ? run.answer() : undefined;
}

class MixedRun {
  readonly #path: WritePath;
  readonly #batch: MixedBatch;
  readonly #read: Read;
  readonly #others = new Map<number, WriteAnswer | WalnutError>();
  /** Answers that depend on the record of this batch: of what it wrote, and of Gets that saw that. */
  readonly #ofRecord: number[] = [];
  /** Deletes of missing keys that depend on no record in flight. */
  readonly #idle: number[] = [];
  /** Deletes of keys that a record in flight already deletes. */
  readonly #late: { readonly index: number; readonly record: RecordInFlight }[] = [];
  #written: Accepted | undefined;
  #isWritten = false;

  constructor(path: WritePath, batch: MixedBatch, read: Read) {
    this.#path = path;
    this.#batch = batch;
    this.#read = read;
  }

  accept(builder: RecordBuilder): boolean {
    const { engine } = this.#path;
    const batch = this.#batch;
    const shiftMs = engine.logClock.shiftMs(builder.nowMs);
    if (hasPastSet(batch, shiftMs, builder.nowMs)) return false;
    this.#written = builder.written;
    const { bytes, keyOffsets, keyBytes, count, kinds } = batch;
    const pair = new PlainSetCursor(batch);
    while (pair.next()) {
      const { index } = pair;
      if (index % PREFETCH_KEYS === 0) engine.store.prefetch(bytes, keyOffsets, keyBytes, index, count);
      if (kinds[index] === PLAIN_KIND.get) this.#get(pair, builder);
      else if (kinds[index] === PLAIN_KIND.set) this.#set(pair, builder, shiftMs);
      else this.#delete(pair, builder);
    }
    return true;
  }

  #set(pair: PlainSetCursor, builder: RecordBuilder, shiftMs: number): void {
    try {
      pair.expireAtMs = this.#path.deadlines.ofPlain(this.#batch, pair.index, shiftMs, builder.nowMs);
      builder.setEncoded(pair);
      this.#isWritten = true;
      this.#ofRecord.push(pair.index);
    } catch (error) {
      this.#others.set(pair.index, toRefused(error).error);
    }
  }

  #delete(pair: PlainSetCursor, builder: RecordBuilder): void {
    if (builder.deleteEncoded(pair)) {
      this.#isWritten = true;
      this.#ofRecord.push(pair.index);
      return;
    }
    const record = builder.recordOfEncoded(pair);
    if (record === undefined) this.#idle.push(pair.index);
    else this.#late.push({ index: pair.index, record });
  }

  #get(pair: PlainSetCursor, builder: RecordBuilder): void {
    // Only this batch's own writes must be seen; those of others become visible when they are applied.
    const { record } = builder;
    if (!this.#isWritten || builder.recordOfEncoded(pair) !== record) {
      this.#read(pair.index, undefined);
      return;
    }
    const key = pair.bytes.toString('utf8', pair.keyOffset, pair.keyOffset + pair.keyBytes);
    const { entry } = this.#path.accepted.lookup(key);
    const live = entry === undefined || isExpired(entry.expireAtMs, builder.nowMs) ? undefined : entry;
    this.#ofRecord.push(pair.index);
    this.#read(pair.index, { entry: live && this.#path.shown(live), asOf: record.position });
  }

  async answer(): Promise<MixedAnswer> {
    const path = this.#path;
    const others = this.#others;
    const position = path.engine.position;
    const waits = this.#late.map(({ index, record }) => this.#settleLate(index, record));
    let answer: WriteAnswer | undefined;
    try {
      if (this.#isWritten && this.#written !== undefined) answer = await path.answer(this.#written, PLAIN);
    } catch (thrown) {
      const { error } = toBatchError(thrown);
      for (const index of this.#ofRecord) others.set(index, error);
    }
    await Promise.all(waits);
    if (this.#idle.length > 0) {
      const nothing = path.complete(nothingOf(undefined), position);
      for (const index of this.#idle) others.set(index, nothing);
    }
    return { answer, others };
  }

  async #settleLate(index: number, record: RecordInFlight): Promise<void> {
    try {
      this.#others.set(index, await this.#path.answer(nothingOf(record), PLAIN));
    } catch (thrown) {
      this.#others.set(index, toBatchError(thrown).error);
    }
  }
}

function nothingOf(dependsOn: RecordInFlight | undefined): Accepted {
  return { applied: false, previous: undefined, current: undefined, dependsOn };
}

function hasPastSet(batch: MixedBatch, shiftMs: number, nowMs: number): boolean {
  const { count, kinds, expiries, expiryMs } = batch;
  for (let i = 0; i < count; i++) {
    if (kinds[i] !== PLAIN_KIND.set || expiries[i] !== PLAIN_EXPIRY.at) continue;
    if (isExpired(movedDeadline(expiryMs[i] as number, -shiftMs), nowMs)) return true;
  }
  return false;
}
