/**
 * A node as a master: begins its epoch, takes writes, pushes to replicas, and alone
 * expires and evicts in its group. It is fenced, and so read only, if a replica has
 * newer history or a higher term was seen.
 */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import type { Master } from '#master/master.ts';
import { WalnutError } from '#model/errors.ts';
import { type Lsn, NO_LSN, termOf } from '#model/position.ts';
import type {
  NodeAddress,
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
} from '#model/replication.ts';
import { SLOTS } from '#model/slots.ts';
import type { NodeState, ObserversStatus, ReplicaStatus } from '#model/status.ts';
import { checkBelieved } from '#model/terms.ts';
import type { Fence } from '#node/fence.ts';
import { KeptLogCheck } from '#node/kept-log-check.ts';
import type { LeaderSearch } from '#node/leader-search.ts';
import type { MasterEpoch } from '#node/master-epoch.ts';
import { createMasterParts, type MasterSeat } from '#node/master-parts.ts';
import { checkListed, isOfThisLife } from '#node/member/check-listed.ts';
import type { MemberLease } from '#node/member/member-lease.ts';
import type { Newcomers } from '#node/member/newcomers.ts';
import type { Membership } from '#node/membership.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { ReplicaGroup } from '#node/replica-group.ts';
import { objectionToStart } from '#node/start-objection.ts';
import type { WriteGate } from '#node/write-gate.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';
import type { LoggedMember, LoggedMembers } from '#storage/logged-members.ts';
import { type LoggedOwnership, ownsAll } from '#storage/logged-ownership.ts';

/** How often expired entries are deleted. */
const TICK_MS = 100;
/** How often a start that found the disk full tries again. */
const NO_SPACE_RETRY_MS = 1_000;

export class MasterRole {
  readonly kind = 'master';
  readonly leaderHint = undefined;
  readonly master: Master;
  readonly #options: NodeOptions;
  readonly #host: EngineHost;
  readonly #engine: Engine;
  readonly acks: AckLedger;
  /** In a cluster: the right to write now. */
  readonly lease: MemberLease | undefined;
  readonly #newcomers: Newcomers;
  /** In a cluster: the monotonic time at which each other member answered a push last, by name. */
  readonly heard: ReadonlyMap<string, number>;
  /** The last member list that this master logged; it says the next one when this one has reached QUORUM. */
  #listedLsn: Lsn = NO_LSN;
  readonly #seat: MasterSeat;
  readonly #epoch: MasterEpoch;
  readonly #group: ReplicaGroup;
  readonly #search: LeaderSearch;
  readonly #abort = new AbortController();
  readonly #fence: Fence;
  readonly #gate: WriteGate;
  readonly #readyForFormats: () => Promise<void> | undefined;
  readonly #keptLog: KeptLogCheck;
  #starting: Promise<void> | undefined;
  #ticking: Promise<void> | undefined;

  constructor(options: NodeOptions, host: EngineHost, engine: Engine, seat: MasterSeat) {
    this.#options = options;
    this.#seat = seat;
    this.#host = host;
    this.#engine = engine;
    const parts = createMasterParts({ options, host, engine, seat, signal: this.#abort.signal });
    this.master = parts.master;
    this.acks = parts.acks;
    this.lease = parts.lease;
    this.#newcomers = parts.newcomers;
    this.heard = parts.heard;
    this.#epoch = parts.epoch;
    this.#fence = parts.fence;
    this.#gate = parts.gate;
    this.#group = parts.group;
    this.#search = parts.search;
    this.#readyForFormats = parts.readyForFormats;
    this.#keptLog = new KeptLogCheck(engine, options.logger);
  }

  /**
   * Asks the replicas, begins an epoch, logs the limits, and takes writes unless
   * something speaks against it. `isAsked`: a promotion has just asked the replicas.
   */
  start(isAsked = false): Promise<void> {
    this.#starting = this.#start(isAsked);
    return this.#starting;
  }

  async #start(isAsked: boolean): Promise<void> {
    this.#group.start();
    this.#engine.logClock.lead();
    const objection = isAsked ? undefined : await this.#objection();
    if (this.#abort.signal.aborted) return;
    if (objection === undefined) {
      await this.#epoch.begin();
      this.#ownAll();
    } else this.#fence.object(objection);
    this.#group.announce();
    this.#ticking = this.#tick();
    this.#keptLog.start(this.#abort.signal);
  }

  async #objection(): Promise<string | undefined> {
    const { why, advice } = await objectionToStart({
      options: this.#options,
      host: this.#host,
      engine: this.#engine,
      isPromoted: this.#epoch.isPromoted,
      known: this.#group.known,
      self: this.#seat.self,
      signal: this.#abort.signal,
    });
    this.#fence.noteAdvice(advice);
    return why;
  }

  /** The term that this node leads. */
  get term(): number {
    return this.#epoch.term;
  }

  /**
   * In a cluster: logs the member list, if the log has none yet, or one of an earlier life. Rejects if
   * the record was refused.
   */
  async stateMembers(members: LoggedMembers): Promise<void> {
    const engine = this.#engine;
    if (isOfThisLife(engine.store.members.current, members) || !this.isTakingWrites) return;
    await this.#readyForFormats();
    await new Promise<void>((resolve, reject) => {
      this.#listedLsn = engine.submitMembers(members, (error) =>
        error === undefined ? resolve() : reject(error),
      );
    });
  }

  /** In a cluster: logs which slots the group owns, if its log does not say yet. Rejects if the record was refused. */
  async stateOwnership(ownership: LoggedOwnership): Promise<void> {
    const engine = this.#engine;
    const { store } = engine;
    const isDue = (): boolean =>
      store.ownership.current === undefined && store.members.current !== undefined && this.isTakingWrites;
    if (!isDue()) return;
    await this.#readyForFormats();
    if (!isDue()) return;
    await new Promise<void>((resolve, reject) => {
      engine.submitOwnership(ownership, (error) => (error === undefined ? resolve() : reject(error)));
    });
    this.#options.logger.warn({ ...ownership }, 'the log says which slots this group owns');
  }

  /**
   * In a plain group whose log is that of a group of a cluster, because it was restored from a
   * backup: from here on it owns every key, for there is nobody else.
   */
  #ownAll(): void {
    const { current } = this.#engine.store.ownership;
    const isMember = this.lease !== undefined;
    if (isMember || current === undefined || ownsAll(current) || this.#gate.state !== 'serving') return;
    this.#engine.submitOwnership({ ...current, owned: [{ first: 0, last: SLOTS - 1 }] });
  }

  /** The voters of the newest list, once it has reached QUORUM: those that a coordinator may count. */
  get listedVoters(): readonly LoggedMember[] {
    const reachedLsn = this.acks.quorum?.lsn ?? NO_LSN;
    if (reachedLsn === NO_LSN || reachedLsn < this.#listedLsn) return [];
    return this.#engine.store.members.current?.voters ?? [];
  }

  /** In a cluster: gives one member that came back with another incarnation its place again. */
  #admit(): void {
    const members = this.#engine.store.members.current;
    const { quorum } = this.acks;
    if (members === undefined || quorum === undefined || this.#gate.state !== 'serving') return;
    const isSettled = this.#listedLsn === NO_LSN || quorum.lsn >= this.#listedLsn;
    const next = isSettled ? this.#newcomers.next(members) : undefined;
    if (next === undefined) return;
    this.#options.logger.warn(
      { voters: next.voters },
      'a member takes its place again with a new incarnation',
    );
    this.#listedLsn = this.#engine.submitMembers(next);
  }

  /** Which replicas may follow. */
  get members(): Membership {
    return this.#group.members;
  }

  /**
   * Ends everything that this role does. The engine stays, and writes what was accepted to
   * the disk. `leaderHint`: the node that leads instead, if it is known.
   */
  async stop(leaderHint?: string): Promise<void> {
    this.master.endFills(leaderHint);
    this.#abort.abort();
    // A failure is reported to the caller of `start`.
    await this.#starting?.catch(() => undefined);
    await this.#ticking;
    await this.#group.stop();
    await this.#keptLog.idle();
  }

  /** True if a client may write here now, apart from shortage of space or of replicas. */
  get isTakingWrites(): boolean {
    return this.#gate.isOpen;
  }

  /** A failover to `to` begins: writes are refused, and nothing expires or is evicted, so that the log ends. */
  pauseWrites(to: string): void {
    this.#gate.pause(to);
  }

  resumeWrites(): void {
    this.#gate.resume();
  }

  /**
   * Makes replicas sync everything through `lsn` before they answer, until the time is
   * over or the signal aborts.
   */
  demandAcks(lsn: Lsn, timeoutMs: number, signal: AbortSignal): void {
    void this.acks.wait(lsn, Number.MAX_SAFE_INTEGER, timeoutMs, signal);
  }

  /** A fenced master was up to date when it wrote its newest record, one in a cluster while it had its lease. */
  get stalenessMs(): number {
    if (!this.#fence.isUp) return this.#gate.lostForMs;
    return this.#engine.logClock.ageMs(this.#engine.lastTimestampMs);
  }

  get state(): NodeState {
    return this.#gate.state;
  }

  /** Why it takes no writes now, for heartbeats; empty if it does. */
  get whyNoWrites(): string {
    return this.#gate.isStopped ? (this.reasons[0] ?? this.state) : '';
  }

  get reasons(): string[] {
    const stopped = this.#gate.stopReasons;
    if (stopped !== undefined) return stopped;
    const reasons = [...this.#fence.reasons, ...this.#group.rivals, ...this.#gate.shortages];
    if (this.#epoch.heldBack !== undefined) reasons.push(this.#epoch.heldBack);
    return [...reasons, ...this.#group.reasonsBeside(reasons)];
  }

  /**
   * Another node leads this very term. Neither can know that it is the right one, so
   * both stop. The other node is remembered, so that it is asked.
   */
  async meetEqual(node: NodeAddress, term: number): Promise<void> {
    try {
      await this.#group.remember(node);
    } finally {
      this.#fence.raise(term);
    }
  }

  noteRival(address: string, logId: string): void {
    this.#group.noteRival(address, logId);
  }

  get mayLeadAgain(): boolean {
    return this.#fence.mayLeadAgain;
  }

  noteObstacle(obstacle: string): void {
    this.#fence.noteObstacle(obstacle);
  }

  /** A master is ready once it has recovered; one that is fenced or has no lease cannot serve its clients. */
  get isReady(): boolean {
    return !this.#fence.isUp && this.#gate.state !== 'no_lease';
  }

  get keptLogDamage(): string | undefined {
    return this.#keptLog.damage;
  }

  get replicas(): ReplicaStatus[] {
    return this.#group.statuses;
  }

  get observers(): ObserversStatus | undefined {
    return this.#group.observers;
  }

  /** The way to write; throws if writes are refused. */
  writer(): Master {
    this.#gate.check();
    return this.master;
  }

  /** The acks, for callers who wait for more of them; throws where nobody acks to this master any more. */
  countable(): AckLedger {
    if (this.acks.isOver) throw this.#gate.refusal('counts no more acks: its role is over');
    return this.acks;
  }

  /** To be awaited before a write whose record release 0.1.0 cannot read; undefined if such writes are accepted already. */
  readyForFormats(): Promise<void> | undefined {
    return this.#readyForFormats();
  }

  async register(
    request: RegisterRequest,
    remoteAddress: string,
    retired?: AbortSignal,
  ): Promise<RegisterAnswer> {
    const { logId, term } = this.#host.manifest;
    const isObserver = request.isObserver === true;
    if (this.lease !== undefined && !isObserver)
      checkListed(request.memberNode, this.#engine.store.members.current);
    if (request.logId === logId) checkBelieved(Math.max(request.term, termOf(request.tail.epoch)), term);
    return this.#group.register(request, remoteAddress, retired);
  }

  /** Resolves with the next push for an observer. */
  observe(request: ObserveRequest, remoteAddress: string, signal: AbortSignal): Promise<ReplicateRequest> {
    return this.#group.observe(request, remoteAddress, signal);
  }

  /** Another master pushes to this one: only a higher term changes anything. */
  async refusePush(request: ReplicateRequest): Promise<ReplicateAnswer> {
    const { nodeId, logId, term: ownTerm } = this.#host.manifest;
    const isOurLog = request.logId === logId;
    if (isOurLog && request.term > ownTerm) {
      await this.#host.raiseTerm(request.term);
      this.#fence.resign();
      this.#fence.raise(request.term);
    } else if (isOurLog && request.term < ownTerm) {
      return {
        verdict: { kind: 'fenced', term: ownTerm },
        nodeId,
        durable: this.#engine.durablePosition,
        appliedLsn: NO_LSN,
      };
    }
    throw new WalnutError('failed_precondition', 'this node is a master and takes no pushes');
  }

  /** Addresses of all nodes that may have newer history, those included that only registered lately. */
  get others(): string[] {
    return this.#group.others;
  }

  /** Which nodes those are, as far as known, each by its last address. */
  get knownNodes(): NodeAddress[] {
    return this.#group.nodes;
  }

  async #tick(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#abort;
    // A term may be granted during any wait: then the old epoch is not begun any more.
    const lacksEpoch = (): boolean => !this.#epoch.hasBegun && !this.#fence.isUp;
    try {
      while (!signal.aborted) {
        await clock.sleep(lacksEpoch() ? NO_SPACE_RETRY_MS : TICK_MS, signal);
        if (signal.aborted) return;
        await this.#fence.save();
        this.#group.tick();
        this.#admit();
        this.#ownAll();
        if (this.#fence.isUp) await this.#search.tick();
        if (lacksEpoch()) await this.#epoch.begin();
        else while (!signal.aborted && this.#gate.mayExpire && this.master.tick()) await clock.yield();
      }
    } catch (error) {
      // Only a failed disk throws here, and `onFatal` reports that.
      logger.error({ err: error }, 'expiry stopped');
    }
  }

  /** Another node leads a higher term: this one takes no writes after that. */
  fence(term: number): void {
    this.#fence.raise(term);
  }

  /** The disk failed when `term` was committed to be handed over: it is not known whether it was. */
  abandon(term: number): void {
    this.#fence.resign();
    this.#fence.raise(term);
  }
}
