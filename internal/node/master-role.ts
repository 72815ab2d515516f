/**
 * A node as a master: settles its epoch, takes writes, pushes to replicas, and
 * is the group's only expirer and evictor. Read only (fenced) where a replica
 * holds newer history or a higher term was seen.
 */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import { Master } from '#master/master.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { PUSH_BYTES_MAX_DEFAULT } from '#model/limits.ts';
import type { Epoch, Lsn } from '#model/position.ts';
import { makeEpoch, NO_LSN, termOf } from '#model/position.ts';
import type {
  NodeAddress,
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
} from '#model/replication.ts';
import type { NodeState, ReplicaStatus } from '#model/status.ts';
import { checkBelieved } from '#model/terms.ts';
import { adviceFor } from '#node/advice.ts';
import { Announcer } from '#node/announcer.ts';
import { type Asked, askNodes, findLeader, judgeAll } from '#node/ask-replicas.ts';
import { Fence } from '#node/fence.ts';
import type { Self } from '#node/furthest.ts';
import { Hearsay } from '#node/hearsay.ts';
import { checkKeptLog } from '#node/kept-log-check.ts';
import { Membership } from '#node/membership.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { OtherHistories } from '#node/other-histories.ts';
import { ReplicaList } from '#node/replica-list.ts';
import { Rivals } from '#node/rivals.ts';
import { OWN_TERMS } from '#node/term-source.ts';
import { describeShortage } from '#platform/shortage.ts';
import { AckLedger } from '#replication/ack-ledger.ts';
import { ReplicaRegistry } from '#replication/replica-registry.ts';

/** How often expired entries are looked for. */
const TICK_MS = 100;
/** How often a start that found the disk full tries again. */
const NO_SPACE_RETRY_MS = 1_000;
/** How often a master that is over asks for whoever leads now. */
const LEADER_SEARCH_MS = 2_000;
const EPOCH_TIMEOUT_MS = 30_000;

/** What a master needs to know of the node around it. */
export interface MasterSeat {
  /** What other nodes are told to register with; see `AnnounceRequest`. */
  readonly advertise: string;
  /** This master is over, and another node leads its log in a higher term. */
  readonly onLeader: (address: string, term: number) => void;
  /** This master is over, and by what the others said nobody leads in its place. */
  readonly onNoLeader: (asked: readonly Asked[]) => void;
  /** A replica begins to say that its state differs from the one here. */
  readonly onReplicaDiffers: () => void;
  /** The last epoch that this process began, whatever roles it has had since; 0: none. */
  readonly run: { epoch: Epoch };
  /** This node as the others would see it. */
  readonly self: () => Self;
}

export class MasterRole {
  readonly kind = 'master';
  readonly leaderHint = undefined;
  readonly master: Master;
  readonly #options: NodeOptions;
  readonly #host: EngineHost;
  readonly #engine: Engine;
  readonly acks: AckLedger;
  readonly #list: ReplicaList;
  readonly #registry: ReplicaRegistry;
  /** Which replicas may follow. */
  readonly members: Membership;
  readonly #seat: MasterSeat;
  readonly #announcer: Announcer;
  readonly #abort = new AbortController();
  readonly #fence: Fence;
  readonly #hearsay: Hearsay;
  readonly #rivals: Rivals;
  readonly #others: OtherHistories;
  /** Whom a failover under way hands over to; undefined: none is. */
  #pausedFor: string | undefined;
  #hasEpoch = false;
  #damage: string | undefined;
  #starting: Promise<void> | undefined;
  #ticking: Promise<void> | undefined;
  #verifying: Promise<void> | undefined;

  constructor(options: NodeOptions, host: EngineHost, engine: Engine, seat: MasterSeat) {
    this.#options = options;
    this.#seat = seat;
    this.#host = host;
    this.#engine = engine;
    this.acks = new AckLedger(options.clock);
    this.#list = new ReplicaList(host.directory, options.replicas);
    this.#hearsay = new Hearsay(
      options,
      this.#list,
      (address) => this.#registry.isLiveAt(address),
      host.manifest.nodeId,
      this.#abort.signal,
    );
    this.#rivals = new Rivals(options.clock);
    this.#others = this.#watchOthers();
    this.#fence = new Fence({
      host,
      clock: options.clock,
      logger: options.logger,
      ownTerm: () => this.#term,
      onFatal: options.onFatal,
    });
    this.master = new Master({
      engine,
      clock: options.clock,
      acks: this.acks,
      defaultTtlMs: options.defaultTtlMs,
      whyDeposed: () => (this.#fence.isUp && this.#pausedFor === undefined ? this.#fence.why : undefined),
    });
    this.#registry = new ReplicaRegistry({
      engine,
      nodeId: host.manifest.nodeId,
      identity: () => ({ logId: host.manifest.logId, term: this.#term }),
      book: this.#hearsay.book,
      dialer: options.dialer,
      acks: this.acks,
      clock: options.clock,
      logger: options.logger,
      syncIntervalMs: options.pushIntervalMs,
      ringBytesMax: options.ringBytesMax,
      pushBytesMax: options.pushBytesMax ?? PUSH_BYTES_MAX_DEFAULT,
      heartbeatMs: options.heartbeatMs,
      // Reads on replicas keep an entry as reads here do.
      onHotKeys: (keys) => this.#touch(keys),
      onFenced: (term, address) => this.#fence.heardOf(term, address),
      onMismatch: seat.onReplicaDiffers,
    });
    this.members = new Membership({
      list: this.#list,
      registry: this.#registry,
      dialer: options.dialer,
      identity: () => host.manifest,
      signal: this.#abort.signal,
    });
    this.#announcer = this.#createAnnouncer();
  }

  #createAnnouncer(): Announcer {
    const { dialer, clock, logger } = this.#options;
    return new Announcer({
      dialer,
      clock,
      logger,
      announcement: () => ({
        nodeId: this.#host.manifest.nodeId,
        logId: this.#host.manifest.logId,
        term: termOf(this.#engine.log.tail.epoch),
        advertise: this.#seat.advertise,
      }),
      absent: () => (this.isTakingWrites ? this.members.absent() : []),
      onFenced: (term, address) => this.#fence.heardOf(term, address),
      onFollowed: (address) => this.#rivals.forget(address),
      onRival: (address, logId) => this.#rivals.found(address, logId),
    });
  }

  #watchOthers(): OtherHistories {
    return new OtherHistories({
      options: this.#options,
      replicas: () => this.#registry.statuses(),
      absent: () => this.#announcer.absent,
      self: this.#seat.self,
      signal: this.#abort.signal,
    });
  }

  #touch(keys: readonly string[]): void {
    for (const key of keys) this.#engine.store.touch(key);
  }

  /**
   * Asks the replicas, settles epoch and limits, and begins to serve writes where
   * nothing speaks against it. `isAsked`: a promotion has just asked them.
   */
  start(isAsked = false): Promise<void> {
    this.#starting = this.#start(isAsked);
    return this.#starting;
  }

  async #start(isAsked: boolean): Promise<void> {
    const engine = this.#engine;
    this.#registry.start();
    engine.logClock.lead();
    const objection = isAsked ? undefined : await this.#objection();
    if (this.#abort.signal.aborted) return;
    if (objection === undefined) await this.#beginEpoch();
    else this.#fence.object(objection);
    this.#announcer.start();
    this.#ticking = this.#tick();
    this.#verifying = this.#verifyKept();
  }

  /** Ends everything that this role does; the engine stays, and takes what was accepted to the disk. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#announcer.stop();
    // Who started it hears of a failure.
    await this.#starting?.catch(() => undefined);
    await this.#registry.close();
    await this.#ticking;
    await this.#hearsay.idle();
    await this.#others.idle();
    await this.#verifying;
  }

  /** Whether a client may write here now, space and replicas aside. */
  get isTakingWrites(): boolean {
    return !this.#fence.isUp && this.#hasEpoch;
  }

  /** A failover to `to` begins: writes are refused, nothing expires or is evicted, so that the log ends. */
  pauseWrites(to: string): void {
    this.#pausedFor = to;
  }

  resumeWrites(): void {
    this.#pausedFor = undefined;
  }

  /** Replicas sync what they have through `lsn` before they answer, until the time is over or the signal aborts. */
  demandAcks(lsn: Lsn, timeoutMs: number, signal: AbortSignal): void {
    void this.acks.wait(lsn, Number.MAX_SAFE_INTEGER, timeoutMs, signal);
  }

  /** One that was replaced, or may be behind, had everything when it wrote its newest record. */
  get stalenessMs(): number {
    if (!this.#fence.isUp) return 0;
    return Math.max(0, this.#engine.logClock.nowMs() - this.#engine.lastTimestampMs);
  }

  get state(): NodeState {
    if (this.#fence.isUp) return 'fenced';
    return this.#engine.log.shortage !== undefined || !this.#hasEpoch ? 'no_space' : 'serving';
  }

  get reasons(): string[] {
    if (this.#fence.isUp) return this.#fence.reasons;
    if (this.#pausedFor !== undefined) return [`a failover to ${this.#pausedFor} is under way: writes wait`];
    const reasons = [...this.#fence.reasons, ...this.#rivals.reasons(this.#seat.self().address)];
    if (this.state === 'no_space') reasons.push(this.#shortOf);
    return [...reasons, ...this.#others.reasonsBeside(reasons)];
  }

  get #shortOf(): string {
    return `${describeShortage(this.#engine.log.shortage ?? 'space')}: reads only until that is over`;
  }

  /** Another node leads this very term: neither can be in the right, so both stop. It is remembered, to be asked. */
  async meetEqual(node: NodeAddress, term: number): Promise<void> {
    try {
      await this.#list.remember(node, (address) => this.#registry.isLiveAt(address));
    } finally {
      this.#fence.raise(term);
    }
  }

  noteRival(address: string, logId: string): void {
    this.#rivals.claimedBy(address, logId);
  }

  get mayLeadAgain(): boolean {
    return this.#fence.mayLeadAgain;
  }

  noteObstacle(obstacle: string): void {
    this.#fence.noteObstacle(obstacle);
  }

  /** A master is ready once it has recovered; a fenced one cannot serve its clients. */
  get isReady(): boolean {
    return !this.#fence.isUp;
  }

  get keptLogDamage(): string | undefined {
    if (this.#damage !== undefined) return this.#damage;
    const { damagedLsn } = this.#engine.feed;
    return damagedLsn === undefined ? undefined : `LSN ${damagedLsn} cannot be read`;
  }

  get replicas(): ReplicaStatus[] {
    return this.#registry.statuses();
  }

  /** The way to write; throws where writes are refused. */
  writer(): Master {
    if (this.#fence.isUp)
      throw new WalnutError('failed_precondition', `this master is read only: ${this.#fence.why}`);
    if (this.#pausedFor !== undefined) {
      throw unavailable(
        `a failover to ${this.#pausedFor} is under way: try again in a moment, there or here`,
        this.#pausedFor,
      );
    }
    if (!this.#hasEpoch) {
      throw new WalnutError('resource_exhausted', this.#shortOf);
    }
    const { minReplicasToWrite = 0 } = this.#options;
    if (minReplicasToWrite > 0 && this.#registry.liveCount < minReplicasToWrite) {
      throw unavailable(
        `${this.#registry.liveCount} replicas take pushes: replication.min_replicas_to_write is ${minReplicasToWrite}`,
      );
    }
    return this.master;
  }

  async register(request: RegisterRequest, remoteAddress: string): Promise<RegisterAnswer> {
    const { logId, term } = this.#host.manifest;
    if (request.logId === logId) checkBelieved(Math.max(request.term, termOf(request.tail.epoch)), term);
    return this.#registry.register(request, remoteAddress);
  }

  /** Another master pushes to this one: only a higher term is news. */
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

  async #objection(): Promise<string | undefined> {
    const { manifest } = this.#host;
    const own = this.#engine.position;
    const isForced = this.#options.forcedRole === 'master';
    if (own.lsn === 0) return undefined;
    if (!this.#isPromoted && manifest.term > termOf(own.epoch)) {
      return `term ${manifest.term} was seen, this master's is ${termOf(own.epoch)}`;
    }
    // A promotion that was cut short stands where nobody has gone beyond its term.
    const epoch = this.#isPromoted ? makeEpoch(manifest.term, 0) : own.epoch;
    const asked = await this.#askAll(this.#list.known());
    this.#fence.noteAdvice(adviceFor(this.#seat.self(), asked));
    const { objection, term } = judgeAll(asked, {
      nodeId: manifest.nodeId,
      logId: manifest.logId,
      position: { epoch, lsn: own.lsn },
      term: manifest.term,
    });
    // A term once seen is remembered before anything is decided by it; a forced master begins above all.
    if (isForced && term >= manifest.term) {
      const own = await (this.#options.terms ?? OWN_TERMS).next(term);
      await amendManifest(this.#host.directory, { term: own, promotedTo: own });
    } else if (!isForced && term > manifest.term) await this.#host.raiseTerm(term);
    return isForced ? undefined : objection;
  }

  /** Whether this node was promoted to the highest term it knows of, and has no record of it yet. */
  get #isPromoted(): boolean {
    const { term, promotedTo = 0 } = this.#host.manifest;
    return promotedTo === term && term > termOf(this.#engine.log.tail.epoch);
  }

  /** The term this node leads: MANIFEST decides, the record of its epoch may have to wait for space. */
  get #term(): number {
    return this.#isPromoted ? this.#host.manifest.term : termOf(this.#engine.log.tail.epoch);
  }

  #askAll(addresses: readonly string[]): Promise<Asked[]> {
    const { dialer, logger } = this.#options;
    return askNodes(dialer, addresses, logger, this.#abort.signal);
  }

  /** A master that is over follows whoever leads now, as soon as it finds out who that is; or leads again. */
  async #findLeader(): Promise<void> {
    const { nodeId, logId, term } = this.#host.manifest;
    const own = { nodeId, logId, position: this.#engine.position, term };
    const asked = await this.#askAll(this.others);
    const leader = await findLeader(asked, own, (hints) => this.#askAll(hints));
    if (this.#abort.signal.aborted) return;
    if (leader !== undefined) this.#seat.onLeader(leader.address, termOf(leader.status.position.epoch));
    else if (this.mayLeadAgain) this.#seat.onNoLeader(asked);
    this.#fence.noteAdvice(adviceFor(this.#seat.self(), asked));
  }

  /** Everyone who may hold newer history than this node, those included of whom only a registration told of late. */
  get others(): string[] {
    return this.#hearsay.others;
  }

  /** Which nodes those are, as far as known: each by the address where it was last, or says that it is. */
  get knownNodes(): NodeAddress[] {
    return this.#hearsay.nodes;
  }

  /** Begins the epoch of this start or promotion, and logs limits that changed. */
  async #beginEpoch(): Promise<void> {
    const epoch = this.#epochToBegin();
    try {
      if (epoch !== undefined) {
        await this.#logged((done) => this.#engine.submitEpoch(epoch, done));
        this.#seat.run.epoch = epoch;
      }
      if (this.#hasNewLimits(epoch)) {
        await this.#logged((done) => this.#engine.submitLimits(this.#options.limits, done));
      }
      this.#hasEpoch = true;
    } catch (error) {
      if (!(error instanceof WalnutError) || error.code !== 'resource_exhausted') throw error;
    }
  }

  /**
   * A master's own YAML sets the limits. A replica that was promoted keeps
   * those of the log, whatever its file says, until a master's file replaces it.
   */
  #hasNewLimits(begun: Epoch | undefined): boolean {
    const isFresh = begun !== undefined && this.#engine.epochs.starts().length === 1;
    if (this.#options.role === 'replica' && !isFresh) return false;
    const { limits } = this.#options;
    const { entriesMax, bytesMax, policy } = this.#engine.store.limits;
    return entriesMax !== limits.entriesMax || bytesMax !== limits.bytesMax || policy !== limits.policy;
  }

  /**
   * Every start begins an epoch, after a clean stop too: the directory may have
   * been copied meanwhile, and two histories must never share an epoch. Undefined
   * where this process wrote the end of the log, in an epoch it began itself.
   */
  #epochToBegin(): Epoch | undefined {
    const { random } = this.#options;
    const tail = this.#engine.log.tail;
    const term = this.#host.manifest.term;
    if (tail.lsn === 0 || this.#isPromoted) return makeEpoch(Math.max(1, term), random.uint32());
    return tail.epoch === this.#seat.run.epoch ? undefined : makeEpoch(termOf(tail.epoch), random.uint32());
  }

  /** Submits a control record and waits until it is fdatasynced. */
  async #logged(submit: (done: (error?: WalnutError) => void) => number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      submit((error) => (error === undefined ? resolve() : reject(error)));
    });
    const isDurable = await this.#engine.waitDurable(this.#engine.applied.lsn, EPOCH_TIMEOUT_MS);
    if (!isDurable)
      throw new WalnutError('storage_failed', `the log did not sync within ${EPOCH_TIMEOUT_MS} ms`);
  }

  async #tick(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#abort;
    let searchedMs = Number.NEGATIVE_INFINITY;
    // A term may be granted in any wait: then the old one is not begun any more.
    const lacksEpoch = (): boolean => !this.#hasEpoch && !this.#fence.isUp;
    try {
      while (!signal.aborted) {
        await clock.sleep(lacksEpoch() ? NO_SPACE_RETRY_MS : TICK_MS, signal);
        if (signal.aborted) return;
        await this.#fence.save();
        this.#hearsay.tick();
        if (this.isTakingWrites) this.#others.tick();
        if (this.#fence.isUp && clock.monotonicMs() - searchedMs >= LEADER_SEARCH_MS) {
          searchedMs = clock.monotonicMs();
          await this.#findLeader();
        }
        if (lacksEpoch()) await this.#beginEpoch();
        else while (!signal.aborted && this.#mayTick && this.master.tick()) await clock.yield();
      }
    } catch (error) {
      // Only a failed disk throws here, and that is told by `onFatal`.
      logger.error({ err: error }, 'expiry stopped');
    }
  }

  get #mayTick(): boolean {
    return !this.#fence.isUp && this.#pausedFor === undefined;
  }

  async #verifyKept(): Promise<void> {
    const damage = await checkKeptLog(this.#engine.log, this.#options.logger, this.#abort.signal);
    this.#damage = damage?.what;
    if (damage?.lsn !== undefined) this.#engine.feed.noteDamage(damage.lsn as Lsn);
  }

  /** Another node leads a higher term: no more writes, whatever happens. */
  fence(term: number): void {
    this.#fence.raise(term);
  }

  /** Its disk failed at the commit by which it hands over `term`: whether it did is not known. */
  abandon(term: number): void {
    this.#fence.resign();
    this.#fence.raise(term);
  }
}
