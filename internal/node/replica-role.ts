/** A node as a replica: follows its master and serves reads. */

import type { EngineHost } from '#engine/engine-host.ts';
import { counted } from '#model/counted.ts';
import { unavailable } from '#model/errors.ts';
import type { ReplicateAnswer, ReplicateRequest } from '#model/replication.ts';
import {
  type DelayStatus,
  type IntegrityStatus,
  type NodeState,
  type Quarantine,
  type QuarantineRelease,
  UNKNOWN_LAG_MS,
  type UpstreamStatus,
} from '#model/status.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { type PendingHandover, pendingHandoverOf } from '#node/pending-handover.ts';
import { describeShortage } from '#platform/shortage.ts';
import { Follower } from '#slave/follower.ts';
import { HotKeys } from '#slave/hot-keys.ts';

export class ReplicaRole {
  readonly kind = 'replica';
  readonly keptLogDamage = undefined;
  readonly #options: NodeOptions;
  readonly #host: EngineHost;
  readonly #follower: Follower;
  readonly #hotKeys = new HotKeys();

  #acked: { readonly term: number; readonly atMs: number } | undefined;
  /** Which command helps, and whether the master was linked when that was found; empty if none is known. */
  #advice = { text: '', wasLinked: false };

  /** `onEngineChange`: called when the engine to read from was replaced, or is gone. */
  constructor(options: NodeOptions, host: EngineHost, advertise: string, onEngineChange: () => void) {
    this.#options = options;
    this.#host = host;
    this.#follower = new Follower({
      host,
      dialer: options.dialer,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
      advertise,
      observer: options.isObserver === true ? { takeHotKeys: () => this.#hotKeys.take() } : undefined,
      syncIntervalMs: options.pullIntervalMs,
      onChange: onEngineChange,
    });
  }

  start(): void {
    this.#follower.start();
  }

  stop(): Promise<void> {
    return this.#follower.stop();
  }

  /** Called when MANIFEST names another master. */
  retarget(): void {
    this.#follower.retarget();
  }

  /** The master that is followed says that it is at `address`. */
  consider(address: string): void {
    this.#follower.consider(address);
  }

  /**
   * Judges a quarantine anew: another master, or another history of the same one, may
   * have all records that are here.
   */
  reconsider(): void {
    this.#follower.reconsider();
  }

  /**
   * `text`: which command helps; empty if none is known, or needed. It is shown until
   * the link comes or goes.
   */
  noteAdvice(text: string): void {
    this.#advice = { text, wasLinked: this.isLinked };
  }

  /** True if it hears from its master. */
  get isLinked(): boolean {
    return this.#follower.upstream.isLinked;
  }

  /** True if an operator has told it to keep its data and follow nobody. */
  get isKept(): boolean {
    return this.#follower.isKept;
  }

  /** Its own address as its master has it; undefined before the first registration. */
  get ownAddress(): string | undefined {
    return this.#follower.ownAddress;
  }

  /** Resolves when every push taken so far is in the log. */
  settled(): Promise<void> {
    return this.#follower.settled();
  }

  /** The node id of the master that it is registered with; empty if there is none. */
  get upstreamNodeId(): string {
    return this.#follower.upstreamNodeId;
  }

  get state(): NodeState {
    if (this.#host.engine?.log.shortage !== undefined) return 'no_space';
    const { state } = this.#follower;
    return state === 'streaming' && this.#host.delayed !== undefined ? 'delayed' : state;
  }

  get reasons(): string[] {
    const reasons: string[] = [];
    const handover = pendingHandoverOf(this.#host.manifest);
    if (handover !== undefined) reasons.push(describeHandover(handover, this.#options.member !== undefined));
    const { isLinked, address } = this.#follower.upstream;
    if (this.#follower.reason !== '') reasons.push(this.#follower.reason);
    else if (!isLinked) reasons.push(`its master ${address} is silent`);
    if (this.#advice.text !== '' && this.#advice.wasLinked === this.isLinked) reasons.push(this.#advice.text);
    if (this.#follower.check.reason !== '') reasons.push(this.#follower.check.reason);
    const shortage = this.#host.engine?.log.shortage;
    if (shortage !== undefined) reasons.push(describeShortage(shortage));
    if (this.#host.delayed !== undefined) reasons.push(describeDelay(this.#host.delayed.status));
    const lagMs = this.#follower.lag.logMs;
    if (lagMs === UNKNOWN_LAG_MS) {
      if (this.#host.engine !== undefined)
        reasons.push('the age of the data is not known before it has caught up with its master once');
    } else if (lagMs > this.#options.maxLagMs) {
      reasons.push(`${Math.ceil(lagMs)} ms behind: replication.max_lag is ${this.#options.maxLagMs} ms`);
    }
    return reasons;
  }

  get isReady(): boolean {
    const { isLinked } = this.#follower.upstream;
    if (this.#follower.check.reason !== '') return false;
    return this.#host.engine !== undefined && isLinked && this.#follower.lag.logMs <= this.#options.maxLagMs;
  }

  get stalenessMs(): number {
    return this.#follower.lag.stalenessMs;
  }

  /** The address of its master; undefined while it follows nobody. */
  get leaderHint(): string | undefined {
    const { address } = this.#follower.upstream;
    return address === '' ? undefined : address;
  }

  get upstream(): UpstreamStatus {
    return this.#follower.upstream;
  }

  get quarantine(): Quarantine | undefined {
    return this.#follower.quarantine;
  }

  get integrity(): IntegrityStatus {
    return this.#follower.check.status;
  }

  /** Why the state here may be wrong; empty if there is no doubt. */
  get doubt(): string {
    return this.#follower.check.reason;
  }

  /** True if the state in memory is known to be wrong, and not rebuilt yet. */
  get isSuspect(): boolean {
    return this.#follower.check.isSuspect;
  }

  /** Called when the state in memory was found altered. */
  distrust(why: string): void {
    this.#follower.distrust(why);
  }

  /**
   * Throws `unavailable` if memory is known to be wrong, or if
   * `replication.serve_stale` is off and this node may be stale.
   */
  checkReadable(): void {
    if (this.isSuspect) throw unavailable(this.#follower.check.reason, this.leaderHint);
    if (this.#options.serveStale) return;
    // A delayed replica is ready by its log, and stale by its visible state.
    if (this.isReady && this.upstream.lagMs <= this.#options.maxLagMs) return;
    throw unavailable(
      `this replica may be stale and replication.serve_stale is off: ${this.reasons.join('; ')}`,
      this.leaderHint,
    );
  }

  /** A client read `key` here and found it. */
  noteRead(key: string): void {
    this.#hotKeys.note(key);
  }

  /** The last push that was acked: its term, and how long ago. Undefined: none was. */
  get lastAck(): { term: number; agoMs: number } | undefined {
    const acked = this.#acked;
    return acked && { term: acked.term, agoMs: this.#options.clock.monotonicMs() - acked.atMs };
  }

  /** Takes the identity of a log that a coordinator gave to the group, if it has none. */
  adopt(logId: string, term: number): Promise<void> {
    return this.#follower.adopt(logId, term);
  }

  async replicate(request: ReplicateRequest): Promise<ReplicateAnswer> {
    const answer = await this.#follower.replicate(request);
    if (answer.verdict.kind !== 'fenced')
      this.#acked = { term: request.term, atMs: this.#options.clock.monotonicMs() };
    return answer.verdict.kind === 'ok' ? { ...answer, hotKeys: this.#hotKeys.take() } : answer;
  }

  release(how: QuarantineRelease): Promise<void> {
    return this.#follower.release(how);
  }
}

function describeHandover({ to, term }: PendingHandover, isMember: boolean): string {
  const way = isMember
    ? 'if it does not lead, a coordinator chooses another one: walnut cluster status'
    : 'if that one is lost for good: walnut promote --force';
  return (
    `${to} was told to lead term ${term} and has not said whether it does: this node takes no writes and goes on ` +
    `telling it; ${way}`
  );
}

function describeDelay({ delayMs, isHeld, waitingRecords, nextDueInMs }: DelayStatus): string {
  const waiting = counted(waitingRecords, 'record waits', 'records wait');
  if (isHeld) return `paused by an operator: ${waiting}; go on with: walnut delay resume`;
  const next = nextDueInMs === undefined ? '' : `, the next for ${Math.ceil(nextDueInMs)} ms`;
  return `applies ${delayMs} ms after its master: ${waiting}${next}`;
}
