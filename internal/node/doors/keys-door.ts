/** The node as its clients see it: reads on every node, writes on the master. */

import type { Engine } from '#engine/engine.ts';
import { awaitReceipt, isMet, receiptOf, receiptTimeoutMs, wantsWait } from '#master/receipts.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type { BulkPort, MixedAnswer, PlainSets, ReadMoment, SetsAnswer } from '#model/bulk.ts';
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  AwaitDurableCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DeletePrefixAnswer,
  DeletePrefixCommand,
  Durability,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  UpdatesAnswer,
  UpdatesCommand,
  WriteAnswer,
  WriteOperation,
} from '#model/commands.ts';
import { invalidArgument, type WalnutError } from '#model/errors.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import type { Soon } from '#model/later.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Position } from '#model/position.ts';
import { WATCH_START_MS_MAX, type WatchCommand, type WatchMessage, type WatchOutlet } from '#model/watch.ts';
import type { BatchId } from '#model/write-id.ts';
import type { AccessTimes } from '#node/access-times.ts';
import type { Admission } from '#node/doors/admission.ts';
import { readAtOnce, readEach } from '#node/doors/batch-reads.ts';
import { type DefaultLevel, QUORUM_VOTERS_MIN, withLevel, withLevels } from '#node/doors/default-level.ts';
import { FillReads } from '#node/doors/fill-reads.ts';
import {
  type FormatNeed,
  goesWithout,
  isRefused,
  needOf,
  needOfAll,
  needOfId,
  needOfSet,
} from '#node/doors/format-need.ts';
import { LinearReads } from '#node/doors/linear-reads.ts';
import { OwnedKeys } from '#node/doors/owned-keys.ts';
import { Explainer } from '#node/explainer.ts';
import type { MasterRole } from '#node/master-role.ts';
import { withModifiedIn } from '#node/modified.ts';
import { Reader } from '#node/reader.ts';
import type { Clock } from '#platform/clock.ts';
import type { Watches } from '#watch/watches.ts';

export interface KeysDoorParts {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly watches: Watches;
  readonly accesses: AccessTimes;
  /** What writes that name no durability ask for. */
  readonly level: DefaultLevel;
}

export class KeysDoor implements KeyValuePort, BulkPort {
  readonly #admission: Admission;
  readonly #owned: OwnedKeys;
  readonly #clock: Clock;
  /** Reads of this node, judged as those of every client. */
  readonly reader: Reader;
  readonly #fillReads: FillReads;
  readonly #linearReads: LinearReads;
  readonly #watches: Watches;
  readonly #explainer: Explainer;
  readonly #level: DefaultLevel;

  constructor({ admission, clock, watches, accesses, level }: KeysDoorParts) {
    this.#level = level;
    this.#admission = admission;
    this.#owned = new OwnedKeys(admission);
    this.#clock = clock;
    this.#watches = watches;
    this.#explainer = new Explainer(
      {
        engine: () => admission.readable(),
        accesses,
        get stalenessMs() {
          return admission.role?.stalenessMs ?? 0;
        },
        get lagRecords() {
          const { role } = admission;
          return role?.kind === 'replica' ? role.upstream.lagRecords : 0;
        },
      },
      clock,
    );
    this.reader = new Reader({
      engine: () => admission.readable(),
      clock,
      get noteRead() {
        const { role } = admission;
        return role?.kind === 'replica' ? (key: string) => role.noteRead(key) : undefined;
      },
      get ownsHistory() {
        const { role } = admission;
        return role?.kind === 'master' && role.state !== 'fenced';
      },
      get stalenessMs() {
        return admission.role?.stalenessMs ?? 0;
      },
      get serves() {
        return admission.partial?.serves;
      },
      get leaderHint() {
        return admission.role?.leaderHint;
      },
    });
    this.#fillReads = new FillReads(admission, this.reader, clock);
    this.#linearReads = new LinearReads(admission, this.reader, this.#clock);
  }

  moment(): ReadMoment {
    return this.reader.moment();
  }

  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer> {
    this.#owned.read(command.key);
    if (command.fill !== undefined) return this.#fillReads.get(command, command.fill, signal);
    if (command.isLinearizable === true) return this.#linearReads.get(command, signal);
    return this.reader.get(command, signal);
  }

  sets(sets: PlainSets): Soon<SetsAnswer> | undefined {
    const master = this.#admission.writer();
    // The log may have to be prepared for a name.
    if (sets.name !== undefined && !this.#admission.hasFormats) return undefined;
    return this.#owned.servesAll(sets) ? master.sets(sets) : undefined;
  }

  mixed(...args: Parameters<BulkPort['mixed']>): Promise<MixedAnswer> | undefined {
    const master = this.#admission.writer();
    return this.#owned.servesAll(args[0]) ? master.mixed(...args) : undefined;
  }

  setSoon(command: SetCommand): Soon<WriteAnswer> | undefined {
    return this.#isReady(needOfSet(command)) ? this.#owned.writer(command).setSoon(command) : undefined;
  }

  deleteSoon(command: DeleteCommand): Soon<WriteAnswer> | undefined {
    return this.#isReady(needOfId(command.id)) ? this.#owned.writer(command).deleteSoon(command) : undefined;
  }

  incrementSoon(command: IncrementCommand): Soon<IncrementAnswer> | undefined {
    return this.#isReady(needOfId(command.id))
      ? this.#owned.writer(command).incrementSoon(command)
      : undefined;
  }

  touchSoon(command: TouchCommand): Soon<TouchAnswer> | undefined {
    return this.#isReady('required') ? this.#owned.writer(command).touchSoon(command) : undefined;
  }

  /** True if the log may have what the write needs: otherwise it may have to be prepared for it. */
  #isReady(need: FormatNeed | undefined): boolean {
    return need === undefined || this.#admission.hasFormats;
  }

  set(given: SetCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    const command = withLevel(given, this.#level);
    this.#checkLevel(command.durability);
    return this.#whenReady(needOfSet(command), () => this.#owned.writer(command).set(command, signal));
  }

  delete(given: DeleteCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    const command = withLevel(given, this.#level);
    this.#checkLevel(command.durability);
    return this.#whenReady(needOfId(command.id), () => this.#owned.writer(command).delete(command, signal));
  }

  increment(given: IncrementCommand, signal?: AbortSignal): Promise<IncrementAnswer> {
    const command = withLevel(given, this.#level);
    this.#checkLevel(command.durability);
    return this.#whenReady(needOfId(command.id), () =>
      this.#owned.writer(command).increment(command, signal),
    );
  }

  touch(given: TouchCommand, signal?: AbortSignal): Promise<TouchAnswer> {
    const command = withLevel(given, this.#level);
    this.#checkLevel(command.durability);
    return this.#whenReady('required', () => this.#owned.writer(command).touch(command, signal));
  }

  /** Writes as soon as the log may have what the write needs, which is at once but for the first time. */
  #whenReady<T>(need: FormatNeed | undefined, write: () => Promise<T>): Promise<T> {
    return this.#isReady(need) ? write() : this.#afterStep(need, write);
  }

  async #afterStep<T>(need: FormatNeed | undefined, write: () => Promise<T>): Promise<T> {
    const refusal = await this.#admission.whyNotReadyForFormats();
    if (refusal !== undefined && !goesWithout(need, refusal)) throw refusal;
    return write();
  }

  checkBatch(operations: readonly BatchOperation[]): void {
    this.#owned.batch(operations);
  }

  async batch(given: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]> {
    const operations = withLevels(given, this.#level);
    this.#owned.batch(operations);
    const hasWrites = operations.some((operation) => operation.kind !== 'get');
    if (hasWrites) {
      if (operations.some(asksForQuorum)) this.#checkLevel('quorum');
      const isNeeded = operations.some((operation) => !this.#isReady(needOf(operation)));
      const refusal = isNeeded ? await this.#admission.whyNotReadyForFormats() : undefined;
      if (refusal !== undefined && operations.some((operation) => isRefused(operation, refusal)))
        return this.#batchOfOthers(operations, refusal, signal);
      const read = (command: GetCommand): GetAnswer => this.reader.getNow(command);
      const results = await this.#admission.writer().batch(operations, read, signal);
      return withModifiedIn(this.#engine, operations, results);
    }
    return readEach(this, operations, signal);
  }

  /** Each operation has its own result: one that a replica cannot read gets an error, and the others are carried out. */
  async #batchOfOthers(
    operations: readonly BatchOperation[],
    error: WalnutError,
    signal: AbortSignal | undefined,
  ): Promise<BatchResult[]> {
    const others = operations.filter((operation) => !isRefused(operation, error));
    const results = others.length === 0 ? [] : await this.batch(others, signal);
    let next = 0;
    return operations.map((operation) =>
      isRefused(operation, error) ? { kind: 'error', error } : (results[next++] as BatchResult),
    );
  }

  async namedBatch(
    given: readonly WriteOperation[],
    id: BatchId,
    signal?: AbortSignal,
  ): Promise<BatchResult[]> {
    const writes = withLevels(given, this.#level);
    if (writes.some(asksForQuorum)) this.#checkLevel('quorum');
    this.#owned.namedBatch(writes, id);
    const need = needOfAll({ operations: writes, id });
    const run = (): Promise<BatchResult[]> => this.#admission.writer().namedBatch(writes, id, signal);
    const results = await this.#whenReady(need, run);
    return withModifiedIn(this.#engine, writes, results);
  }

  async atomicBatch(given: AtomicBatchCommand, signal?: AbortSignal): Promise<AtomicBatchAnswer> {
    const { operations } = given;
    const command = operations.some(({ kind }) => kind !== 'get') ? withLevel(given, this.#level) : given;
    this.#checkLevel(command.durability);
    this.#owned.atomicBatch(command);
    if (operations.some(({ kind }) => kind !== 'get')) {
      const admit = (get: GetCommand): void => this.reader.checkAccepted(get);
      const need = needOfAll(command);
      const answer = await this.#whenReady(need, () =>
        this.#admission.writer().atomicBatch(command, admit, signal),
      );
      return { ...answer, results: withModifiedIn(this.#engine, operations, answer.results) };
    }
    const reads = await readAtOnce(this.reader, operations, signal);
    const durable = { position: reads.position, durability: command.durability ?? 'accepted' } as const;
    const { minAcks, timeoutMs } = command;
    const receipt = await this.awaitDurable({ ...durable, minAcks, timeoutMs }, signal);
    const { durabilityReached, replicasAcked } = receipt;
    return { isCommitted: true, ...reads, durabilityReached, replicasAcked };
  }

  /** Like `batch`, for sets and deletes that are logged as restored. */
  async restore(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]> {
    const read = (command: GetCommand): GetAnswer => this.reader.getNow(command);
    this.#owned.batch(operations);
    const run = (): Promise<BatchResult[]> =>
      this.#admission.writer().batch(operations, read, signal, 'restored');
    const isTyped = operations.some((operation) => needOf(operation) !== undefined);
    return isTyped ? this.#whenReady('required', run) : run();
  }

  scan(command: ScanCommand): ScanAnswer {
    return this.reader.scan(command);
  }

  async deletePrefix(given: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer> {
    const command = withLevel(given, this.#level);
    this.#checkLevel(command.durability);
    const master = this.#admission.writer();
    const mayGoOn = (): boolean => {
      if (signal?.aborted === true) return false;
      try {
        return this.#admission.writer() === master;
      } catch {
        return false;
      }
    };
    return master.deletePrefix(command, mayGoOn);
  }

  getUpdates(command: UpdatesCommand, signal?: AbortSignal): Promise<UpdatesAnswer> {
    return this.reader.getUpdates(command, signal);
  }

  async *watch(
    command: WatchCommand,
    signal: AbortSignal,
    outlet?: WatchOutlet,
  ): AsyncGenerator<WatchMessage> {
    const { after, sinceMs, places, target } = command;
    if (places !== undefined)
      throw invalidArgument('resume is of a gateway: go on with it there, not at a node');
    if (target.kind === 'key') this.#owned.read(target.key);
    const context = this.#admission.watchable();
    if (sinceMs !== undefined) {
      const start = await this.#startOf(context.engine(), sinceMs, signal);
      yield* this.#watches.watch({ ...command, after: start }, context, signal, outlet);
      return;
    }
    if (after !== undefined) {
      context.engine();
      await this.reader.untilReached(after, WATCH_START_MS_MAX, signal);
    }
    yield* this.#watches.watch(command, context, signal, outlet);
  }

  /** The position at which a watch since a time begins: at the latest the one of what becomes visible next, which on a delayed replica is older. */
  async #startOf(engine: Engine, sinceMs: number, signal: AbortSignal): Promise<Position> {
    const start = await this.reader.untilTime(engine, sinceMs, signal);
    return start.lsn > engine.appliedLsn ? engine.position : start;
  }

  async explain(command: ExplainCommand, signal: AbortSignal): Promise<ExplainAnswer> {
    this.#owned.read(command.key);
    return this.#explainer.explain(command, signal);
  }

  async awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer> {
    const admission = this.#admission;
    const { position, durability, minAcks } = command;
    const asksReplicas = minAcks > 0 || durability === 'quorum';
    const endMs = this.#clock.monotonicMs() + receiptTimeoutMs(command.timeoutMs);
    for (;;) {
      // Asked again in each turn, because role and engine may change during the wait.
      this.#checkLevel(durability);
      const acks = asksReplicas ? admission.master('count the acks of replicas').countable() : this.#acks;
      const leftMs = Math.max(0, endMs - this.#clock.monotonicMs());
      const engine = await this.reader.untilLogged(position, leftMs, signal);
      const options = { durability, minAcks, timeoutMs: Math.max(1, endMs - this.#clock.monotonicMs()) };
      const receipt = wantsWait(command)
        ? await awaitReceipt(engine, acks, this.#clock, options, position.lsn, signal)
        : receiptOf(engine, acks, position.lsn);
      // Another master may still get the acks, or this node where it leads again.
      const isCutShort =
        asksReplicas &&
        acks?.isOver === true &&
        !isMet(receipt, command) &&
        this.#clock.monotonicMs() < endMs;
      if (engine === this.#engine && !isCutShort) return { ...receipt, durable: engine.durablePosition };
    }
  }

  /** Throws where nobody can know what has reached the level, before anything is done. */
  #checkLevel(durability: Durability | undefined): void {
    if (durability === 'quorum')
      this.#admission.checkQuorum(this.#level === undefined ? 1 : QUORUM_VOTERS_MIN);
  }

  /** The current engine; undefined if there is none. */
  get #engine(): Engine | undefined {
    return this.#admission.engine;
  }

  /** Undefined on a replica, which has no replicas to count. */
  get #acks(): MasterRole['acks'] | undefined {
    const { role } = this.#admission;
    return role?.kind === 'master' ? role.acks : undefined;
  }
}

function asksForQuorum(operation: BatchOperation): boolean {
  return operation.kind !== 'get' && operation.command.durability === 'quorum';
}
