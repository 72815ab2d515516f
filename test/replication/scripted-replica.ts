/** A pusher and the replica that it pushes to, whose answers a test decides. */
import { FeedGap } from '#engine/feed/feed.ts';
import { unavailable } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import type {
  ChainPoint,
  DigestMismatch,
  ReplicateAnswer,
  ReplicateRequest,
  ReplicateVerdict,
} from '#model/replication.ts';
import { silentLogger } from '#platform/logger.ts';
import type { CallOptions, PeerLink } from '#replication/peer-link.ts';
import { type PushContext, Pusher, type PusherOptions, type PushFeed } from '#replication/pusher.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { chainOf, EPOCH_ONE, pointOf } from '#test/replication/chain.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';
import { runOf } from '#wal/frame-run.ts';

export type Reply = ReplicateVerdict | 'fail' | 'hang';

export const GROUP = { replicas: ['r:1'], removed: [], nodes: [] };
export const lsn = (value: number): Lsn => value as Lsn;
export const digestOf = (at: number): string => at.toString(16).padStart(32, '0');
export const NOTHING: ChainPoint = pointOf(undefined);

/** A replica that answers by script, then `ok` with everything it was sent durable. */
export class Script {
  readonly clock = new VirtualClock();
  readonly requests: { atMs: number; request: ReplicateRequest }[] = [];
  readonly replies: Reply[] = [];
  readonly acks: number[] = [];
  readonly fenced: number[] = [];
  log: Frame[] = [];
  durableLsn = 0;
  keptFromLsn = 1;
  /** In memory from here on. */
  recentFromLsn = 1;
  isWaitedFor = false;
  /** Has nothing on its disk unless asked. */
  isLazy = false;
  inFlight = 0;
  inFlightMax = 0;
  answerAfterMs = 0;
  /** Which node the replica says it is; undefined: it does not say. */
  answersAs: string | undefined = 'r';
  /** What the replica says of its state. */
  mismatch: DigestMismatch | undefined;
  /** Digests of later states are not known. */
  digestsThroughLsn = Number.POSITIVE_INFINITY;
  readonly pusher: Pusher;

  constructor(changes: Partial<PusherOptions> = {}, tail: ChainPoint = NOTHING) {
    const context: PushContext = {
      identity: () => ({ masterNodeId: 'm', logId: 'L', term: 1 }),
      group: () => GROUP,
      logClockMs: () => this.clock.wallMs(),
      digestAt: (at) => (at <= this.digestsThroughLsn ? digestOf(at) : ''),
      wantsDurableAcks: () => this.isWaitedFor,
    };
    const feed: PushFeed = {
      lastLsn: () => lsn(this.durableLsn),
      read: async (afterLsn, bytesMax) => {
        if (afterLsn + 1 < this.keptFromLsn) return new FeedGap();
        const frames: Frame[] = [];
        let bytes = 0;
        for (const frame of this.log.filter((one) => one.lsn > afterLsn && one.lsn <= this.durableLsn)) {
          if (frames.length > 0 && bytes + frame.bytes.length > bytesMax) break;
          frames.push(frame);
          bytes += frame.bytes.length;
        }
        return runOf(frames);
      },
      isRecent: (at) => at >= this.durableLsn || at + 1 >= this.recentFromLsn,
      pointAt: async (at) => {
        const frame = this.log.find((one) => one.lsn === at && at >= this.keptFromLsn - 1);
        return frame === undefined ? undefined : pointOf(frame);
      },
    };
    const link = {
      replicate: (request: ReplicateRequest, { signal }: CallOptions) => this.#replicate(request, signal),
      close: () => {},
    };
    this.pusher = new Pusher(
      {
        nodeId: 'r',
        address: 'r:1',
        link: link as unknown as PeerLink,
        feed,
        context,
        clock: this.clock,
        logger: silentLogger,
        syncIntervalMs: 10,
        pushBytesMax: 1 << 20,
        heartbeatMs: 250,
        onAck: (durableLsn) => this.acks.push(durableLsn),
        onHotKeys: () => undefined,
        onFenced: (term) => this.fenced.push(term),
        ...changes,
      },
      tail,
    );
  }

  /** Records become durable on the master. */
  write(count: number, payloadBytes = 10): void {
    const last = this.log.at(-1);
    const sizes = Array.from({ length: count }, () => payloadBytes);
    this.log.push(...chainOf(sizes, { firstLsn: this.log.length + 1, prevCrc: last?.crc ?? 0 }));
    this.durableLsn = this.log.length;
    this.pusher.wake();
  }

  get lsns(): number[][] {
    return this.requests.map(({ request }) => decodeFrames(request.frames).map((frame) => frame.lsn));
  }

  get previous(): number[] {
    return this.requests.map(({ request }) => request.previous.lsn);
  }

  async #replicate(request: ReplicateRequest, signal?: AbortSignal): Promise<ReplicateAnswer> {
    this.requests.push({ atMs: this.clock.monotonicMs(), request });
    this.inFlight++;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    try {
      if (this.answerAfterMs > 0) await this.clock.sleep(this.answerAfterMs);
      const reply = this.replies.shift() ?? { kind: 'ok' };
      if (reply === 'fail') throw unavailable('lost');
      if (reply === 'hang') {
        await new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(unavailable('given up')), { once: true });
        });
      }
      const verdict = reply as ReplicateVerdict;
      const last = decodeFrames(request.frames).at(-1)?.lsn ?? request.previous.lsn;
      const held = verdict.kind === 'need' ? verdict.tail.lsn : last;
      const durable = this.isLazy && !request.ackWhenDurable ? 0 : held;
      return {
        verdict,
        nodeId: this.answersAs,
        durable: { epoch: EPOCH_ONE, lsn: lsn(durable) },
        appliedLsn: held,
        digestMismatch: this.mismatch,
      };
    } finally {
      this.inFlight--;
    }
  }
}
