/**
 * What every write has in common: one record is built from the newest accepted state
 * and submitted, and the write is answered when that record is visible. The files in
 * `operations/` decide what is in the record. Everything from looking at the state
 * to submitting the record is synchronous, so no other write comes between.
 */

import type { Engine } from '#engine/engine.ts';
import { inWallTime } from '#engine/log-clock.ts';
import { PayloadWriter } from '#engine/records/payload-writer.ts';
import type { Accepted } from '#master/accepted.ts';
import { AcceptedState } from '#master/accepted-state.ts';
import { Deadlines } from '#master/deadlines.ts';
import { FillLeases } from '#master/fill-leases.ts';
import { NamedOnce } from '#master/named-once.ts';
import { WriteInFlight } from '#master/operations/write-in-flight.ts';
import { awaitReceipt, type Receipt, receiptOf, wantsWait } from '#master/receipts.ts';
import { RecordBuilder, type WriteCause } from '#master/record-builder.ts';
import { RecordInFlight, type RecordKeeper } from '#master/record-in-flight.ts';
import { SettledRecords } from '#master/settled-records.ts';
import type { ReceiptOptions, WriteAnswer } from '#model/commands.ts';
import { type Entry, movedDeadline } from '#model/entry.ts';
import { asRefusal, unavailable, type WalnutError } from '#model/errors.ts';
import type { Soon } from '#model/later.ts';
import type { Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';

export interface MasterOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  /** For the tokens of fill leases. */
  readonly random: Random;
  readonly acks: AckLedger;
  /** `storage.default_ttl` in milliseconds; 0 means never. Undefined: the log says it. */
  readonly defaultTtlMs: number | undefined;
  /**
   * Why the outcome of writes that were accepted is not known, for their callers;
   * undefined on a master that leads, or that handed over everything it had.
   */
  readonly whyUnknown: () => string | undefined;
}

const SETTLED = Promise.resolve();

export class WritePath implements RecordKeeper {
  readonly engine: Engine;
  readonly accepted: AcceptedState;
  readonly deadlines: Deadlines;
  readonly named: NamedOnce;
  readonly #clock: Clock;
  readonly #acks: AckLedger;
  readonly #whyUnknown: () => string | undefined;
  readonly #payload = new PayloadWriter();
  readonly #builder: RecordBuilder;
  readonly #settled = new SettledRecords();
  #newest: RecordInFlight | undefined;

  constructor(options: MasterOptions) {
    this.engine = options.engine;
    this.#clock = options.clock;
    this.#acks = options.acks;
    this.#whyUnknown = options.whyUnknown;
    const { store } = options.engine;
    this.accepted = new AcceptedState(
      store,
      new FillLeases(options.clock, options.random, store.createKey()),
    );
    this.#builder = new RecordBuilder(store, this.accepted, this.#payload);
    this.deadlines = new Deadlines(
      options.engine.logClock,
      () => options.defaultTtlMs ?? store.limits.defaultTtlMs ?? 0,
    );
    this.named = new NamedOnce(options.engine, options.clock);
  }

  /** Lets the event loop run. */
  yield(): Promise<void> {
    return this.#clock.yield();
  }

  get monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  /** The newest record in flight; undefined if every accepted write is visible. */
  get newest(): RecordInFlight | undefined {
    return this.#newest?.isSettled === false ? this.#newest : undefined;
  }

  /** Accepts operations into one record and submits it if it is not empty. */
  write<T>(accept: (builder: RecordBuilder) => T, cause: WriteCause = 'client'): T {
    const { engine } = this;
    engine.checkDisk();
    const payload = this.#payload;
    payload.begin();
    const { epoch } = engine.log.tail;
    const record = new RecordInFlight({ epoch, lsn: engine.nextLsn }, payload, this);
    const builder = this.#builder;
    builder.begin(record, engine.logClock.nowMs(), cause);
    try {
      return accept(builder);
    } catch (error) {
      // What an operation that is refused left in the record is room for others, none of its own work.
      throw asRefusal(error);
    } finally {
      if (payload.isEmpty) this.#returnTaken(record);
      else this.#submit(record, builder.nowMs);
    }
  }

  #submit(record: RecordInFlight, nowMs: number): void {
    try {
      record.build(this.engine.submit(this.#payload, record, nowMs));
      this.#newest = record;
    } catch (error) {
      this.#refuse(record);
      throw error;
    }
  }

  settle(record: RecordInFlight, error: WalnutError | undefined): void {
    if (error === undefined) {
      this.accepted.settle(record);
      this.named.settle(record);
    } else this.#refuse(record);
    record.settle(error);
    this.#settled.tell(record);
  }

  #refuse(record: RecordInFlight): void {
    this.#returnTaken(record);
    this.accepted.drop();
    this.named.drop();
  }

  #returnTaken({ taken }: RecordInFlight): void {
    if (taken !== undefined) for (const entry of taken) this.engine.store.returnVictim(entry);
  }

  /** A write that waits for nothing but being visible; `toAnswer` makes its answer when it is. */
  writeSoon<T>(
    accept: (builder: RecordBuilder) => Accepted,
    toAnswer: (accepted: Accepted, answer: WriteAnswer) => T,
  ): Soon<T> {
    const { engine } = this;
    const { nextLsn } = engine;
    const accepted = this.write(accept);
    const { dependsOn } = accepted;
    // Taken before anything is awaited, because it is the state that was looked at.
    const position = accepted.position ?? dependsOn?.position ?? engine.position;
    const complete = (): T => toAnswer(accepted, this.complete(accepted, position));
    if (dependsOn === undefined) return complete();
    return new WriteInFlight(dependsOn, dependsOn.position.lsn === nextLsn, complete);
  }

  /** Rejects if the record is refused. */
  answer(accepted: Accepted, options: ReceiptOptions, signal?: AbortSignal): Promise<WriteAnswer> {
    const { engine } = this;
    const settled = accepted.dependsOn?.settled ?? SETTLED;
    // Taken before anything is awaited, because it is the state that was looked at.
    const position = accepted.position ?? accepted.dependsOn?.position ?? engine.position;
    if (!standsForRecord(accepted) || !wantsWait(options)) {
      return settled.then(() => this.complete(accepted, position));
    }
    // Not the whole command, whose value is in the record already: a wait for replicas may be long.
    const { durability, minAcks, timeoutMs } = options;
    const wanted = { durability, minAcks, timeoutMs };
    return settled
      .then(() => awaitReceipt(engine, this.#acks, this.#clock, wanted, position.lsn, signal))
      .then((receipt) => this.complete(accepted, position, receipt));
  }

  /** The answer to a write that is settled. `receipt`: what it waited for; by default what is known now. */
  complete(
    accepted: Accepted,
    position: Position,
    receipt: Receipt = receiptOf(this.engine, this.#acks, position.lsn),
  ): WriteAnswer {
    this.engine.checkDisk();
    const why = standsForRecord(accepted) ? this.#whyUnknown() : undefined;
    if (why !== undefined) throw unavailable(why);
    const { applied, previous, current } = accepted;
    const { durabilityReached, replicasAcked } = receipt;
    const answer = {
      applied,
      position,
      previous: previous && this.shown(previous),
      current: current && this.shown(current),
      durabilityReached,
      replicasAcked,
    };
    return accepted.isRepeat === true ? { ...answer, isRepeat: true } : answer;
  }

  /** Converts a deadline from the log clock to wall time. */
  shownDeadline(expireAtMs: number): number {
    const { logClock } = this.engine;
    return movedDeadline(expireAtMs, logClock.shiftMs(logClock.nowMs()));
  }

  /** An entry as callers see it, with its deadline in wall time. */
  shown(entry: Entry): Entry {
    return inWallTime(entry, this.engine.logClock);
  }
}

/** True if the answer is true only as long as a record is: one that wrote something, or that has a name. */
function standsForRecord({ applied, isNamed }: Accepted): boolean {
  return applied || isNamed === true;
}
