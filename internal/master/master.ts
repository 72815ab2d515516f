/**
 * Takes writes: evaluates conditions against the newest accepted state, makes
 * room, sends one record down the engine and answers when it is visible. Also
 * the group's only expirer and evictor: both go through the log.
 *
 * Everything from looking at the state to submitting the record is synchronous,
 * so no other write comes between.
 */

import type { Engine } from '#engine/engine.ts';
import { inWallTime } from '#engine/log-clock.ts';
import { PayloadWriter } from '#engine/records/payload-writer.ts';
import { AcceptedState } from '#master/accepted-state.ts';
import {
  isWaiting,
  type OtherWrite,
  type OwnGet,
  PLAIN,
  type PlainResults,
  refuseRest,
  type Step,
  toBatchError,
  toStep,
} from '#master/batch-steps.ts';
import { PlainSetCursor } from '#master/plain-set-cursor.ts';
import { awaitReceipt, type Receipt, receiptOf, wantsWait } from '#master/receipts.ts';
import { type Accepted, RecordBuilder, type WriteCause } from '#master/record-builder.ts';
import { RecordInFlight } from '#master/record-in-flight.ts';
import { describeDelete, describeSet, type Remembered, RetryWindow } from '#master/retry-window.ts';
import { PLAIN_EXPIRY, type PlainSets, PREFETCH_KEYS, type SetsAnswer } from '#model/bulk.ts';
import type {
  BatchOperation,
  BatchResult,
  Condition,
  DeleteCommand,
  Expiry,
  GetAnswer,
  GetCommand,
  SetCommand,
  WriteAnswer,
  WriteOptions,
} from '#model/commands.ts';
import { type Entry, isExpired, movedDeadline, NEVER } from '#model/entry.ts';
import { invalidArgument, unavailable, type WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { isSamePosition } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';

/** Deletes of expired entries in one record. */
const EXPIRED_PER_RECORD = 1_024;
/**
 * Records of expired entries, and of victims, in one tick; what is left waits
 * for the next. At ten ticks a second some 80,000 entries expire a second, and
 * a tick stalls the loop for some 20 ms.
 */
const RECORDS_PER_TICK = 8;

export interface MasterOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly acks: AckLedger;
  /** `storage.default_ttl` in milliseconds; 0: never. */
  readonly defaultTtlMs: number;
  /** Why what was accepted here may be discarded; undefined: this is the master, or handed over all it had. */
  readonly whyDeposed: () => string | undefined;
}

export class Master {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #acks: AckLedger;
  readonly #defaultTtlMs: number;
  readonly #whyDeposed: () => string | undefined;
  readonly #accepted: AcceptedState;
  readonly #retries: RetryWindow;
  readonly #payload = new PayloadWriter();

  constructor(options: MasterOptions) {
    this.#engine = options.engine;
    this.#clock = options.clock;
    this.#acks = options.acks;
    this.#defaultTtlMs = options.defaultTtlMs;
    this.#whyDeposed = options.whyDeposed;
    this.#accepted = new AcceptedState(options.engine.store);
    this.#retries = new RetryWindow(options.clock);
  }

  async set(command: SetCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    const accepted = this.#write((builder) => this.#acceptSet(command, builder));
    return this.#answer(accepted, command, signal);
  }

  async delete(command: DeleteCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    const accepted = this.#write((builder) => this.#acceptDelete(command, builder));
    return this.#answer(accepted, command, signal);
  }

  /**
   * Runs operations in order; their writes share one record. `read` answers a
   * Get from the visible state; keys in flight are answered from the accepted one.
   * `cause`: why, as the log has it.
   */
  async batch(
    operations: readonly BatchOperation[],
    read: (command: GetCommand) => GetAnswer,
    signal?: AbortSignal,
    cause: WriteCause = 'client',
  ): Promise<BatchResult[]> {
    const steps = this.#write(
      (builder) => operations.map((operation) => this.#step(operation, builder, read)),
      cause,
    );
    // What asks for no more than the record has one answer, however many there are.
    const first = steps.find((step) => step.kind === 'plain');
    const plain = first === undefined ? undefined : this.#finishPlain(first.accepted);
    const waits = steps.filter(isWaiting).map((step) => this.#finishStep(step, signal));
    const [plainResults, ...others] = await Promise.all([plain, ...waits]);
    let next = 0;
    return steps.map((step) => {
      if (step.kind === 'get' || step.kind === 'error') return step;
      return (step.kind === 'plain' ? plainResults?.[step.operation] : others[next++]) as BatchResult;
    });
  }

  /**
   * Makes sets that ask for nothing but being visible, as one record. Undefined
   * where a deadline has passed already, which makes a set a delete: nothing is
   * done then.
   */
  sets(sets: PlainSets): Promise<SetsAnswer> | undefined {
    const refused = new Map<number, WalnutError>();
    const accepted = this.#write((builder) => {
      const shiftMs = this.#engine.logClock.shiftMs(builder.nowMs);
      if (hasPast(sets, shiftMs, builder.nowMs)) return undefined;
      const pair = new PlainSetCursor(sets);
      while (pair.next()) {
        if (pair.index % PREFETCH_KEYS === 0) {
          const { bytes, keyOffsets, keyBytes, count } = sets;
          this.#engine.store.prefetch(bytes, keyOffsets, keyBytes, pair.index, count);
        }
        try {
          pair.expireAtMs = this.#plainDeadline(sets, pair.index, shiftMs, builder.nowMs);
          builder.setEncoded(pair);
        } catch (error) {
          refused.set(pair.index, toBatchError(error).error);
        }
      }
      return builder.written;
    });
    if (accepted === undefined) return undefined;
    if (refused.size === sets.count) return Promise.resolve({ answer: undefined, refused });
    const { settled, position } = accepted.dependsOn as RecordInFlight;
    const { count } = sets;
    const refuseAll = (error: unknown): SetsAnswer => refuseRest(refused, count, error);
    return settled.then(() => {
      try {
        const receipt = receiptOf(this.#engine, this.#acks, position.lsn);
        return { answer: this.#complete(accepted, position, receipt), refused };
      } catch (error) {
        return refuseAll(error);
      }
    }, refuseAll);
  }

  #plainDeadline({ expiries, expiryMs }: PlainSets, index: number, shiftMs: number, nowMs: number): number {
    const ms = expiryMs[index] as number;
    if (expiries[index] === PLAIN_EXPIRY.at) return movedDeadline(ms, -shiftMs);
    return expiries[index] === PLAIN_EXPIRY.ttl ? deadlineIn(ms, nowMs) : this.#defaultDeadline(nowMs);
  }

  /**
   * Logs deletes of what has expired and evicts what is over the limits (after
   * they were lowered). Bounded; returns whether there is more to do at once.
   */
  tick(): boolean {
    if (this.#engine.log.failure !== undefined) return false;
    const hasMoreExpired = this.#expireDue();
    let hasMore = this.#engine.store.limits.policy === 'lru';
    for (let i = 0; i < RECORDS_PER_TICK && hasMore; i++) hasMore = this.#write((builder) => builder.trim());
    return hasMoreExpired || hasMore;
  }

  /**
   * Deletes what is due, in as many records as a tick may make. The store names the same
   * entries again until their deletes are applied, so a disk that does not keep
   * up gets no more than that to do.
   */
  #expireDue(): boolean {
    const due = this.#engine.store.due(this.#engine.logClock.nowMs(), EXPIRED_PER_RECORD * RECORDS_PER_TICK);
    let deletes = 0;
    for (let at = 0; at < due.length; at += EXPIRED_PER_RECORD) {
      deletes += this.#write((builder) => this.#expire(due.slice(at, at + EXPIRED_PER_RECORD), builder));
    }
    return deletes === EXPIRED_PER_RECORD * RECORDS_PER_TICK;
  }

  #expire(due: readonly Entry[], builder: RecordBuilder): number {
    let deletes = 0;
    for (const { key } of due) {
      const { entry } = this.#accepted.lookup(key);
      if (entry === undefined || !isExpired(entry.expireAtMs, builder.nowMs)) continue;
      builder.delete(key, 'expired');
      deletes++;
    }
    return deletes;
  }

  /** Accepts operations into one record and submits it, if anything is in it. */
  #write<T>(accept: (builder: RecordBuilder) => T, cause: WriteCause = 'client'): T {
    const engine = this.#engine;
    engine.checkDisk();
    const payload = this.#payload;
    payload.begin();
    const record = new RecordInFlight({ epoch: engine.log.tail.epoch, lsn: engine.nextLsn }, payload);
    const nowMs = engine.logClock.nowMs();
    const builder = new RecordBuilder(engine.store, this.#accepted, payload, record, nowMs, cause);
    try {
      return accept(builder);
    } finally {
      if (payload.count > 0) this.#submit(record, builder.taken);
      else for (const entry of builder.taken) engine.store.returnVictim(entry);
    }
  }

  /** `taken`: victims, given back if the record is refused. */
  #submit(record: RecordInFlight, taken: readonly Entry[]): void {
    const engine = this.#engine;
    const refuse = (): void => {
      for (const entry of taken) engine.store.returnVictim(entry);
      this.#accepted.drop();
    };
    try {
      const frame = engine.submit(this.#payload, (error) => {
        if (error === undefined) this.#accepted.settle(record);
        else refuse();
        record.settle(error);
      });
      record.build(frame);
    } catch (error) {
      refuse();
      throw error;
    }
  }

  #step(operation: BatchOperation, builder: RecordBuilder, read: (command: GetCommand) => GetAnswer): Step {
    try {
      switch (operation.kind) {
        case 'get':
          return this.#stepGet(operation.command, builder, read);
        case 'set':
          return toStep(this.#acceptSet(operation.command, builder), operation, builder);
        case 'delete':
          return toStep(this.#acceptDelete(operation.command, builder), operation, builder);
      }
    } catch (error) {
      return toBatchError(error);
    }
  }

  async #finishPlain(accepted: Accepted): Promise<PlainResults> {
    try {
      const answer = await this.#answer(accepted, PLAIN);
      return { set: { kind: 'set', answer }, delete: { kind: 'delete', answer } };
    } catch (error) {
      const result = toBatchError(error);
      return { set: result, delete: result };
    }
  }

  async #finishStep(step: OwnGet | OtherWrite, signal: AbortSignal | undefined): Promise<BatchResult> {
    try {
      if (step.kind === 'own') {
        await step.record.settled;
        return step.result;
      }
      const answer = await this.#answer(step.accepted, step.operation.command, signal);
      return { kind: step.operation.kind, answer };
    } catch (error) {
      return toBatchError(error);
    }
  }

  #stepGet(command: GetCommand, builder: RecordBuilder, read: (command: GetCommand) => GetAnswer): Step {
    const answer = read(command);
    const { entry, record } = this.#accepted.lookup(command.key);
    // Only this batch's own writes must be seen; those of others become visible when they are applied.
    if (record !== builder.record) return { kind: 'get', answer };
    const found = entry !== undefined && !isExpired(entry.expireAtMs, builder.nowMs) ? entry : undefined;
    const shown = found === undefined ? undefined : this.#shown(found);
    const result: BatchResult = { kind: 'get', answer: { ...answer, entry: shown, asOf: record.position } };
    return { kind: 'own', record, result };
  }

  #acceptSet(command: SetCommand, builder: RecordBuilder): Accepted {
    const { requestId } = command;
    if (requestId === undefined) return this.#judgeSet(command, builder);
    return this.#retries.once(requestId, describeSet(command), () =>
      this.#remember(this.#judgeSet(command, builder)),
    );
  }

  #acceptDelete(command: DeleteCommand, builder: RecordBuilder): Accepted {
    const { requestId } = command;
    if (requestId === undefined) return this.#judgeDelete(command, builder);
    return this.#retries.once(requestId, describeDelete(command), () =>
      this.#remember(this.#judgeDelete(command, builder)),
    );
  }

  /** With the position that its answer has, now and when it is asked for again. */
  #remember(accepted: Accepted): Remembered {
    return { ...accepted, position: accepted.dependsOn?.position ?? this.#engine.position };
  }

  #judgeSet(command: SetCommand, builder: RecordBuilder): Accepted {
    const { key, expiry, condition } = command;
    if (condition === undefined && !command.returnPrevious && expiry.kind !== 'keep') {
      const expireAtMs = this.#deadline(expiry, undefined, builder.nowMs);
      // What was there before makes no difference.
      if (!isExpired(expireAtMs, builder.nowMs)) {
        builder.set(key, command.value, expireAtMs);
        return builder.written;
      }
    }
    const { live, stored, record } = this.#look(key, builder.nowMs);
    if (condition !== undefined && !isMet(condition, live)) {
      return { applied: false, previous: undefined, current: live, dependsOn: record };
    }
    const expireAtMs = this.#deadline(expiry, live, builder.nowMs);
    const previous = command.returnPrevious ? live : undefined;
    if (isExpired(expireAtMs, builder.nowMs)) {
      // A deadline in the past is a delete (as in Redis), and no record where there is nothing to delete.
      if (stored) builder.delete(key);
      return { applied: true, previous, current: undefined, dependsOn: stored ? builder.record : record };
    }
    builder.set(key, command.value, expireAtMs);
    return previous === undefined ? builder.written : { ...builder.written, previous };
  }

  #judgeDelete(command: DeleteCommand, builder: RecordBuilder): Accepted {
    const { key, condition } = command;
    const { live, record } = this.#look(key, builder.nowMs);
    const isWanted = live !== undefined && (condition === undefined || isMet(condition, live));
    if (!isWanted) {
      const current = condition === undefined ? undefined : live;
      return { applied: false, previous: undefined, current, dependsOn: record };
    }
    builder.delete(key);
    return command.returnPrevious ? { ...builder.written, previous: live } : builder.written;
  }

  /** The accepted state of a key: `live` is what callers see, `stored` counts expired entries too. */
  #look(
    key: string,
    nowMs: number,
  ): { live: Entry | undefined; stored: boolean; record: RecordInFlight | undefined } {
    const { entry, record } = this.#accepted.lookup(key);
    const isLive = entry !== undefined && !isExpired(entry.expireAtMs, nowMs);
    return { live: isLive ? entry : undefined, stored: entry !== undefined, record };
  }

  #deadline(expiry: Expiry, live: Entry | undefined, nowMs: number): number {
    switch (expiry.kind) {
      case 'default':
        return this.#defaultDeadline(nowMs);
      case 'ttl':
        return deadlineIn(expiry.ttlMs, nowMs);
      case 'at':
        return movedDeadline(expiry.expireAtMs, -this.#engine.logClock.shiftMs(nowMs));
      case 'logged':
        return expiry.expireAtMs;
      case 'keep':
        return live?.expireAtMs ?? NEVER;
    }
  }

  #defaultDeadline(nowMs: number): number {
    return this.#defaultTtlMs === 0 ? NEVER : nowMs + this.#defaultTtlMs;
  }

  /** Rejects where the record is refused. */
  #answer(accepted: Accepted, options: WriteOptions, signal?: AbortSignal): Promise<WriteAnswer> {
    const engine = this.#engine;
    const settled = accepted.dependsOn?.settled ?? SETTLED;
    // Taken before anything is awaited: it is the state that was looked at.
    const position = accepted.position ?? accepted.dependsOn?.position ?? engine.position;
    if (!accepted.applied || !wantsWait(options)) {
      return settled.then(() =>
        this.#complete(accepted, position, receiptOf(engine, this.#acks, position.lsn)),
      );
    }
    return settled
      .then(() => awaitReceipt(engine, this.#acks, this.#clock, options, position.lsn, signal))
      .then((receipt) => this.#complete(accepted, position, receipt));
  }

  #complete({ applied, previous, current }: Accepted, position: Position, receipt: Receipt): WriteAnswer {
    this.#engine.checkDisk();
    const why = applied ? this.#whyDeposed() : undefined;
    if (why !== undefined)
      throw unavailable(`this write was not settled when the master was deposed, and may be lost: ${why}`);
    const { durabilityReached, replicasAcked } = receipt;
    return {
      applied,
      position,
      previous: previous && this.#shown(previous),
      current: current && this.#shown(current),
      durabilityReached,
      replicasAcked,
    };
  }

  /** An entry as callers see it: its deadline in wall time. */
  #shown(entry: Entry): Entry {
    return inWallTime(entry, this.#engine.logClock);
  }
}

const SETTLED = Promise.resolve();

/** Whether a deadline has passed already. */
function hasPast({ count, expiries, expiryMs }: PlainSets, shiftMs: number, nowMs: number): boolean {
  for (let i = 0; i < count; i++) {
    if (expiries[i] !== PLAIN_EXPIRY.at) continue;
    if (isExpired(movedDeadline(expiryMs[i] as number, -shiftMs), nowMs)) return true;
  }
  return false;
}

function deadlineIn(ttlMs: number, nowMs: number): number {
  if (nowMs + ttlMs > Number.MAX_SAFE_INTEGER) {
    throw invalidArgument(`ttl_ms is ${ttlMs}: expected a deadline below 2^53 milliseconds`);
  }
  return nowMs + ttlMs;
}

function isMet(condition: Condition, live: Entry | undefined): boolean {
  switch (condition.kind) {
    case 'absent':
      return live === undefined;
    case 'present':
      return live !== undefined;
    case 'version':
      return live !== undefined && isSamePosition(live.version, condition.version);
  }
}
