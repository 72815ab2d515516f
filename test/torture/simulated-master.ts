/**
 * One life of a master on a memory disk: the real directory, engine, epoch
 * protocol and `Master`, driven by hand on a virtual clock, with every answer
 * judged by the reference model as it arrives.
 *
 * Time is a clock of this life only, so a life that ends in a power cut leaves
 * nothing running. The role's own ticks do not run: expiry happens when the
 * workload says so, on a quiet log, where the model can foretell it.
 */
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import type { BatchOperation, BatchResult, DeleteCommand, SetCommand, WriteAnswer } from '#model/commands.ts';
import { movedDeadline } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { FsyncPolicy } from '#model/fsync-policy.ts';
import { MasterRole } from '#node/master-role.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { openHost } from '#node/open-host.ts';
import type { Clock } from '#platform/clock.ts';
import { silentLogger } from '#platform/logger.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestNetwork } from '#test/doubles/network.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import {
  describeEntry,
  type Expectation,
  fail,
  isSameEntry,
  type ModelEntry,
  type ModelRecord,
  type ReferenceModel,
} from './reference-model.ts';

/** What stays the same over the lives of one simulation. */
export interface SimulatedSettings {
  readonly fsync: FsyncPolicy;
  readonly maxFileBytes: number;
  readonly retentionBytes: number;
  readonly snapshotEveryBytes: number;
}

/** What has been promised so far; LSNs of records. */
export interface Promised {
  /** Written to the OS and answered: survives the death of the process. */
  ackedLsn: number;
  /** Survives a power cut. */
  durableLsn: number;
}

export interface LifeCounts {
  acked: number;
  refused: number;
  failed: number;
}

/** Control records that a start may write: EPOCH and CONFIG. */
export const CONTROL_RECORDS_MAX = 2;

export class SimulatedMaster {
  readonly clock: VirtualClock;
  readonly counts: LifeCounts = { acked: 0, refused: 0, failed: 0 };
  readonly #disk: MemoryFileSystem;
  readonly #settings: SimulatedSettings;
  readonly #model: ReferenceModel;
  readonly #promised: Promised;
  readonly #random: SeededRandom;
  readonly #violations: unknown[] = [];
  #host: EngineHost | undefined;
  #engine: Engine | undefined;
  #role: MasterRole | undefined;
  #inFlight = 0;
  #isServing = false;
  #isOver = false;
  /** Once the disk failed: the last record that may still be acknowledged. */
  #lastAckableLsn = Number.POSITIVE_INFINITY;

  constructor(
    disk: MemoryFileSystem,
    settings: SimulatedSettings,
    model: ReferenceModel,
    promised: Promised,
    random: SeededRandom,
  ) {
    this.#disk = disk;
    this.#settings = settings;
    this.#model = model;
    this.#promised = promised;
    this.#random = random;
    // Wall time may jump back between two lives; the log clock must not.
    this.clock = new VirtualClock({ wallMs: 1_767_225_600_000 + random.below(10_000_000) });
  }

  get engine(): Engine {
    return this.#engine ?? fail('recovery has come to an engine');
  }

  /** Recovery got as far as an engine with its log. */
  get isOpen(): boolean {
    return this.#engine !== undefined;
  }

  get wasClean(): boolean {
    return this.#host?.wasClean === true;
  }

  get hasFailed(): boolean {
    return this.#lastAckableLsn !== Number.POSITIVE_INFINITY;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Recovers the disk; throws what opening throws. The state is as recovered, before any new record. */
  async recover(): Promise<void> {
    const options = this.#options(this.clock);
    this.#host = await this.#until(openHost(options, () => undefined));
    const engine = await this.#until(this.#host.open());
    this.#engine = engine;
    engine.failed.subscribe(() => {
      this.#lastAckableLsn = engine.applied.lsn;
    });
  }

  /** Begins to take writes. False where the disk was full. */
  async serve(): Promise<boolean> {
    const host = this.#host ?? fail('recovered before serving');
    this.#role = new MasterRole(this.#options(withoutSleep(this.clock)), host, this.engine, {
      advertise: 'master:1',
      onLeader: () => fail('a lone master follows nobody'),
      onNoLeader: () => fail('a lone master is never over'),
      onReplicaDiffers: () => fail('a lone master has no replicas'),
      run: { epoch: 0 },
      self: () => {
        const { nodeId, logId, term } = host.manifest;
        return { nodeId, address: 'master:1', logId, tail: this.engine.log.tail, term, upstream: '' };
      },
    });
    const epochBefore = this.engine.log.tail.epoch;
    await this.#until(this.#role.start());
    this.noteControlRecords();
    this.#isServing = this.#role.state === 'serving';
    // Else a position could name two records: one that was lost, or is in a copy, and one written since.
    if (this.#isServing && this.engine.log.tail.epoch === epochBefore)
      fail('a start goes on in the old epoch');
    return this.#isServing;
  }

  /** Takes over EPOCH and CONFIG records that a start has appended. */
  noteControlRecords(): void {
    const { tail } = this.engine.log;
    if (tail.lsn - this.#model.tailLsn > CONTROL_RECORDS_MAX) fail(`a start wrote up to LSN ${tail.lsn}`);
    while (this.#model.tailLsn < tail.lsn) this.#model.control(tail.epoch);
  }

  // ---- the workload's calls ------------------------------------------------------------------

  set(command: SetCommand): void {
    const record = this.#begin();
    const expected = this.#model.set(this.#inLogTime(command), record);
    this.#watch([expected], record, async () => {
      return [{ kind: 'set', answer: await this.#master().set(command) }];
    });
  }

  delete(command: DeleteCommand): void {
    const record = this.#begin();
    const expected = this.#model.delete(command, record);
    this.#watch([expected], record, async () => {
      return [{ kind: 'delete', answer: await this.#master().delete(command) }];
    });
  }

  batch(operations: readonly Extract<BatchOperation, { kind: 'set' | 'delete' }>[]): void {
    const record = this.#begin();
    const expected = operations.map((operation) =>
      operation.kind === 'set'
        ? this.#model.set(this.#inLogTime(operation.command), record)
        : this.#model.delete(operation.command, record),
    );
    this.#watch(expected, record, () =>
      this.#master().batch(operations, () => fail('no gets in these batches')),
    );
  }

  /** Deletes what has expired. Only when nothing is in flight. */
  expire(): void {
    if (this.#inFlight > 0 || this.hasFailed) return;
    const record = this.#begin();
    this.#model.expire(record);
    this.#model.submit(record);
    this.#master().tick();
    const { tail } = this.engine.log;
    if (tail.lsn !== this.#model.tailLsn)
      fail(`expiry wrote up to LSN ${tail.lsn}, not ${this.#model.tailLsn}`);
  }

  /** These may fail with the disk; what they promise is only that nothing is lost. */
  rotate(): void {
    this.#background(this.engine.log.rotate());
  }

  checkpoint(): void {
    this.#background(this.#host?.checkpoint());
  }

  /** Lets time pass, then checks what readers see. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.notePromises();
    this.#throwViolation();
  }

  /** What is visible or durable now has been promised. */
  notePromises(): void {
    const { engine } = this;
    const promised = this.#promised;
    // At `always` nothing may even be seen before it is durable. The exception: a start that found
    // the disk too full to rewrite the tail serves reads of what the page cache shows.
    if (this.#settings.fsync === 'always' && this.#isServing) this.#promiseDurable(engine.applied.lsn);
    this.#promiseDurable(engine.durableLsn);
    promised.ackedLsn = Math.max(promised.ackedLsn, engine.applied.lsn);
    if (engine.log.tail.lsn < this.#model.tailLsn && !this.hasFailed) this.#cutRefused(engine.log.tail.lsn);
  }

  /** A few keys as a reader sees them: the state of exactly the applied LSN. */
  checkReads(keys: readonly string[]): void {
    const { engine } = this;
    const state = this.#model.stateAt(engine.applied.lsn);
    const nowMs = engine.logClock.nowMs();
    for (const key of keys) {
      const stored = state.get(key);
      const isLive = stored !== undefined && (stored.expireAtMs === 0 || nowMs < stored.expireAtMs);
      const actual = engine.store.get(key, nowMs);
      if (isSameEntry(actual, isLive ? stored : undefined)) continue;
      fail(
        `at LSN ${engine.applied.lsn} a reader of ${key} sees ${describeEntry(actual)}, not ${describeEntry(stored)}`,
      );
    }
  }

  /** SIGTERM: everything accepted is answered, and the log ends with a clean mark. */
  async stop(): Promise<void> {
    await this.#until(this.#role?.stop() ?? Promise.resolve());
    await this.#until(this.#host?.close() ?? Promise.resolve());
    this.#throwViolation();
  }

  /** The process is dead: what its remains still say, nobody hears. */
  bury(): void {
    this.#isOver = true;
  }

  // ---- inside ------------------------------------------------------------------------------

  #master() {
    return (this.#role ?? fail('serving')).writer();
  }

  #options(clock: Clock): NodeOptions {
    return {
      ...this.#settings,
      fileSystem: this.#disk,
      clock,
      random: this.#random.fork(),
      logger: silentLogger,
      dialer: new TestNetwork(this.clock).dialer('master:1'),
      version: 'test',
      role: 'master',
      upstream: '',
      directory: '/data',
      walSyncIntervalMs: 50,
      limits: { entriesMax: 100_000, bytesMax: 0, policy: 'none' },
      defaultTtlMs: 0,
      replicas: [],
      pushIntervalMs: 5,
      heartbeatMs: 250,
      maxLagMs: 5_000,
      serveStale: true,
      pullIntervalMs: 1_000,
      onFatal: () => undefined,
    };
  }

  #begin(): ModelRecord {
    return this.#model.begin(this.engine.log.tail.epoch, this.engine.logClock.nowMs());
  }

  /** The model keeps deadlines as the log does; callers name and see them in wall time. */
  get #shiftMs(): number {
    const { logClock } = this.engine;
    return logClock.shiftMs(logClock.nowMs());
  }

  #inLogTime(command: SetCommand): SetCommand {
    const { expiry } = command;
    if (expiry.kind !== 'at') return command;
    return {
      ...command,
      expiry: { kind: 'at', expireAtMs: movedDeadline(expiry.expireAtMs, -this.#shiftMs) },
    };
  }

  /** Deadlines are translated when the answer is given, since the shift may change while a write waits. */
  #inWallTime(expected: Expectation): Expectation {
    const shown = (entry: ModelEntry | undefined): ModelEntry | undefined =>
      entry && { ...entry, expireAtMs: movedDeadline(entry.expireAtMs, this.#shiftMs) };
    return { ...expected, previous: shown(expected.previous), current: shown(expected.current) };
  }

  #watch(expected: readonly Expectation[], record: ModelRecord, run: () => Promise<BatchResult[]>): void {
    const lsn = record.changes.length > 0 ? record.lsn : 0;
    // On a failed disk nothing more is accepted: what writes must be refused.
    const isJudged = !this.hasFailed;
    if (isJudged) this.#model.submit(record);
    this.#inFlight++;
    const running = run();
    const { tail, failure } = this.engine.log;
    if (failure === undefined && tail.lsn !== this.#model.tailLsn) {
      this.#violations.push(`a write went to LSN ${tail.lsn}, not ${this.#model.tailLsn}`);
    }
    running
      .then((results) => {
        if (this.#isOver) return;
        if (isJudged) this.#answered(results, expected);
        else if (lsn > 0) fail('a write is acknowledged after the disk failed');
      })
      .catch((error: unknown) => this.#refused(error, lsn))
      .catch((violation: unknown) => this.#violations.push(violation))
      .finally(() => {
        this.#inFlight--;
      });
  }

  #answered(results: readonly BatchResult[], expected: readonly Expectation[]): void {
    for (const [i, result] of results.entries()) {
      // A batch reports what became of each operation: all of them were in one record.
      if (result.kind === 'error') throw result.error;
      if (result.kind === 'get') fail('no gets in these batches');
      else this.#check(result.answer, this.#inWallTime(expected[i] ?? fail('an answer too many')));
    }
    this.counts.acked++;
  }

  #check(answer: WriteAnswer, expected: Expectation): void {
    const { applied, previous, current, position, durabilityReached } = answer;
    const { dependsOnLsn } = expected;
    if (applied !== expected.applied) fail(`applied is ${applied} at ${position.lsn}`);
    if (!isSameEntry(previous, expected.previous))
      fail(`previous is ${describeEntry(previous)}, not ${describeEntry(expected.previous)}`);
    if (!isSameEntry(current, expected.current))
      fail(`current is ${describeEntry(current)}, not ${describeEntry(expected.current)}`);
    if (position.lsn < dependsOnLsn)
      fail(`the answer is from LSN ${position.lsn}, its record ${dependsOnLsn}`);
    if (this.engine.applied.lsn < dependsOnLsn) fail(`LSN ${dependsOnLsn} is answered before it is visible`);
    if (dependsOnLsn > this.#lastAckableLsn)
      fail(`LSN ${dependsOnLsn} is acknowledged after the disk failed`);
    const promised = this.#promised;
    promised.ackedLsn = Math.max(promised.ackedLsn, dependsOnLsn);
    if (this.#settings.fsync === 'always' || durabilityReached === 'local')
      this.#promiseDurable(dependsOnLsn);
  }

  #promiseDurable(lsn: number): void {
    this.#promised.durableLsn = Math.max(this.#promised.durableLsn, lsn);
  }

  #refused(error: unknown, lsn: number): void {
    if (this.#isOver) return;
    if (!(error instanceof WalnutError)) throw error;
    if (error.code === 'storage_failed') {
      if (!this.hasFailed) fail('storage_failed without a failed disk');
      this.counts.failed++;
      return;
    }
    if (error.code !== 'resource_exhausted') throw error;
    this.counts.refused++;
    if (lsn > 0) this.#cutRefused(lsn - 1);
  }

  /** Refused: the record, and everything that was queued behind it. */
  #cutRefused(toLsn: number): void {
    if (toLsn < this.#promised.ackedLsn)
      fail(`LSN ${toLsn + 1} is refused, ${this.#promised.ackedLsn} acknowledged`);
    this.#model.cutTo(toLsn);
  }

  #background(work: Promise<unknown> | undefined): void {
    this.#inFlight++;
    work
      ?.catch(() => undefined)
      .finally(() => {
        this.#inFlight--;
      });
  }

  async #until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = promise.finally(() => {
      isSettled = true;
    });
    done.catch(() => undefined);
    for (let i = 0; i < 2_000 && !isSettled; i++) await this.clock.advance(i < 10 ? 1 : 50);
    if (!isSettled) fail('nothing settled within a minute of virtual time');
    return done;
  }

  #throwViolation(): void {
    const [violation] = this.#violations;
    if (violation === undefined) return;
    throw violation instanceof Error ? violation : new Error(String(violation));
  }
}

/** The clock, except that a sleep ends only when its signal aborts. */
function withoutSleep(clock: VirtualClock): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (ms, callback) => clock.after(ms, callback),
    yield: () => clock.yield(),
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) resolve();
        else signal?.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
}
