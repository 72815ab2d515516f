/**
 * Pushes the log to one replica: a cursor into the shared ring, falling back to
 * the log; no queue, so a slow or stopped replica costs nothing but the cursor.
 * At most one push is in flight, at most one per `replication.sync_interval`,
 * and an empty heartbeat every `replication.heartbeat`.
 *
 * The cursor moves only on an answer, never on a failure: a push that may or
 * may not have arrived is repeated, and the replica compares what it has.
 */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint, ReplicateAnswer } from '#model/replication.ts';
import type { NodeState, ReplicaStatus } from '#model/status.ts';
import { assertNever } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import type { PushSource } from '#replication/push-source.ts';

export interface PusherOptions {
  readonly nodeId: string;
  readonly address: string;
  readonly link: PeerLink;
  readonly source: PushSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The least time between two pushes; 0: as soon as the last is answered. */
  readonly syncIntervalMs: number;
  readonly heartbeatMs: number;
  /** Called with every answer's durable LSN. */
  readonly onAck: (durableLsn: Lsn) => void;
  /** Called once when the replica has seen a higher term than this node's. */
  readonly onFenced: (term: number) => void;
}

/** Bytes of frames in one push; a single larger record still goes out whole. */
const PUSH_BYTES_MAX = 1 << 20;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;
/** A replica counts as live for this many heartbeats after an answer. */
const LIVE_HEARTBEATS = 3;
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
  #acked: ReplicaStatus['acked'];
  #state: NodeState = 'catching_up';
  #wake: (() => void) | undefined;
  #retryMs = 0;
  #lastPushMs = Number.NEGATIVE_INFINITY;
  #lastLevelMs: number;
  #lastAnswerMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: PusherOptions, tail: ChainPoint) {
    this.nodeId = options.nodeId;
    this.address = options.address;
    this.#options = options;
    this.#cursor = tail;
    this.#appliedLsn = tail.lsn;
    this.#acked = { epoch: tail.epoch, lsn: tail.lsn };
    this.#lastLevelMs = options.clock.monotonicMs();
  }

  get state(): NodeState {
    return this.#state;
  }

  get acked(): ReplicaStatus['acked'] {
    return this.#acked;
  }

  /** Records durable here and not applied there. */
  get lagRecords(): number {
    return Math.max(0, this.#options.source.durable.lsn - this.#appliedLsn);
  }

  /** Milliseconds since the replica was last level; 0 while it is. */
  get lagMs(): number {
    return this.lagRecords === 0 ? 0 : Math.round(this.#options.clock.monotonicMs() - this.#lastLevelMs);
  }

  /** Whether the replica answered within the last few heartbeats. */
  get isLive(): boolean {
    return (
      this.#options.clock.monotonicMs() - this.#lastAnswerMs < LIVE_HEARTBEATS * this.#options.heartbeatMs
    );
  }

  /** Its history does not fit: it is listed, and nothing is pushed. */
  quarantine(): void {
    this.#state = 'quarantined';
  }

  start(): void {
    this.#running = this.#run();
  }

  /** There is more durable log. */
  wake(): void {
    this.#wake?.();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#options.link.close();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { clock, heartbeatMs } = this.#options;
    while (!signal.aborted) {
      if (this.#retryMs > 0) await clock.sleep(this.#retryMs, signal);
      else await this.#untilDue();
      if (signal.aborted) return;
      try {
        await this.#pushOnce();
      } catch (error) {
        if (signal.aborted) return;
        if (this.#state !== 'catching_up') {
          this.#options.logger.warn({ replica: this.address, err: error }, 'replica does not answer pushes');
        }
        this.#state = 'catching_up';
        this.#retryMs = Math.min(Math.max(RETRY_MS_MIN, this.#retryMs * 2), RETRY_MS_MAX, heartbeatMs * 4);
      }
    }
  }

  /** Waits until there is something to push and the interval allows it, or a heartbeat is due. */
  async #untilDue(): Promise<void> {
    const { clock, source, syncIntervalMs, heartbeatMs } = this.#options;
    const { signal } = this.#abort;
    const sinceMs = clock.monotonicMs() - this.#lastPushMs;
    if (sinceMs < syncIntervalMs) await clock.sleep(syncIntervalMs - sinceMs, signal);
    if (source.durable.lsn > this.#cursor.lsn || signal.aborted) return;
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
    const restMs = syncIntervalMs - (clock.monotonicMs() - this.#lastPushMs);
    if (restMs > 0) await clock.sleep(restMs, signal);
  }

  async #pushOnce(): Promise<void> {
    const { source, link, clock } = this.#options;
    const previous = this.#cursor;
    const isWanted = source.durable.lsn > previous.lsn;
    const frames = isWanted ? await source.read(previous.lsn, PUSH_BYTES_MAX) : [];
    const sentLevel = frames.at(-1)?.lsn ?? previous.lsn;
    this.#lastPushMs = clock.monotonicMs();
    const isLevelAfter = sentLevel >= source.durable.lsn;
    const answer = await link.replicate(
      {
        ...source.identity(),
        previous,
        frames:
          frames.length === 1 && frames[0] !== undefined
            ? frames[0].bytes
            : Buffer.concat(frames.map((frame) => frame.bytes)),
        durableLsn: source.durable.lsn,
        logClockMs: source.logClockMs(),
        ackWhenDurable: source.wantsDurableAcks(),
      },
      { timeoutMs: PUSH_TIMEOUT_MS, signal: this.#abort.signal },
    );
    const last = frames.at(-1);
    const sent = last === undefined ? previous : { epoch: last.epoch, lsn: last.lsn, crc: last.crc };
    this.#take(answer, sent, isLevelAfter);
  }

  #take(answer: ReplicateAnswer, sent: ChainPoint, isLevelAfter: boolean): void {
    const { verdict, durable } = answer;
    const { heartbeatMs, clock } = this.#options;
    this.#retryMs = 0;
    this.#lastAnswerMs = clock.monotonicMs();
    this.#appliedLsn = answer.appliedLsn;
    switch (verdict.kind) {
      case 'ok':
        this.#cursor = sent;
        this.#acked = durable;
        if (isLevelAfter && answer.appliedLsn >= sent.lsn) this.#lastLevelMs = clock.monotonicMs();
        this.#state = this.#options.source.canReach(sent.lsn) ? 'streaming' : 'catching_up';
        this.#options.onAck(durable.lsn);
        return;
      case 'need':
        // It is behind (or pulling by itself): go on from its tail, but not in a tight loop.
        this.#retryMs = Math.min(RETRY_MS_MIN, heartbeatMs);
        this.#cursor = verdict.tail;
        this.#state = 'catching_up';
        this.#options.onAck(durable.lsn);
        return;
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
}
