/**
 * The observers of a master: embedded replicas, which ask for pushes instead of taking
 * them at an address. They count for nothing, so nothing that counts replicas knows this
 * table (docs/adr/0019-embedded-replicas.md).
 *
 * Each has one call that is held until there is more for it, or a heartbeat is due. What
 * it is sent comes from memory only: an observer that is further behind registers again
 * and pulls, as a replica does. An observer that is silent is forgotten.
 */
import type { Engine } from '#engine/engine.ts';
import { FeedGap } from '#engine/feed/feed.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { OBSERVERS_MAX, OBSERVERS_TOLD_MAX } from '#model/limits.ts';
import { type Lsn, NO_LSN } from '#model/position.ts';
import type {
  ChainPoint,
  GroupMembers,
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateRequest,
} from '#model/replication.ts';
import type { ObserversStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { admitObserver } from '#replication/admit-replica.ts';
import { HeldCall } from '#replication/held-call.ts';
import type { Observer } from '#replication/observer.ts';
import { holdMs, paceMs } from '#replication/observer-pace.ts';
import { registrationAfter, replicaStatusOf } from '#replication/registered-replicas.ts';
import { ReplicaProgress } from '#replication/replica-progress.ts';
import { ResyncJudge } from '#replication/resync-judge.ts';
import type { FrameRun } from '#wal/frame-run.ts';

export interface ObserversOptions {
  readonly engine: Engine;
  readonly nodeId: string;
  readonly identity: () => { readonly logId: string; readonly term: number };
  readonly group: () => GroupMembers;
  /** True for the node id of a replica that is live. */
  readonly isReplica: (nodeId: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `replication.sync_interval`. */
  readonly syncIntervalMs: number;
  readonly heartbeatMs: number;
  /** Memory for the newest frames, which replicas and observers share. */
  readonly ringBytesMax: number;
  /** Called with keys that were read on an observer lately. */
  readonly onHotKeys: (keys: readonly string[]) => void;
}

/** Bytes of frames in one push to an observer; a single larger record still goes out whole. */
const PUSH_BYTES_MAX = 256 * 1_024;
/** An observer without a call for this long is forgotten. */
const SILENT_MS = 30_000;

export class Observers {
  readonly #options: ObserversOptions;
  readonly #judge: ResyncJudge;
  /** By node id. */
  readonly #observers = new Map<string, Observer>();
  #endReading: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ObserversOptions) {
    this.#options = options;
    this.#judge = new ResyncJudge(options);
  }

  /** `retired`: the registration ends when it aborts. */
  async register(
    request: RegisterRequest,
    remoteAddress: string,
    retired?: AbortSignal,
  ): Promise<RegisterAnswer> {
    this.#admit(request);
    const verdict = await this.#judge.verdictFor(request);
    this.#admit(request);
    if (retired?.aborted === true) throw rightsChanged();
    const observer = this.#join(request, remoteAddress, verdict);
    const { signal } = observer.gone;
    retired?.addEventListener('abort', () => this.#drop(observer, rightsChanged()), { once: true, signal });
    const { nodeId, tail } = request;
    this.#options.logger.info({ observer: remoteAddress, nodeId, tail, verdict }, 'observer registered');
    return this.#judge.answer(verdict, '');
  }

  #admit(request: RegisterRequest): void {
    if (this.#isClosed) throw unavailable('this node is stopping');
    this.#forgetSilent();
    const { nodeId, identity, engine, isReplica } = this.#options;
    const known = this.#observers.get(request.nodeId);
    const isOther = known !== undefined && known.registration.incarnation !== request.incarnation;
    admitObserver(request, {
      nodeId,
      identity: identity(),
      formatLevel: engine.formats.level,
      isTaken: isReplica(request.nodeId) || (isOther && this.#isLive(known)),
      isFull: known === undefined && this.#observers.size >= OBSERVERS_MAX,
    });
  }

  #join(request: RegisterRequest, address: string, verdict: RegisterAnswer['verdict']): Observer {
    const { engine, clock, logger, heartbeatMs } = this.#options;
    const { nodeId, tail } = request;
    const before = this.#observers.get(nodeId);
    before?.held?.end(unavailable('this observer registered again'));
    before?.gone.abort();
    const progress = new ReplicaProgress(
      { nodeId, address, clock, logger, heartbeatMs, onAck: () => undefined },
      () => engine.feed.lastLsn('durable'),
      tail,
      before?.progress.whenRegistered(address, verdict.kind === 'continue' ? tail : undefined),
    );
    if (verdict.kind === 'conflict') progress.state = 'quarantined';
    const nowMs = clock.monotonicMs();
    const observer: Observer = {
      ...{ nodeId, address, progress, gone: new AbortController() },
      registration: registrationAfter(before?.registration, request, verdict, {
        durableLsn: engine.durableLsn,
        isOver: before?.progress.wasLevel,
      }),
      ...{ nextMs: nowMs, heardMs: nowMs, held: undefined, toldGroup: undefined, sent: undefined },
    };
    this.#observers.set(nodeId, observer);
    this.#endReading ??= engine.feed.subscribe({
      reach: 'durable',
      bytesMax: this.#options.ringBytesMax,
      onMore: () => this.#wake(),
    });
    return observer;
  }

  /**
   * Resolves with what the observer gets next. Throws `failed_precondition` where it must
   * register again, `unavailable` where this node is no master any more, `cancelled`
   * where the caller has gone.
   */
  async observe(
    request: ObserveRequest,
    remoteAddress: string,
    signal: AbortSignal,
  ): Promise<ReplicateRequest> {
    const observer = this.#known(request);
    if (request.isLeaving) return this.#leave(observer, request.tail);
    observer.address = remoteAddress;
    this.#note(observer, request);
    await this.#hold(observer, request.tail.lsn, signal);
    await this.#checkTail(request.tail);
    return this.#pushTo(observer, request.tail);
  }

  #leave(observer: Observer, tail: ChainPoint): ReplicateRequest {
    const { address, nodeId } = observer;
    this.#options.logger.info({ observer: address, nodeId, tail }, 'observer left');
    this.#drop(observer, unavailable('this observer has left'));
    return this.#push(observer, tail, undefined);
  }

  #known({ nodeId, incarnation, logId }: ObserveRequest): Observer {
    if (this.#isClosed) throw unavailable('this node is stopping');
    const observer = this.#observers.get(nodeId);
    if (observer === undefined || observer.registration.incarnation !== incarnation)
      throw registerAgain(`observer ${nodeId} is not registered here`);
    if (logId !== this.#options.identity().logId) throw registerAgain(`log ${logId} is not led here`);
    return observer;
  }

  #note(observer: Observer, { answer, tail }: ObserveRequest): void {
    const { clock, onHotKeys } = this.#options;
    const { progress, sent } = observer;
    observer.heardMs = clock.monotonicMs();
    progress.answered('own', answer.digestMismatch);
    progress.reached(tail, answer);
    progress.state = 'streaming';
    if (sent?.isAll === true && answer.appliedLsn >= sent.lsn) progress.level(sent.atMs);
    if (answer.hotKeys !== undefined && answer.hotKeys.length > 0) onHotKeys(answer.hotKeys);
  }

  /** Resolves when a push is due. */
  async #hold(observer: Observer, tailLsn: Lsn, signal: AbortSignal): Promise<void> {
    const { clock, engine, heartbeatMs } = this.#options;
    observer.held?.end(unavailable('this observer asked once more'));
    const pacedMs = Math.max(0, observer.nextMs - clock.monotonicMs());
    const held = new HeldCall({
      clock,
      untilMs: observer.nextMs,
      forMs: holdMs(heartbeatMs, pacedMs),
      isDue: () => engine.feed.lastLsn('durable') > tailLsn,
      signal,
    });
    observer.held = held;
    try {
      await held.over;
    } finally {
      if (observer.held === held) observer.held = undefined;
      observer.heardMs = clock.monotonicMs();
    }
  }

  /** Called when there are more durable records. */
  #wake(): void {
    for (const { held } of this.#observers.values()) held?.look();
  }

  async #checkTail(tail: ChainPoint): Promise<void> {
    const { feed } = this.#options.engine;
    const ours = tail.lsn === NO_LSN ? tail : await feed.pointAt(tail.lsn);
    if (ours?.epoch === tail.epoch && ours.crc === tail.crc) return;
    throw registerAgain(`record ${tail.lsn} of this observer is not in this log`);
  }

  #pushTo(observer: Observer, previous: ChainPoint): ReplicateRequest {
    const { feed } = this.#options.engine;
    const run = feed.isRecent(previous.lsn) ? feed.read(previous.lsn, PUSH_BYTES_MAX) : new FeedGap();
    if (run instanceof FeedGap || run instanceof Promise)
      throw registerAgain(`what follows record ${previous.lsn} is not in memory any more`);
    return this.#push(observer, previous, run);
  }

  #push(observer: Observer, previous: ChainPoint, run: FrameRun | undefined): ReplicateRequest {
    const { engine, clock, nodeId, identity, group, syncIntervalMs } = this.#options;
    const { feed } = engine;
    const last = run?.last ?? previous;
    const durableLsn = feed.lastLsn('durable');
    const atMs = clock.monotonicMs();
    observer.nextMs = atMs + paceMs(syncIntervalMs, this.#observers.size);
    observer.sent = { lsn: last.lsn, atMs, isAll: last.lsn >= durableLsn };
    const members = group();
    const isTold = members === observer.toldGroup;
    observer.toldGroup = members;
    return {
      masterNodeId: nodeId,
      replicaNodeId: observer.nodeId,
      ...identity(),
      previous,
      frames: run?.bytes ?? new Uint8Array(0),
      durableLsn,
      logClockMs: engine.logClock.nowMs(),
      ackWhenDurable: false,
      digest: engine.digests.at(last.lsn)?.digest ?? '',
      group: isTold ? undefined : members,
    };
  }

  /** Undefined if there are none. */
  get status(): ObserversStatus | undefined {
    this.#forgetSilent();
    if (this.#observers.size === 0) return undefined;
    const all = [...this.#observers.values()];
    // Computed when read: a scrape asks for Status once for each metric.
    return {
      count: all.length,
      get furthest() {
        return all
          .sort((a, b) => b.progress.lagRecords - a.progress.lagRecords)
          .slice(0, OBSERVERS_TOLD_MAX)
          .map((observer) => replicaStatusOf(observer, observer.registration));
      },
      get different() {
        return all.filter(({ progress }) => progress.isDifferent).length;
      },
    };
  }

  /** True for the node id of an observer that calls. */
  isLive(nodeId: string): boolean {
    const observer = this.#observers.get(nodeId);
    return observer !== undefined && this.#isLive(observer);
  }

  #isLive({ held, progress }: Observer): boolean {
    return held !== undefined || progress.isLive;
  }

  /** Ends every call and refuses further ones. */
  close(): void {
    this.#isClosed = true;
    for (const observer of [...this.#observers.values()])
      this.#drop(observer, unavailable('this node is no master any more'));
  }

  #forgetSilent(): void {
    const beforeMs = this.#options.clock.monotonicMs() - SILENT_MS;
    for (const observer of [...this.#observers.values()])
      if (observer.held === undefined && observer.heardMs < beforeMs)
        this.#drop(observer, unavailable('this observer was silent'));
  }

  #drop(observer: Observer, why: WalnutError): void {
    if (this.#observers.get(observer.nodeId) !== observer) return;
    this.#observers.delete(observer.nodeId);
    observer.gone.abort();
    observer.held?.end(why);
    if (this.#observers.size > 0) return;
    this.#endReading?.();
    this.#endReading = undefined;
  }
}

function registerAgain(why: string): WalnutError {
  return new WalnutError('failed_precondition', `${why}: register again`);
}

function rightsChanged(): WalnutError {
  return unavailable('the rights of this caller changed: register again');
}
