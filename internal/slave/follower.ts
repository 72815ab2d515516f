/**
 * Follows a master: catches up with it, takes its pushes, and catches up again
 * after a silence. A master that is empty, older or has another log never makes
 * a replica give up data: the replica is quarantined, keeps its data and says
 * why until an operator releases it (docs/replication.md, rules 1 to 3).
 */
import { amendManifest } from '#engine/manifest-access.ts';
import { WalnutError } from '#model/errors.ts';
import type { ReplicateAnswer, ReplicateRequest } from '#model/replication.ts';
import type { NodeState, Quarantine, QuarantineRelease, UpstreamStatus } from '#model/status.ts';
import { messageOf } from '#platform/thrown.ts';
import { CatchUp } from '#slave/catch-up.ts';
import { DigestCheck } from '#slave/digest-check.ts';
import { divergedBecause, type FollowerOptions, type FollowerParts } from '#slave/follower-parts.ts';
import { FullResync } from '#slave/full-resync.ts';
import { Lag } from '#slave/lag.ts';
import { LinkState } from '#slave/link-state.ts';
import { Observing } from '#slave/observing.ts';
import { PushIntake } from '#slave/push-intake.ts';
import { Receiver } from '#slave/receiver.ts';
import { RejoinSignal } from '#slave/rejoin-signal.ts';
import { ReplicaState } from '#slave/replica-state.ts';
import { Upstream } from '#slave/upstream.ts';

/** The link never counts as lost after a shorter silence than this. */
const LINK_LOST_MS = 1_500;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 1_000;

export class Follower {
  readonly #parts: FollowerParts;
  readonly #abort = new AbortController();
  readonly #intake: PushIntake;
  readonly #catchUp: CatchUp;
  /** Undefined: the master pushes by itself. */
  readonly #observing: Observing | undefined;
  readonly lag: Lag;
  #running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#parts = createParts(options, this.#abort.signal);
    this.#intake = new PushIntake(this.#parts);
    this.#catchUp = new CatchUp(this.#parts);
    const { observer } = options;
    this.#observing = observer && new Observing(this.#parts, this.#intake, observer.takeHotKeys);
    const { state, upstream, linkState } = this.#parts;
    this.lag = new Lag(options.host, linkState, () => this.#isStreaming);
    const { quarantine } = state;
    if (quarantine === undefined) return;
    state.set('quarantined', `quarantined: ${quarantine.reason}`);
    // An operator has corrected the address since: that master may have all records of this node.
    state.isReconsidering = quarantine.upstream !== upstream.address;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Follows the master that MANIFEST names now. What is known of the replica's own staleness stays. */
  retarget(): void {
    const { upstream, state, linkState } = this.#parts;
    upstream.retarget();
    state.masterNodeId = '';
    linkState.lost();
    this.reconsider();
  }

  /** Registers again. A quarantine ends where the master's log contains every record of this replica. */
  reconsider(): void {
    const { state, rejoin } = this.#parts;
    state.isReconsidering = state.quarantine !== undefined && state.isFollowing;
    rejoin.request();
  }

  /** The master announced `address` as its own. It is tried when the master does not answer elsewhere. */
  consider(address: string): void {
    const { upstream, rejoin } = this.#parts;
    upstream.consider(address);
    if (!this.#isLinked) rejoin.request();
  }

  /** True if an operator has told this replica to keep its data and to follow no one. */
  get isKept(): boolean {
    return !this.#parts.state.isFollowing;
  }

  /** This node's address as the master knows it; undefined before the first registration. */
  get ownAddress(): string | undefined {
    return this.#parts.upstream.ownAddress;
  }

  /** Takes the identity of a log, and begins it, if this replica has none. */
  async adopt(logId: string, term: number): Promise<void> {
    const { options, receiver } = this.#parts;
    await receiver.exclusive(async () => {
      if (options.host.manifest.logId === '') await options.host.adopt(logId, term);
    });
    options.onChange();
  }

  /** Resolves when every push taken so far is in the log, or refused. */
  settled(): Promise<void> {
    return this.#parts.receiver.idle();
  }

  /** The node id of the master it registered with; empty before the first registration. */
  get upstreamNodeId(): string {
    return this.#parts.state.masterNodeId;
  }

  async stop(): Promise<void> {
    const { rejoin, upstream, receiver, linkState } = this.#parts;
    const isKnown = linkState.isLinked;
    this.#abort.abort();
    rejoin.request();
    if (isKnown) await this.#observing?.leave();
    upstream.close();
    await this.#running;
    await receiver.idle();
  }

  get state(): NodeState {
    const { check, state } = this.#parts;
    return check.isSuspect ? 'loading' : state.current;
  }

  /** Why it does not stream; empty while it does. */
  get reason(): string {
    return this.#parts.state.reason;
  }

  get upstream(): UpstreamStatus {
    const lagRecords = this.lag.records;
    const isLevel = this.#isStreaming && lagRecords === 0;
    return {
      address: this.#parts.upstream.address,
      isLinked: this.#isLinked,
      lagRecords,
      lagMs: isLevel ? 0 : this.lag.stalenessMs,
    };
  }

  /** Compares the state here with the master's, and decides whether it may be served. */
  get check(): DigestCheck {
    return this.#parts.check;
  }

  /** Something found the state in memory altered: it is recovered from the disk. */
  distrust(why: string): void {
    const { check, rejoin } = this.#parts;
    check.distrust(why);
    rejoin.request();
  }

  get quarantine(): Quarantine | undefined {
    return this.#parts.state.quarantine;
  }

  /** Appends the frames of a push, or notes a heartbeat. Resolves with the verdict and the LSNs that are acked. */
  replicate(request: ReplicateRequest): Promise<ReplicateAnswer> {
    return this.#intake.take(request);
  }

  /** Ends a quarantine: throws `failed_precondition` where there is none. */
  async release(how: QuarantineRelease): Promise<void> {
    const { options, state, receiver, check, rejoin } = this.#parts;
    const { host, logger } = options;
    await receiver.exclusive(async () => {
      const { quarantine } = state;
      if (quarantine === undefined)
        throw new WalnutError('failed_precondition', 'this node is not quarantined');
      logger.warn({ how, quarantine }, 'quarantine released by the operator');
      if (how === 'discard_local')
        await host.discard(divergedBecause(this.#parts, 'discarded by the operator'));
      else await amendManifest(host.directory, { quarantine: null });
    });
    if (how === 'discard_local') {
      check.cut();
      options.onChange();
      state.set('catching_up', 'local data discarded');
    } else {
      state.isFollowing = false;
      state.set('catching_up', 'the operator kept the local data: not following until the next start');
    }
    rejoin.request();
  }

  get #isLinked(): boolean {
    const { state, linkState } = this.#parts;
    return !state.isQuarantined && linkState.isLinked;
  }

  get #isStreaming(): boolean {
    return this.#isLinked && this.#parts.state.current === 'streaming';
  }

  async #run(): Promise<void> {
    const { state, rejoin, check, signal } = this.#parts;
    let retryMs = RETRY_MS_MIN;
    while (!signal.aborted) {
      if (check.remedy === 'rebuild') await this.#rebuild();
      const isLed = this.#parts.upstream.address !== '';
      if (!isLed) state.set('catching_up', 'no coordinator has named the master of its group yet');
      if (!isLed || !state.isFollowing || (state.isQuarantined && !state.isReconsidering)) {
        await rejoin.wait(Number.MAX_SAFE_INTEGER);
        continue;
      }
      try {
        await this.#catchUp.run();
        retryMs = RETRY_MS_MIN;
        await this.#stream();
      } catch (error) {
        if (signal.aborted) return;
        this.#explainFailure(error, retryMs === RETRY_MS_MIN);
        await rejoin.wait(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
  }

  #explainFailure(error: unknown, isFirst: boolean): void {
    const { options, state, upstream } = this.#parts;
    const why = messageOf(error);
    if (state.current === 'streaming' || isFirst) options.logger.warn({ why }, 'cannot follow the master');
    if (state.isQuarantined) state.explain(`quarantined; cannot ask ${upstream.address}: ${why}`);
    else state.set('catching_up', `cannot follow ${upstream.address}: ${why}`);
  }

  /** Replaces the state in memory by what snapshot and log on this node's disk give. */
  async #rebuild(): Promise<void> {
    const { options, receiver, check } = this.#parts;
    await receiver.exclusive(async () => {
      try {
        check.rebuilt((await options.host.rebuild(options.onChange)).digests);
      } catch (error) {
        check.rebuildFailed(error);
      }
    });
    options.onChange();
  }

  /** Resolves when this replica has to register again; may reject, which means the same. */
  #stream(): Promise<void> {
    return this.#observing?.run() ?? this.#untilSilent();
  }

  /** Resolves when the master has been silent for `master.sync_interval`, or someone requests to register again. */
  async #untilSilent(): Promise<void> {
    const { options, state, rejoin, linkState, check, signal } = this.#parts;
    let isSilent = false;
    const isFine = (): boolean => state.current === 'streaming' && check.remedy === 'none';
    while (!isSilent && !signal.aborted && isFine()) {
      const heardBefore = linkState.heardCount;
      const isRequested = await rejoin.wait(options.syncIntervalMs);
      isSilent = isRequested || linkState.heardCount === heardBefore;
    }
  }
}

function createParts(options: FollowerOptions, signal: AbortSignal): FollowerParts {
  const { host, clock, random, logger, syncIntervalMs } = options;
  const state = new ReplicaState(host, logger);
  const receiver = new Receiver(
    () => host.engine,
    () => host.knownTerm,
    clock,
  );
  const resync = new FullResync({
    host,
    receiver,
    clock,
    logger,
    signal,
    onReason: (reason) => state.set('catching_up', reason),
  });
  return {
    options,
    incarnation: random.id128(),
    state,
    rejoin: new RejoinSignal(clock),
    upstream: new Upstream({ ...options, signal }),
    linkState: new LinkState(clock, Math.max(2 * syncIntervalMs, LINK_LOST_MS)),
    receiver,
    resync,
    check: new DigestCheck(clock, logger),
    signal,
  };
}
