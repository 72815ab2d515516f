/**
 * Pushes the log to one replica: a cursor into the feed and no queue, so a slow
 * or stopped replica costs nothing but the cursor.
 * At most one push is in flight, at most one per `replication.sync_interval`,
 * and an empty heartbeat every `replication.heartbeat`.
 *
 * The cursor moves only on an answer, never on a failure: a push that may or
 * may not have arrived is repeated, and the replica compares what it has. It
 * moves only to records of the log here: where the replica claims another, or
 * needs one that is gone, pushing ends. The silence makes the replica register
 * again, and the registration decides how it goes on.
 *
 * A replica that begins far behind pulls for itself. Until it is near, it gets
 * heartbeats only, so that no record is read, sent and checked twice.
 */

import { type Feed, FeedGap } from '#engine/feed/feed.ts';
import type { Lsn } from '#model/position.ts';
import { NO_LSN, NO_POSITION } from '#model/position.ts';
import type { ChainPoint, DigestMismatch, GroupMembers, ReplicateAnswer } from '#model/replication.ts';
import type { NodeState, ReplicaStatus } from '#model/status.ts';
import { assertNever } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import { describeOther, isOtherNode, ownerOf, UNNAMED_PROBLEM } from '#replication/ack-owner.ts';
import type { PeerLink } from '#replication/peer-link.ts';

/** Who pushes, as every push says. */
export interface PushIdentity {
  readonly masterNodeId: string;
  readonly logId: string;
  readonly term: number;
}

/** The part of a feed that a pusher reads. */
export type PushFeed = Pick<Feed, 'lastLsn' | 'read' | 'isRecent' | 'pointAt'>;

/** What a push says besides its frames. */
export interface PushContext {
  identity(): PushIdentity;
  /** Who is in the group: the same object as long as nothing changed. */
  group(): GroupMembers;
  logClockMs(): number;
  wantsDurableAcks(): boolean;
  /** The digest of the state at `lsn`, 32 hex digits; empty where it is not known any more, or not yet. */
  digestAt(lsn: Lsn): string;
}

export interface PusherOptions {
  readonly nodeId: string;
  readonly address: string;
  readonly link: PeerLink;
  readonly feed: PushFeed;
  readonly context: PushContext;
  readonly clock: Clock;
  readonly logger: Logger;
  /** It applies late by configuration: what it lags by is what it has not received. */
  readonly appliesLate?: boolean | undefined;
  /** The least time between two pushes; 0: as soon as the last is answered. */
  readonly syncIntervalMs: number;
  /** Bytes of frames in one push; a single larger record still goes out whole. */
  readonly pushBytesMax: number;
  readonly heartbeatMs: number;
  /** Called with every durable LSN of the replica that is known to be of this history. */
  readonly onAck: (durableLsn: Lsn) => void;
  /** Called with keys that were read on the replica of late, the hottest last. */
  readonly onHotKeys: (keys: readonly string[]) => void;
  /** Called when the replica has seen a higher term than this node's. */
  readonly onFenced: (term: number) => void;
  /** Called when the replica begins to say that its state differs from this node's. */
  readonly onMismatch?: ((mismatch: DigestMismatch) => void) | undefined;
}

const NO_BYTES = new Uint8Array(0);
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;
/** A replica counts as live for this many heartbeats after a word of it. */
const LIVE_HEARTBEATS = 3;
/** A replica far behind pulls; where this many heartbeats in a row show no progress, it is pushed to all the same. */
const IDLE_HEARTBEATS_MAX = 3;
/** A push is given up and repeated after this long. */
const PUSH_TIMEOUT_MS = 5_000;

export class Pusher {
  readonly nodeId: string;
  readonly address: string;
  readonly #options: PusherOptions;
  readonly #abort = new AbortController();
  /** The last record the replica is known to hold. */
  #cursor: ChainPoint;
  #appliedLsn: Lsn;
  #acked: ReplicaStatus['acked'] = NO_POSITION;
  #state: NodeState = 'catching_up';
  /** The group as the replica was told it. */
  #toldGroup: GroupMembers | undefined;
  #wake: (() => void) | undefined;
  #retryMs = 0;
  #lastPushMs = Number.NEGATIVE_INFINITY;
  #lastLevelMs: number;
  #lastAnswerMs: number;
  /** What the replica says of its state, as long as it differs. */
  #mismatch: DigestMismatch | undefined;
  /** The replica is far behind and pulls: the heartbeats since it last got on; undefined: it is pushed to. */
  #idleHeartbeats: number | undefined;
  /** Nothing more can be pushed from the cursor: the replica must register again. */
  #isOver = false;
  /** What is wrong with the replica; empty: nothing. */
  #problem = '';
  /** Whether its last answer said that it is the node pushed to. */
  #isNamed = false;
  #running: Promise<void> | undefined;

  /** `tail`: the replica's last record, which the log here holds. `problem`: what was wrong before it registered again. */
  constructor(options: PusherOptions, tail: ChainPoint, problem = '') {
    this.nodeId = options.nodeId;
    this.address = options.address;
    this.#options = options;
    this.#cursor = tail;
    this.#problem = problem;
    this.#appliedLsn = tail.lsn;
    this.#lastLevelMs = options.clock.monotonicMs();
    // It registered a moment ago.
    this.#lastAnswerMs = options.clock.monotonicMs();
  }

  get state(): NodeState {
    return this.#state;
  }

  get acked(): ReplicaStatus['acked'] {
    return this.#acked;
  }

  /** The last record that may be pushed. */
  get #durableLsn(): Lsn {
    return this.#options.feed.lastLsn('durable');
  }

  /** Records durable here and not applied there, or not received where they are applied late. */
  get lagRecords(): number {
    return Math.max(0, this.#durableLsn - this.#appliedLsn);
  }

  /** Milliseconds since the replica was last level; 0 while it is. */
  get lagMs(): number {
    return this.lagRecords === 0 ? 0 : Math.round(this.#options.clock.monotonicMs() - this.#lastLevelMs);
  }

  /** Whether the replica took pushes, or registered, within the last few heartbeats. */
  get isLive(): boolean {
    const { clock, heartbeatMs } = this.#options;
    return clock.monotonicMs() - this.#lastAnswerMs < LIVE_HEARTBEATS * heartbeatMs;
  }

  /** Whether it counts as a replica that has what it acks: live, level or nearly, and known to be this node. */
  get isCounted(): boolean {
    return this.isLive && this.#isNamed && this.#state === 'streaming';
  }

  /** What is wrong with it and what to do; empty: nothing. */
  get problem(): string {
    return this.#problem;
  }

  /** Whether the replica's state is known to differ from this node's. */
  get isDifferent(): boolean {
    return this.#mismatch !== undefined;
  }

  /** Its history does not fit: it is listed, and nothing is pushed. */
  quarantine(): void {
    this.#state = 'quarantined';
  }

  start(): void {
    if (!this.#options.feed.isRecent(this.#cursor.lsn)) this.#idleHeartbeats = 0;
    this.#running = this.#run();
  }

  /** There is more durable log, or someone waits for acks. */
  wake(): void {
    this.#wake?.();
  }

  /** Gives up the push in flight, if there is one. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#options.link.close();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { clock, logger } = this.#options;
    while (!signal.aborted && !this.#isOver) {
      if (this.#retryMs > 0) await clock.sleep(this.#retryMs, signal);
      await this.#untilDue();
      if (signal.aborted) return;
      try {
        await this.#pushOnce();
      } catch (error) {
        if (signal.aborted) return;
        if (isOtherNode(error)) {
          this.#meetOther();
          continue;
        }
        const isNews = this.#state !== 'catching_up';
        if (isNews) logger.warn({ replica: this.address, err: error }, 'replica does not answer pushes');
        this.#state = 'catching_up';
        this.#problem = `it takes no pushes: ${messageOf(error)}`;
        this.#retryMs = Math.min(Math.max(RETRY_MS_MIN, this.#retryMs * 2), RETRY_MS_MAX);
      }
    }
  }

  /** Waits until there is something to push and the interval allows it, or a heartbeat is due. */
  async #untilDue(): Promise<void> {
    const { clock, syncIntervalMs, heartbeatMs } = this.#options;
    const { signal } = this.#abort;
    const sinceMs = clock.monotonicMs() - this.#lastPushMs;
    if (sinceMs < syncIntervalMs) await clock.sleep(syncIntervalMs - sinceMs, signal);
    if (this.#hasMore || signal.aborted) return;
    const heartbeatInMs = heartbeatMs - (clock.monotonicMs() - this.#lastPushMs);
    if (heartbeatInMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.after(heartbeatInMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Whether there are records to push, or acks to ask for that someone waits for. */
  get #hasMore(): boolean {
    const { context } = this.#options;
    if (this.#idleHeartbeats !== undefined) return false;
    const lsn = this.#durableLsn;
    return lsn > this.#cursor.lsn || (context.wantsDurableAcks() && this.#acked.lsn < lsn);
  }

  async #pushOnce(): Promise<void> {
    const { feed, context, link, clock, logger, pushBytesMax } = this.#options;
    const previous = this.#cursor;
    const isPulling = this.#idleHeartbeats !== undefined;
    const read = isPulling ? undefined : feed.read(previous.lsn, pushBytesMax);
    const run = read instanceof Promise ? await read : read;
    if (run instanceof FeedGap) {
      logger.warn(
        { replica: this.address, after: previous },
        'the log no longer holds what a replica needs next',
      );
      return this.#end();
    }
    if (this.#abort.signal.aborted) return;
    const sent = run?.last ?? previous;
    const durableLsn = this.#durableLsn;
    const group = context.group();
    this.#lastPushMs = clock.monotonicMs();
    const answer = await link.replicate(
      {
        ...context.identity(),
        replicaNodeId: this.nodeId,
        previous,
        frames: run?.bytes ?? NO_BYTES,
        durableLsn,
        logClockMs: context.logClockMs(),
        ackWhenDurable: context.wantsDurableAcks(),
        digest: context.digestAt(sent.lsn),
        group: group === this.#toldGroup ? undefined : group,
      },
      { timeoutMs: PUSH_TIMEOUT_MS, signal: this.#abort.signal },
    );
    if (answer.verdict.kind === 'ok') this.#toldGroup = group;
    await this.#take(answer, sent, sent.lsn >= durableLsn);
  }

  async #take(answer: ReplicateAnswer, sent: ChainPoint, isLevelAfter: boolean): Promise<void> {
    const { verdict } = answer;
    const owner = ownerOf(this.nodeId, answer.nodeId);
    // That a term is over is true whoever says so.
    if (owner === 'other' && verdict.kind !== 'fenced') return this.#meetOther();
    this.#isNamed = owner === 'own';
    this.#problem = owner === 'unnamed' ? UNNAMED_PROBLEM : '';
    const pushedMs = this.#lastPushMs;
    this.#retryMs = 0;
    this.#noteMismatch(answer.digestMismatch);
    switch (verdict.kind) {
      case 'ok':
        this.#moveTo(sent, answer);
        if (answer.hotKeys !== undefined) this.#options.onHotKeys(answer.hotKeys);
        if (isLevelAfter && this.#appliedLsn >= sent.lsn) this.#lastLevelMs = pushedMs;
        this.#state = this.#idleHeartbeats === undefined ? 'streaming' : 'catching_up';
        return;
      case 'need':
        return this.#goOnFrom(verdict.tail, answer);
      case 'conflict':
        this.#state = 'quarantined';
        this.#retryMs = RETRY_MS_MAX;
        return;
      case 'fenced':
        this.#state = 'fenced';
        this.#retryMs = RETRY_MS_MAX;
        this.#options.onFenced(verdict.term);
        return;
      default:
        assertNever(verdict);
    }
  }

  #noteMismatch(mismatch: DigestMismatch | undefined): void {
    const before = this.#mismatch;
    this.#mismatch = mismatch;
    const { logger, onMismatch } = this.#options;
    if (mismatch === undefined || before !== undefined) return;
    logger.error({ replica: this.address, mismatch }, 'a replica’s state is not the one here');
    onMismatch?.(mismatch);
  }

  /** It is behind (or pulling by itself): on from its tail, if that is ours, and not in a tight loop. */
  async #goOnFrom(tail: ChainPoint, answer: ReplicateAnswer): Promise<void> {
    const { feed, logger } = this.#options;
    this.#state = 'catching_up';
    const ours = await feed.pointAt(tail.lsn);
    const isOurs = tail.lsn === NO_LSN || (ours?.epoch === tail.epoch && ours.crc === tail.crc);
    if (!isOurs) {
      logger.warn(
        { replica: this.address, tail, ours },
        "a replica's tail is not in the log here: it must register again",
      );
      return this.#end();
    }
    this.#retryMs = RETRY_MS_MIN;
    this.#moveTo(tail, answer);
  }

  #moveTo(point: ChainPoint, answer: ReplicateAnswer): void {
    // A refusal is no sign of life: whoever stands at the address now may not be who registered.
    this.#lastAnswerMs = this.#options.clock.monotonicMs();
    if (this.#idleHeartbeats !== undefined) this.#watchPull(this.#idleHeartbeats, point);
    this.#cursor = point;
    this.#appliedLsn = this.#options.appliesLate === true ? point.lsn : answer.appliedLsn;
    this.#acked = answer.durable;
    if (this.#isNamed) this.#options.onAck(answer.durable.lsn);
  }

  /** Who stands at the address is not who registered: the one pushed to is not live, and nothing of this is counted. */
  #meetOther(): void {
    const problem = describeOther(this.address, this.nodeId);
    if (this.#problem !== problem) {
      const fields = { replica: this.address, nodeId: this.nodeId, why: problem };
      this.#options.logger.error(fields, 'another node answers at the address of a replica');
    }
    this.#problem = problem;
    this.#isNamed = false;
    this.#state = 'catching_up';
    this.#lastAnswerMs = Number.NEGATIVE_INFINITY;
    this.#retryMs = RETRY_MS_MAX;
  }

  /** Pushes again once the replica is near, or does not get on. */
  #watchPull(idleHeartbeats: number, tail: ChainPoint): void {
    const idle = tail.lsn > this.#cursor.lsn ? 0 : idleHeartbeats + 1;
    const isOver = idle >= IDLE_HEARTBEATS_MAX || this.#options.feed.isRecent(tail.lsn);
    this.#idleHeartbeats = isOver ? undefined : idle;
  }

  #end(): void {
    this.#isOver = true;
    this.#state = 'catching_up';
  }
}
