/**
 * One node: a data directory, the engine on it, and the role it plays now. It
 * implements every port from its first moment; what it cannot do yet it
 * refuses with a reason. Both binaries start one of these.
 *
 * `start` throws `WalOpenError` where the directory cannot be used (exit 3);
 * afterwards `onFatal` tells a failed disk (exit 4).
 */

import { AsidePruner, noteSeen } from '#engine/aside-pruner.ts';
import { findTail, listDiverged, readDiverged } from '#engine/diverged.ts';
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { manifestOf } from '#engine/manifest-access.ts';
import { orShortage } from '#engine/short-disk.ts';
import { awaitReceipt, receiptOf, receiptTimeoutMs, wantsWait } from '#master/receipts.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type { PlainSets, ReadMoment, SetsAnswer } from '#model/bulk.ts';
import type { MendClockAnswer, MendClockCommand } from '#model/clock.ts';
import type {
  AwaitDurableCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  UpdatesAnswer,
  UpdatesCommand,
  WriteAnswer,
} from '#model/commands.ts';
import type { DivergedReport, DivergedSlice } from '#model/diverged.ts';
import type { DigestAnswer } from '#model/entry.ts';
import { asRefusal, unavailable, WalnutError } from '#model/errors.ts';
import type {
  AnnounceAnswer,
  AnnounceRequest,
  ClaimAnswer,
  ClaimRequest,
  FailoverAnswer,
  PromoteAnswer,
  TakeOverAnswer,
  TakeOverRequest,
} from '#model/leadership.ts';
import type { AdminPort, KeyValuePort, NodePorts, ReplicationPort } from '#model/ports.ts';
import type { Lsn, Position } from '#model/position.ts';
import type {
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
  SnapshotChunk,
  SnapshotRequest,
} from '#model/replication.ts';
import type {
  CheckpointAnswer,
  DelayAnswer,
  DelayControl,
  NodeStatus,
  Quarantine,
  QuarantineRelease,
  RotateAnswer,
  ScrubProgress,
} from '#model/status.ts';
import { buildStatus } from '#node/build-status.ts';
import { ClockWatch } from '#node/clock-watch.ts';
import { digestAt } from '#node/digest-at.ts';
import { Leadership } from '#node/leadership.ts';
import type { MasterRole } from '#node/master-role.ts';
import { mendClock } from '#node/mend-clock.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { openHost } from '#node/open-host.ts';
import { Reader } from '#node/reader.ts';
import { RecoveryWatch } from '#node/recovery-watch.ts';
import type { ReplicaRole } from '#node/replica-role.ts';
import { RoleKeeper } from '#node/role-keeper.ts';
import { SnapshotSource } from '#node/snapshot-source.ts';
import { StateGuard } from '#node/state-guard.ts';
import { assert } from '#platform/assert.ts';

export class Node implements KeyValuePort, ReplicationPort, AdminPort {
  readonly #options: NodeOptions;
  readonly #reader: Reader;
  readonly #startedMs: number;
  #host: EngineHost | undefined;
  #snapshots: SnapshotSource | undefined;
  #pruner: AsidePruner | undefined;
  #keeper: RoleKeeper | undefined;
  readonly #recovery: RecoveryWatch;
  readonly #guard: StateGuard;
  readonly #clockWatch: ClockWatch;
  #isDraining = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#recovery = new RecoveryWatch(options.clock, options.logger);
    const node = this;
    this.#guard = new StateGuard({
      clock: options.clock,
      logger: options.logger,
      scrubIntervalMs: options.scrubIntervalMs ?? 0,
      engine: () => node.#engine,
      role: () => node.#role,
      rebuildMaster: async () => node.#keeper?.rebuild(),
      onFatal: options.onFatal,
    });
    this.#clockWatch = new ClockWatch(options.clock, options.logger, () => node.#engine);
    this.#reader = new Reader({
      engine: () => node.#readable(),
      clock: options.clock,
      get noteRead() {
        const role = node.#role;
        return role?.kind === 'replica' ? (key: string) => role.noteRead(key) : undefined;
      },
      get ownsHistory() {
        return node.#role?.kind === 'master' && node.#role.state !== 'fenced';
      },
      get stalenessMs() {
        return node.#role?.stalenessMs ?? 0;
      },
      get leaderHint() {
        return node.#role?.leaderHint;
      },
    });
  }

  get ports(): NodePorts {
    return { keyValue: this, bulk: this, replication: this, admin: this };
  }

  /** Takes the data directory: nobody else can from here on. Throws `WalOpenError` where it cannot be had. */
  async lock(): Promise<void> {
    this.#host = await openHost(this.#options, (progress) => this.#recovery.note(progress));
  }

  /**
   * Recovers the directory and takes up its role, locking it first where `lock`
   * was not called. `advertise`: what a replica
   * tells its master to push to, `host:port`, or `:port` for the address that
   * the master sees.
   */
  async start(advertise: string): Promise<void> {
    if (this.#host === undefined) await this.lock();
    const host = this.#host;
    assert(host !== undefined, 'the directory is locked');
    this.#snapshots = new SnapshotSource(host, {
      bytesPerSecond: this.#options.snapshotBytesPerSecond ?? Number.POSITIVE_INFINITY,
      pinnedBytesMax: this.#options.snapshotLogBytesMax ?? Number.MAX_SAFE_INTEGER,
      isKnown: (id) => this.#role?.kind === 'master' && this.#role.replicas.some((one) => one.nodeId === id),
    });
    this.#keeper = new RoleKeeper(this.#options, host, advertise, {
      onAltered: (engine, why) => this.#guard.altered(engine, why),
      onReplicaDiffers: () => this.#guard.doubted(),
    });
    const { clock, logger, asideBytesMax = Infinity, asideAgeMaxMs = Infinity, onAside } = this.#options;
    const rule = { bytesMax: asideBytesMax, ageMaxMs: asideAgeMaxMs };
    this.#pruner = new AsidePruner({ directory: host.directory, clock, logger, rule, onState: onAside });
    await this.#keeper.start(() => this.#recovery.noteNothing());
    this.#pruner.start();
    this.#guard.start();
    this.#clockWatch.start();
  }

  /** From now on not ready; reads and writes in flight finish. */
  beginDrain(): void {
    this.#isDraining = true;
  }

  /** Stops following or pushing, syncs the log, marks a clean stop and frees the directory. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#clockWatch.stop();
    const guarded = this.#guard.stop();
    await this.#keeper?.stop();
    await guarded;
    await this.#pruner?.stop();
    await this.#host?.close();
  }

  moment(): ReadMoment {
    return this.#reader.moment();
  }

  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer> {
    return this.#reader.get(command, signal);
  }

  sets(sets: PlainSets): Promise<SetsAnswer> | undefined {
    return this.#writable().sets(sets);
  }

  set(command: SetCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    return this.#writable().set(command, signal);
  }

  delete(command: DeleteCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    return this.#writable().delete(command, signal);
  }

  async batch(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]> {
    const hasWrites = operations.some((operation) => operation.kind !== 'get');
    if (hasWrites) {
      return this.#writable().batch(operations, (command) => this.#reader.getNow(command), signal);
    }
    return Promise.all(
      operations.map(async (operation): Promise<BatchResult> => {
        assert(operation.kind === 'get', 'only gets are here');
        try {
          const pending = this.#reader.get(operation.command, signal);
          return { kind: 'get', answer: pending instanceof Promise ? await pending : pending };
        } catch (error) {
          // A caller that has gone ends all of them.
          if (error instanceof WalnutError && error.code !== 'cancelled') return { kind: 'error', error };
          throw error;
        }
      }),
    );
  }

  scan(command: ScanCommand): ScanAnswer {
    return this.#reader.scan(command);
  }

  getUpdates(command: UpdatesCommand): Promise<UpdatesAnswer> {
    return this.#reader.getUpdates(command);
  }

  async awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer> {
    const { clock } = this.#options;
    const { position, minAcks } = command;
    const endMs = clock.monotonicMs() + receiptTimeoutMs(command.timeoutMs);
    for (;;) {
      // Asked anew in each turn: role and engine may change while a position is waited for.
      const acks = minAcks > 0 ? this.#masterRole('count the acks of replicas').acks : this.#acks;
      const leftMs = Math.max(0, endMs - clock.monotonicMs());
      const engine = await this.#reader.untilLogged(position, leftMs, signal);
      const options = { minAcks, timeoutMs: Math.max(1, endMs - clock.monotonicMs()) };
      const receipt = wantsWait(command)
        ? await awaitReceipt(engine, acks, clock, options, position.lsn, signal)
        : receiptOf(engine, acks, position.lsn);
      if (engine === this.#engine) return { ...receipt, durable: engine.durablePosition };
    }
  }

  register(request: RegisterRequest, remoteAddress: string): Promise<RegisterAnswer> {
    return this.#masterRole('take replicas').register(request, remoteAddress);
  }

  async replicate(request: ReplicateRequest): Promise<ReplicateAnswer> {
    const role = this.#requireRole();
    if (role.kind === 'replica') return role.replicate(request);
    return role.refusePush(request);
  }

  async *fetchSnapshot(request: SnapshotRequest, signal: AbortSignal): AsyncGenerator<SnapshotChunk> {
    this.#requireRole();
    assert(this.#snapshots !== undefined, 'a node with a role has a directory');
    yield* this.#snapshots.chunks(request, signal);
  }

  status(): NodeStatus {
    return buildStatus({
      host: this.#host,
      engine: this.#engine,
      role: this.#role,
      progress: this.#recovery.progress,
      promotions: this.#keeper?.promotions ?? 0,
      integrity: this.#guard.status,
      doubt: this.#guard.doubt,
      isDraining: this.#isDraining,
      uptimeMs: Math.round(this.#options.clock.monotonicMs() - this.#startedMs),
      version: this.#options.version,
      binaryRole: this.#options.role,
    });
  }

  digest(): DigestAnswer {
    const engine = this.#current();
    return { position: engine.position, entries: engine.store.entries, digest: engine.store.digest() };
  }

  digestAt(position: Position, waitMs: number, signal?: AbortSignal): Promise<DigestAnswer> {
    return digestAt(() => this.#current(), this.#options.clock, { position, waitMs, signal });
  }

  async *scrub(signal: AbortSignal): AsyncGenerator<ScrubProgress> {
    this.#current();
    yield* this.#guard.scrub(signal);
  }

  addReplica(address: string): Promise<string> {
    return this.#masterRole('have replicas').members.add(address);
  }

  removeReplica(address: string): Promise<void> {
    return this.#masterRole('have replicas').members.remove(address);
  }

  async checkpoint(): Promise<CheckpointAnswer> {
    this.#current();
    assert(this.#host !== undefined, 'a readable node has a directory');
    return orShortage(this.#host.checkpoint());
  }

  async rotateWal(): Promise<RotateAnswer> {
    return orShortage(this.#current().log.rotate());
  }

  quarantineList(): readonly Quarantine[] {
    const role = this.#requireRole();
    const quarantine = role.kind === 'replica' ? role.quarantine : undefined;
    return quarantine === undefined ? [] : [quarantine];
  }

  async quarantineRelease(how: QuarantineRelease): Promise<void> {
    const role = this.#requireRole();
    if (role.kind === 'master') throw new WalnutError('failed_precondition', 'a master is never quarantined');
    await role.release(how);
  }

  async controlDelay(control: DelayControl, signal?: AbortSignal): Promise<DelayAnswer> {
    this.#requireRole();
    assert(this.#host !== undefined, 'a node with a role has a directory');
    return this.#host.controlDelay(control, signal);
  }

  async restore(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]> {
    return this.#writable().batch(operations, (command) => this.#reader.getNow(command), signal, 'restored');
  }

  async mendClock(command: MendClockCommand): Promise<MendClockAnswer> {
    return mendClock(this.#masterRole('mend the clock'), this.#current(), this.#options.logger, command);
  }

  promote(isForced: boolean): Promise<PromoteAnswer> {
    return this.#leadership().promote(isForced);
  }

  async divergedList(): Promise<DivergedReport[]> {
    this.#requireRole();
    const { directory } = this.#locked();
    return listDiverged(this.#options.fileSystem, directory.path, manifestOf(directory));
  }

  async divergedShow(id: number, afterLsn: Lsn, bytesMax: number): Promise<DivergedSlice> {
    this.#requireRole();
    const { directory } = this.#locked();
    const tail = findTail(manifestOf(directory), id);
    return readDiverged(this.#options.fileSystem, directory.path, tail, { afterLsn, bytesMax });
  }

  async divergedSeen(id: number): Promise<void> {
    this.#requireRole();
    const { directory } = this.#locked();
    findTail(manifestOf(directory), id);
    await orShortage(noteSeen(directory, id, this.#options.clock.wallMs()));
  }

  claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return this.#leadership().claim(request);
  }

  announce(request: AnnounceRequest, remoteAddress: string): Promise<AnnounceAnswer> {
    return this.#leadership().announce(request, remoteAddress);
  }

  async failover(to: string, timeoutMs: number): Promise<FailoverAnswer> {
    this.#masterRole('hand over');
    return this.#leadership().failover(to, timeoutMs);
  }

  takeOver(request: TakeOverRequest): Promise<TakeOverAnswer> {
    return this.#leadership().takeOver(request);
  }

  get #role(): MasterRole | ReplicaRole | undefined {
    return this.#keeper?.current;
  }

  get #engine(): Engine | undefined {
    return this.#keeper?.engine;
  }

  #locked(): EngineHost {
    assert(this.#host !== undefined, 'a node with a role has a directory');
    return this.#host;
  }

  #leadership(): Leadership {
    this.#requireRole();
    if (this.#isDraining || this.#keeper === undefined) throw unavailable('this node is stopping');
    return new Leadership(this.#keeper);
  }

  #requireRole(): MasterRole | ReplicaRole {
    if (this.#role === undefined) throw unavailable('this node is loading: see walnut status');
    return this.#role;
  }

  /** Undefined on a replica: it has no replicas to count. */
  get #acks(): MasterRole['acks'] | undefined {
    return this.#role?.kind === 'master' ? this.#role.acks : undefined;
  }

  /** For clients: refused where the node may be stale and must not be. */
  #readable(): Engine {
    const role = this.#requireRole();
    if (role.kind === 'replica') role.checkReadable();
    return this.#current();
  }

  /** For operators: whatever state there is. */
  #current(): Engine {
    const role = this.#requireRole();
    if (this.#engine === undefined) {
      throw unavailable('this replica has no state yet: see walnut status', role.leaderHint);
    }
    return this.#engine;
  }

  /** Asked before anything else of a write: what it throws says that nothing was done. */
  #writable(): MasterRole['master'] {
    try {
      const role = this.#requireRole();
      if (this.#isDraining) throw unavailable('this node is stopping', role.leaderHint);
      if (role.kind === 'master') return role.writer();
      const { leaderHint } = role;
      throw new WalnutError('not_master', 'this node is a replica: writes go to its master', { leaderHint });
    } catch (error) {
      throw asRefusal(error);
    }
  }

  #masterRole(what: string): MasterRole {
    const role = this.#requireRole();
    if (role.kind === 'master') return role;
    throw new WalnutError('not_master', `this node is a replica: only a master can ${what}`, {
      leaderHint: role.leaderHint,
    });
  }
}
