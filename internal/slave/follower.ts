/**
 * Follows a master: registers, pulls until level, takes pushes, and begins
 * again after a silence. What it holds is never shrunk by a master that is
 * empty, older or foreign: then it is quarantined, keeps its data and says why
 * until an operator releases it (docs/replication.md, rules 1 to 3).
 */

import type { Engine } from '#engine/engine.ts';
import type { DivergedFrom, EngineHost } from '#engine/engine-host.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import type { DivergedWhy } from '#model/diverged.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { type Lsn, NO_LSN, termOf } from '#model/position.ts';
import type { RegisterAnswer, ReplicateAnswer, ReplicateRequest } from '#model/replication.ts';
import type { NodeState, Quarantine, QuarantineRelease, UpstreamStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import { messageOf } from '#platform/thrown.ts';
import { checkMeant } from '#replication/ack-owner.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import { cutBack } from '#slave/cut-back.ts';
import { conflictOf, describeQuarantine } from '#slave/describe-quarantine.ts';
import { DigestCheck } from '#slave/digest-check.ts';
import { FullResync } from '#slave/full-resync.ts';
import { Lag } from '#slave/lag.ts';
import { LinkState } from '#slave/link-state.ts';
import { framesFromPeer } from '#slave/peer-frames.ts';
import { Puller } from '#slave/puller.ts';
import { EMPTY_TAIL, Receiver } from '#slave/receiver.ts';
import { Upstream } from '#slave/upstream.ts';

export interface FollowerOptions {
  readonly host: EngineHost;
  readonly dialer: PeerDialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What the master is told to push to; see `RegisterRequest`. */
  readonly advertise: string;
  /** Silence after which the replica pulls: `master.sync_interval`. */
  readonly syncIntervalMs: number;
  /** Called after the engine was replaced or its state changed. */
  readonly onChange: () => void;
}

/** Silence after which the link counts as lost, at least. */
const LINK_LOST_MS = 1_500;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 1_000;

export class Follower {
  readonly #options: FollowerOptions;
  readonly #incarnation: string;
  readonly #upstream: Upstream;
  readonly #linkState: LinkState;
  readonly #receiver: Receiver;
  readonly #puller: Puller;
  readonly #resync: FullResync;
  readonly #check: DigestCheck;
  readonly lag: Lag;
  readonly #abort = new AbortController();
  /** The node id of the master registered with; pushes of others are refused. */
  #upstreamNodeId = '';
  #state: NodeState = 'catching_up';
  #reason = 'not linked to the master yet';
  #isFollowing = true;
  #isPulling = false;
  /** A quarantine is judged anew: by a master that may hold all that is here. */
  #isReconsidering = false;
  /** Ends a wait for silence early. */
  #rejoin: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#incarnation = options.random.id128();
    this.#receiver = new Receiver(
      () => options.host.engine,
      () => options.host.knownTerm,
    );
    this.#check = new DigestCheck(options.clock, options.logger);
    this.#upstream = new Upstream({ ...options, signal: this.#abort.signal });
    this.#puller = new Puller({
      link: () => this.#upstream.link,
      receiver: this.#receiver,
      clock: options.clock,
      onHeard: (lsn) => this.#linkState.heard(lsn, options.clock.monotonicMs()),
      onBehind: (records) => this.#setState('catching_up', `${records} records behind`),
    });
    this.#resync = new FullResync({
      host: options.host,
      receiver: this.#receiver,
      clock: options.clock,
      logger: options.logger,
      signal: this.#abort.signal,
      onReason: (reason) => this.#setState('catching_up', reason),
    });
    this.#linkState = new LinkState(options.clock, Math.max(2 * options.syncIntervalMs, LINK_LOST_MS));
    this.lag = new Lag(options.host, options.clock, this.#linkState, () => this.#isStreaming);
    const { quarantine } = this;
    if (quarantine === undefined) return;
    this.#enterQuarantine(quarantine.reason);
    // An operator has corrected the address.
    this.#isReconsidering = quarantine.upstream !== this.#upstream.address;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Follows whom MANIFEST names now, and keeps what it knows of its own staleness. */
  retarget(): void {
    this.#upstream.retarget();
    this.#upstreamNodeId = '';
    this.#linkState.lost();
    this.reconsider();
  }

  /** Registers once more where it is quarantined: a master that holds all that is here ends that. */
  reconsider(): void {
    this.#isReconsidering = this.quarantine !== undefined && this.#isFollowing;
    this.#rejoin?.();
  }

  /** The master says that it is at `address`: tried where it is not to be had where it was. */
  consider(address: string): void {
    this.#upstream.consider(address);
    if (!this.#isLinked) this.#rejoin?.();
  }

  /** Whether an operator has told it to keep its data and follow no one. */
  get isKept(): boolean {
    return !this.#isFollowing;
  }

  /** As the master has it; undefined before the first registration. */
  get ownAddress(): string | undefined {
    return this.#upstream.ownAddress;
  }

  /** Resolves when every push taken so far is in the log, or refused. */
  settled(): Promise<void> {
    return this.#receiver.idle();
  }

  /** The node id of the master registered with; empty: with none. */
  get upstreamNodeId(): string {
    return this.#upstreamNodeId;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#rejoin?.();
    this.#upstream.close();
    await this.#running;
    await this.#receiver.idle();
  }

  get state(): NodeState {
    return this.#check.isSuspect ? 'loading' : this.#state;
  }

  /** Why it is not streaming; empty where it is. */
  get reason(): string {
    return this.#reason;
  }

  get upstream(): UpstreamStatus {
    const lagRecords = this.lag.records;
    const isLevel = this.#isStreaming && lagRecords === 0;
    return {
      address: this.#upstream.address,
      isLinked: this.#isLinked,
      lagRecords,
      lagMs: isLevel ? 0 : this.lag.stalenessMs,
    };
  }

  /** Whether the state here is the master's, and whether it may be served. */
  get check(): DigestCheck {
    return this.#check;
  }

  /** The state in memory was found altered: it is recovered from the disk. */
  distrust(why: string): void {
    this.#check.distrust(why);
    this.#rejoin?.();
  }

  get #isLinked(): boolean {
    return this.#state !== 'quarantined' && this.#linkState.isLinked;
  }

  get #isStreaming(): boolean {
    return this.#isLinked && this.#state === 'streaming';
  }

  get quarantine(): Quarantine | undefined {
    return (this.#options.host.manifest.quarantine as Quarantine | null) ?? undefined;
  }

  /** A push or heartbeat from the master. */
  async replicate(request: ReplicateRequest): Promise<ReplicateAnswer> {
    const { host } = this.#options;
    if (this.#abort.signal.aborted) throw unavailable('this replica is stopping');
    const { engine, manifest } = host;
    // Terms of another log say nothing about the sender's.
    if (request.logId === manifest.logId && request.term < manifest.term)
      return this.#answer({ kind: 'fenced', term: manifest.term });
    checkMeant(request.replicaNodeId, manifest.nodeId);
    if (this.#state === 'quarantined' || !this.#isFollowing) return this.#refuse(engine);
    if (request.masterNodeId !== this.#upstreamNodeId) {
      const why = `this replica is not registered with node ${request.masterNodeId}`;
      throw new WalnutError('failed_precondition', why);
    }
    if (engine === undefined) return this.#answer({ kind: 'need', tail: EMPTY_TAIL });
    if (request.logId !== host.manifest.logId) {
      this.#rejoin?.();
      return this.#refuse(engine);
    }
    const saidAtMs = this.#linkState.saidAtMs(request.logClockMs);
    const frames = framesFromPeer(request.frames);
    await host.raiseTerm(request.term);
    if (this.#receiver.isBusy) throw unavailable('this replica is behind with earlier pushes');
    const verdict = await this.#receiver.take(request.previous, frames, request.ackWhenDurable, () =>
      // A higher term may have been granted while it waited: what is acked from then on could be lost.
      request.term < host.manifest.term ? { kind: 'fenced', term: host.manifest.term } : undefined,
    );
    // It may have been quarantined while the frames waited for the disk.
    if (this.#isQuarantined() || !this.#isFollowing) return this.#refuse(host.engine);
    this.#linkState.heard(request.durableLsn, saidAtMs);
    host.engine?.logClock.follow(request.logClockMs);
    if (verdict.kind === 'conflict') this.#rejoin?.();
    if (verdict.kind === 'ok') {
      host.delayed?.noteClock(request.logClockMs);
      this.#compare(frames.at(-1)?.lsn ?? request.previous.lsn, request.digest);
      if ((host.engine?.committedLsn ?? NO_LSN) >= request.durableLsn) this.#levelSince(saidAtMs);
      // A push that was taken between two pulls does not make it level.
      if (!this.#isPulling) this.#setState('streaming', '');
    }
    if (request.group !== undefined) await this.#upstream.remember(request.group);
    return this.#answer(verdict);
  }

  #compare(lsn: Lsn, stated = ''): void {
    const { engine, delayed } = this.#options.host;
    if (engine === undefined) return;
    if (delayed === undefined) this.#check.compare(engine.digests, lsn, stated);
    else this.#check.compareLate(engine, lsn, stated, delayed.delayMs);
    if (this.#check.remedy !== 'none') this.#rejoin?.();
  }

  /** Ends a quarantine: throws `failed_precondition` where there is none. */
  async release(how: QuarantineRelease): Promise<void> {
    const { host, logger } = this.#options;
    await this.#receiver.exclusive(async () => {
      if (this.quarantine === undefined)
        throw new WalnutError('failed_precondition', 'this node is not quarantined');
      logger.warn({ how, quarantine: this.quarantine }, 'quarantine released by the operator');
      if (how === 'discard_local') await host.discard(this.#why('discarded by the operator'));
      else await amendManifest(host.directory, { quarantine: null });
    });
    if (how === 'discard_local') {
      this.#check.cut();
      this.#options.onChange();
      this.#setState('catching_up', 'local data discarded');
    } else {
      this.#isFollowing = false;
      this.#setState('catching_up', 'the operator kept the local data: not following until the next start');
    }
    this.#rejoin?.();
  }

  #why(reason: string): DivergedWhy {
    return { reason, sinceMs: this.#options.clock.wallMs(), upstream: this.#upstream.address };
  }

  #isQuarantined(): boolean {
    return this.#state === 'quarantined';
  }

  #refuse(engine: Engine | undefined): ReplicateAnswer {
    return this.#answer({ kind: 'conflict', epochs: engine?.epochStarts() ?? [] });
  }

  #answer(verdict: ReplicateAnswer['verdict']): ReplicateAnswer {
    const engine = this.#options.host.engine;
    return {
      verdict,
      nodeId: this.#options.host.manifest.nodeId,
      durable: engine?.durablePosition ?? EMPTY_TAIL,
      appliedLsn: engine?.applied.lsn ?? NO_LSN,
      digestMismatch: this.#check.mismatch,
    };
  }

  #setState(state: NodeState, reason: string): void {
    if (state !== this.#state)
      this.#options.logger.info({ from: this.#state, to: state, reason }, 'replica state');
    this.#state = state;
    this.#reason = reason;
  }

  #enterQuarantine(reason: string): void {
    this.#setState('quarantined', `quarantined: ${reason}`);
    this.#linkState.lost();
  }

  async #run(): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#abort;
    let retryMs = RETRY_MS_MIN;
    while (!signal.aborted) {
      if (this.#check.remedy === 'rebuild') await this.#rebuild();
      if ((this.#isQuarantined() && !this.#isReconsidering) || !this.#isFollowing) {
        await this.#untilRejoin(Number.MAX_SAFE_INTEGER);
        continue;
      }
      try {
        await this.#join();
        retryMs = RETRY_MS_MIN;
        await this.#untilSilent();
      } catch (error) {
        if (signal.aborted) return;
        const why = messageOf(error);
        if (this.#state === 'streaming' || retryMs === RETRY_MS_MIN)
          logger.warn({ why }, 'cannot follow the master');
        if (this.#isQuarantined()) this.#reason = `quarantined; cannot ask ${this.#upstream.address}: ${why}`;
        else this.#setState('catching_up', `cannot follow ${this.#upstream.address}: ${why}`);
        await this.#untilRejoin(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
  }

  /** Gives up the state in memory for that on the disk here. */
  async #rebuild(): Promise<void> {
    const { host } = this.#options;
    await this.#receiver.exclusive(async () => {
      try {
        this.#check.rebuilt((await host.rebuild(this.#options.onChange)).digests);
      } catch (error) {
        this.#check.rebuildFailed(error);
      }
    });
    this.#options.onChange();
  }

  /** Registers and resyncs as told until level, or quarantined. */
  async #join(): Promise<void> {
    let isSettled = false;
    while (!isSettled) isSettled = await this.#goOn(await this.#register());
  }

  async #register(): Promise<RegisterAnswer> {
    const { host } = this.#options;
    const { fullResyncReason } = this.#check;
    if (host.engine === undefined && host.manifest.logId !== '' && fullResyncReason === '') {
      // A resync broke between two engines: what the directory holds counts, not that nothing is open.
      await this.#receiver.exclusive(() => host.open());
      this.#options.onChange();
    }
    const { nodeId, logId, term } = host.manifest;
    const answer = await this.#upstream.register({
      nodeId,
      incarnation: this.#incarnation,
      advertise: this.#options.advertise,
      logId,
      tail: host.engine?.log.tail ?? EMPTY_TAIL,
      upstreamPath: [nodeId],
      fullResyncReason,
      applyDelayMs: host.options.applyDelayMs ?? 0,
      term,
    });
    this.#linkState.registered(answer.latest.lsn, this.#upstreamNodeId !== answer.masterNodeId);
    this.#linkState.saidAtMs(answer.logClockMs);
    this.#upstreamNodeId = answer.masterNodeId;
    return answer;
  }

  /** Does what the master's answer asks for. Returns whether that settles it: else register again. */
  async #goOn(answer: RegisterAnswer): Promise<boolean> {
    const { host } = this.#options;
    const isForeign = host.manifest.logId !== '' && answer.logId !== host.manifest.logId;
    // Terms of another log say nothing about this one.
    if (!isForeign && answer.term < host.manifest.term) {
      const why = `its term ${answer.term} is over: this node saw ${host.manifest.term}`;
      throw new WalnutError('failed_precondition', why);
    }
    const isConflict = isForeign || answer.verdict.kind === 'conflict';
    if (this.quarantine !== undefined) await this.#judgeAnew(answer, isConflict);
    if (this.#isQuarantined()) return true;
    if (isConflict) return this.#resolveConflict(answer, isForeign);
    await host.raiseTerm(answer.term);
    if (answer.verdict.kind === 'snapshot') {
      await this.#fullResync(answer, answer.verdict.reason);
      return false;
    }
    if (host.engine === undefined) {
      await this.#receiver.exclusive(() => host.adopt(answer.logId, answer.term));
      this.#options.onChange();
    }
    host.engine?.logClock.follow(answer.logClockMs);
    await this.#pullUntilLevel();
    // Only now: what it says it has may not be what is here.
    host.delayed?.noteClock(answer.logClockMs);
    return true;
  }

  /** A quarantined replica gives nothing up by itself; where all that it holds is the master's, it follows. */
  async #judgeAnew(answer: RegisterAnswer, isConflict: boolean): Promise<void> {
    this.#isReconsidering = false;
    if (isConflict) {
      await this.#quarantine(answer, conflictOf(answer));
      return;
    }
    const { host, logger } = this.#options;
    logger.warn({ master: this.#upstream.address }, 'quarantine ended: this master holds all that is here');
    await amendManifest(host.directory, { quarantine: null });
    this.#setState('catching_up', 'the master holds all that is here');
  }

  /** Cuts back to the common history where the master's term is higher; quarantines otherwise. */
  async #resolveConflict(answer: RegisterAnswer, isForeign: boolean): Promise<boolean> {
    const { host, logger } = this.#options;
    const engine = host.engine;
    const reason = conflictOf(answer);
    const ourTail = engine?.log.tail ?? EMPTY_TAIL;
    if (isForeign || engine === undefined || answer.term <= termOf(ourTail.epoch)) {
      await this.#quarantine(answer, reason);
      return true;
    }
    const left = await cutBack({ host, receiver: this.#receiver, logger }, engine, answer, this.#why(reason));
    if (left !== undefined) await this.#fullResync(answer, reason, left);
    else this.#check.cut();
    this.#options.onChange();
    return false;
  }

  async #quarantine(answer: RegisterAnswer, reason: string): Promise<void> {
    const { host, logger } = this.#options;
    const here = { logId: host.manifest.logId, tail: host.engine?.log.tail };
    const quarantine = describeQuarantine(answer, here, this.#why(reason));
    await amendManifest(host.directory, { quarantine });
    logger.error({ quarantine }, 'quarantined: the local data is kept; see: walnut quarantine list');
    this.#enterQuarantine(reason);
  }

  async #fullResync(answer: RegisterAnswer, reason: string, diverged?: DivergedFrom): Promise<void> {
    await this.#resync.run(this.#upstream.link, answer, reason, diverged);
    this.#check.resynced();
    this.#options.onChange();
  }

  /** Everything that the master had durable at `atMs` (monotonic) is here. */
  #levelSince(atMs: number): void {
    this.#resync.succeeded();
    this.#linkState.level(atMs);
  }

  async #pullUntilLevel(): Promise<void> {
    const { engine } = this.#options.host;
    if (engine === undefined) return;
    this.#isPulling = true;
    try {
      this.#levelSince(await this.#puller.pullUntilLevel(engine, this.#abort.signal));
    } finally {
      this.#isPulling = false;
    }
    this.#setState('streaming', '');
  }

  /** Resolves when the master has been silent for `master.sync_interval`, or a push asks to join again. */
  async #untilSilent(): Promise<void> {
    const { syncIntervalMs } = this.#options;
    let isSilent = false;
    const isFine = (): boolean => this.#state === 'streaming' && this.#check.remedy === 'none';
    while (!isSilent && !this.#abort.signal.aborted && isFine()) {
      const heardBefore = this.#linkState.heardCount;
      const isRejoin = await this.#untilRejoin(syncIntervalMs);
      isSilent = isRejoin || this.#linkState.heardCount === heardBefore;
    }
  }

  /** Waits until someone calls `#rejoin` (true) or `ms` have passed (false). */
  async #untilRejoin(ms: number): Promise<boolean> {
    const wait = new AbortController();
    let isRejoin = false;
    this.#rejoin = () => {
      isRejoin = true;
      wait.abort();
    };
    await this.#options.clock.sleep(ms, wait.signal);
    this.#rejoin = undefined;
    return isRejoin;
  }
}
