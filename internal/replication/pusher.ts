/**
 * Pushes the log to one replica. The pusher keeps a cursor into the feed and no
 * queue, so a slow or stopped replica costs no more memory than the cursor. At
 * most one push is in flight, at most one is sent per `replication.sync_interval`,
 * and an empty heartbeat is sent every `replication.heartbeat`.
 *
 * The cursor moves only on an answer: a push that may or may not have arrived is
 * repeated, and the replica compares it with what it has. It moves only to
 * records of this node's log. Where the replica has another record, or needs one
 * that is no longer in the log, pushing ends. The replica notices the silence and
 * registers again, and the registration decides how it catches up.
 *
 * A replica that begins far behind pulls the log itself. Until it is near, it
 * gets heartbeats only, so that no record is read, sent and checked twice.
 */

import { type Feed, FeedGap } from '#engine/feed/feed.ts';
import type { Lsn } from '#model/position.ts';
import { NO_LSN } from '#model/position.ts';
import type { ChainPoint, GroupMembers, ReplicateAnswer } from '#model/replication.ts';
import { assertNever } from '#platform/assert.ts';
import { isOtherNode, ownerOf } from '#replication/ack-owner.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import {
  type KnownBefore,
  ReplicaProgress,
  type ReplicaProgressOptions,
} from '#replication/replica-progress.ts';

/** The sender that every push names. */
export interface PushIdentity {
  readonly masterNodeId: string;
  readonly logId: string;
  readonly term: number;
}

/** The part of a feed that a pusher reads. */
export type PushFeed = Pick<Feed, 'lastLsn' | 'read' | 'isRecent' | 'pointAt'>;

/** Notes each push and who answered it: leases and QUORUM go by that in a cluster. */
export interface PushWitness<Sent = unknown> {
  /** Just before a push is sent. What it returns is given to `answered`. */
  sent(): Sent;
  /** The replica that was meant has answered, and did not say that the sender's term is over. */
  answered(answer: ReplicateAnswer, sent: Sent): void;
}

/** What a push says besides its frames. */
export interface PushContext {
  readonly witness?: PushWitness | undefined;
  identity(): PushIdentity;
  /** The members of the group; the same object until something changes. */
  group(): GroupMembers;
  logClockMs(): number;
  wantsDurableAcks(): boolean;
  /** The digest of the state at `lsn`, 32 hex digits; empty where it is no longer known, or not yet. */
  digestAt(lsn: Lsn): string;
}

/** Is told how large each push with records is, when it is sent: also one that is repeated. For metrics. */
export type OnPush = (records: number, bytes: number) => void;

export interface PusherOptions extends ReplicaProgressOptions {
  readonly link: PeerLink;
  readonly feed: PushFeed;
  readonly context: PushContext;
  /** The least time between two pushes; 0: the next push follows the answer at once. */
  readonly syncIntervalMs: number;
  /** Bytes of frames in one push; a single larger record still goes out whole. */
  readonly pushBytesMax: number;
  /** Called with keys that were recently read on the replica, the most read last. */
  readonly onHotKeys: (keys: readonly string[]) => void;
  readonly onPush?: OnPush | undefined;
  /** Called when the replica has seen a higher term than this node's. */
  readonly onFenced: (term: number) => void;
}

const NO_BYTES = new Uint8Array(0);
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;
/** A replica that pulls is pushed to anyway once this many heartbeats in a row show no progress. */
const IDLE_HEARTBEATS_MAX = 3;
/** A push without an answer is given up and repeated after this long. */
const PUSH_TIMEOUT_MS = 5_000;

export class Pusher {
  readonly nodeId: string;
  readonly address: string;
  readonly progress: ReplicaProgress;
  readonly #options: PusherOptions;
  readonly #abort = new AbortController();
  /** The last record that the replica is known to have. */
  #cursor: ChainPoint;
  /** The group that the replica was last sent. */
  #toldGroup: GroupMembers | undefined;
  #wake: (() => void) | undefined;
  #retryMs = 0;
  #lastPushMs = Number.NEGATIVE_INFINITY;
  /** While the replica is far behind and pulls: heartbeats since its last progress. Undefined: it is pushed to. */
  #idleHeartbeats: number | undefined;
  /** Nothing more can be pushed from the cursor: the replica must register again. */
  #isOver = false;
  #running: Promise<void> | undefined;

  /** `tail`: the replica's last record, which is in this node's log too. `before`: what is known where it registers again. */
  constructor(options: PusherOptions, tail: ChainPoint, before?: KnownBefore) {
    this.nodeId = options.nodeId;
    this.address = options.address;
    this.#options = options;
    this.#cursor = tail;
    this.progress = new ReplicaProgress(options, () => this.#durableLsn, tail, before);
  }

  /** The last record that may be pushed. */
  get #durableLsn(): Lsn {
    return this.#options.feed.lastLsn('durable');
  }

  /** The replica's history conflicts with this node's: Status lists it, and nothing is pushed. */
  quarantine(): void {
    this.progress.state = 'quarantined';
  }

  start(): void {
    if (!this.#options.feed.isRecent(this.#cursor.lsn)) this.#idleHeartbeats = 0;
    this.#running = this.#run();
  }

  /** Called when there are more durable records, and when someone begins to wait for acks. */
  wake(): void {
    this.#wake?.();
  }

  /** Aborts when nothing more is pushed. */
  get stopped(): AbortSignal {
    return this.#abort.signal;
  }

  /** Stops pushing and gives up the push in flight. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#options.link.close();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { clock } = this.#options;
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
        this.progress.failed(error);
        this.#retryMs = Math.min(Math.max(RETRY_MS_MIN, this.#retryMs * 2), RETRY_MS_MAX);
      }
    }
  }

  /** Waits until the interval has passed and there is something to push, or a heartbeat is due. */
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

  /** True if there are records to push, or someone waits for acks of records that are pushed already. */
  get #hasMore(): boolean {
    const { context } = this.#options;
    if (this.#idleHeartbeats !== undefined) return false;
    const lsn = this.#durableLsn;
    return lsn > this.#cursor.lsn || (context.wantsDurableAcks() && this.progress.acked.lsn < lsn);
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
        'the log no longer has the record that a replica needs next',
      );
      return this.#end();
    }
    if (this.#abort.signal.aborted) return;
    const sent = run?.last ?? previous;
    const durableLsn = this.#durableLsn;
    const group = context.group();
    this.#lastPushMs = clock.monotonicMs();
    if (run !== undefined) this.#options.onPush?.(run.last.lsn - previous.lsn, run.bytes.length);
    const witnessed = context.witness?.sent();
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
    if (answer.verdict.kind !== 'fenced' && ownerOf(this.nodeId, answer.nodeId) === 'own')
      context.witness?.answered(answer, witnessed);
    await this.#take(answer, sent, sent.lsn >= durableLsn);
  }

  async #take(answer: ReplicateAnswer, sent: ChainPoint, isLevelAfter: boolean): Promise<void> {
    const { verdict } = answer;
    const owner = ownerOf(this.nodeId, answer.nodeId);
    // A higher term counts whichever node reports it.
    if (owner === 'other' && verdict.kind !== 'fenced') return this.#meetOther();
    const { progress } = this;
    progress.answered(owner, answer.digestMismatch);
    const pushedMs = this.#lastPushMs;
    this.#retryMs = 0;
    switch (verdict.kind) {
      case 'ok':
        this.#moveTo(sent, answer);
        if (answer.hotKeys !== undefined) this.#options.onHotKeys(answer.hotKeys);
        if (isLevelAfter && progress.appliedLsn >= sent.lsn) progress.level(pushedMs);
        progress.state = this.#idleHeartbeats === undefined ? 'streaming' : 'catching_up';
        return;
      case 'need':
        return this.#goOnFrom(verdict.tail, answer);
      case 'conflict':
        progress.state = 'quarantined';
        this.#retryMs = RETRY_MS_MAX;
        return;
      case 'fenced':
        progress.state = 'fenced';
        this.#retryMs = RETRY_MS_MAX;
        this.#options.onFenced(verdict.term);
        return;
      default:
        assertNever(verdict);
    }
  }

  /** The replica lacks records before the push: continues from its tail, if this log has that record, after a short wait. */
  async #goOnFrom(tail: ChainPoint, answer: ReplicateAnswer): Promise<void> {
    const { feed, logger } = this.#options;
    this.progress.state = 'catching_up';
    const ours = await feed.pointAt(tail.lsn);
    const isOurs = tail.lsn === NO_LSN || (ours?.epoch === tail.epoch && ours.crc === tail.crc);
    if (!isOurs) {
      logger.warn(
        { replica: this.address, tail, ours },
        "a replica's last record is not in this node's log: it must register again",
      );
      return this.#end();
    }
    this.#retryMs = RETRY_MS_MIN;
    this.#moveTo(tail, answer);
  }

  #moveTo(point: ChainPoint, answer: ReplicateAnswer): void {
    if (this.#idleHeartbeats !== undefined) this.#watchPull(this.#idleHeartbeats, point);
    this.#cursor = point;
    this.progress.reached(point, answer);
  }

  #meetOther(): void {
    this.progress.metOther(this.#options.context.witness !== undefined);
    this.#retryMs = RETRY_MS_MAX;
  }

  /** Ends the wait for a replica that pulls, once it is near or makes no progress. */
  #watchPull(idleHeartbeats: number, tail: ChainPoint): void {
    const idle = tail.lsn > this.#cursor.lsn ? 0 : idleHeartbeats + 1;
    const isOver = idle >= IDLE_HEARTBEATS_MAX || this.#options.feed.isRecent(tail.lsn);
    this.#idleHeartbeats = isOver ? undefined : idle;
  }

  #end(): void {
    this.#isOver = true;
    this.progress.state = 'catching_up';
  }
}
