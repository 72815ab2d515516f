/**
 * The replicas of this node: who registered, how each goes on, and a pusher
 * for each. Knows what is in MANIFEST of them through `ReplicaBook`.
 *
 * A replica is its node id. An address belongs to one node id at a time: the
 * next to register there takes the place of one that does not answer any more,
 * and is refused while the other one does.
 */

import type { Engine } from '#engine/engine.ts';
import { WalnutError } from '#model/errors.ts';
import { REPLICAS_MAX } from '#model/limits.ts';
import type { Lsn } from '#model/position.ts';
import { termOf } from '#model/position.ts';
import type {
  ChainPoint,
  GroupMembers,
  NodeAddress,
  RegisterAnswer,
  RegisterRequest,
  ResyncVerdict,
} from '#model/replication.ts';
import type { ReplicaStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import { type PushContext, Pusher } from '#replication/pusher.ts';
import { completeAddress } from '#replication/replica-address.ts';
import { decideResync } from '#replication/resync.ts';
import { isShortage } from '#wal/wal-errors.ts';

/** The persisted part: who may register. */
export interface ReplicaBook {
  /** The same object as long as nothing changed. */
  group(): GroupMembers;
  /** The address by which a node was removed, be it here or elsewhere; undefined: it was not. */
  removedAs(node: NodeAddress): string | undefined;
  /**
   * Remembers where a node registered, for the next start; never takes back one
   * that was removed. Throws `resource_exhausted` where too many are known and all of them `isLive`.
   */
  remember(node: NodeAddress, isLive: (address: string) => boolean): Promise<void>;
}

export interface RegistryOptions {
  readonly engine: Engine;
  readonly nodeId: string;
  readonly identity: () => { readonly logId: string; readonly term: number };
  readonly book: ReplicaBook;
  readonly dialer: PeerDialer;
  readonly acks: AckLedger;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly syncIntervalMs: number;
  /** Memory for the newest frames. */
  readonly ringBytesMax: number;
  /** Bytes of frames in one push. */
  readonly pushBytesMax: number;
  readonly heartbeatMs: number;
  /** Keys that a replica's clients read of late. */
  readonly onHotKeys: (keys: readonly string[]) => void;
  readonly onFenced: (term: number) => void;
  /** A replica began to say that its state differs from the one here. */
  readonly onMismatch?: (() => void) | undefined;
}

interface Member {
  pusher: Pusher;
  incarnation: string;
  fullResyncs: number;
  partialResyncs: number;
  lastFullResyncReason: string;
  applyDelayMs: number;
}

/** Memory that the newest frames may take, whatever the number of replicas. */
export const RING_BYTES_DEFAULT = 32 * 1_024 * 1_024;
/** The same without replicas: for one that registers now. */
const RING_BYTES_ALONE_MAX = 1_024 * 1_024;
const REFUSAL_QUIET_MS = 10_000;
/** The newest epochs, in the log line of a registration. */
const EPOCHS_TOLD = 5;

export class ReplicaRegistry {
  readonly #options: RegistryOptions;
  readonly #context: PushContext;
  readonly #members = new Map<string, Member>();
  /** Registrations and removals run one after another: two of one node would leave a pusher behind. */
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  /** The subscription to the feed: whether it is for pushers, and how to end it. */
  #reading: { readonly isPushed: boolean; readonly end: () => void } | undefined;
  readonly #endWaits: () => void;
  /** When the log last told of a registration that was refused, monotonic. */
  #toldRefusalMs = Number.NEGATIVE_INFINITY;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { engine, acks, book, nodeId, identity } = options;
    this.#context = {
      identity: () => ({ masterNodeId: nodeId, ...identity() }),
      group: () => book.group(),
      logClockMs: () => engine.logClock.nowMs(),
      wantsDurableAcks: () => acks.hasWaiters,
      digestAt: (lsn) => engine.digests.at(lsn)?.digest ?? '',
    };
    this.#endWaits = acks.waits.subscribe(() => this.#wake());
  }

  /** Begins to keep the newest records in memory. */
  start(): void {
    this.#readFeed();
  }

  /** With replicas the feed wakes their pushers; without any it keeps a little for the first one. */
  #readFeed(): void {
    const { engine, ringBytesMax } = this.#options;
    const isPushed = this.#members.size > 0;
    const before = this.#reading;
    if (before?.isPushed === isPushed || this.#isClosed) return;
    const bytesMax = isPushed ? ringBytesMax : RING_BYTES_ALONE_MAX;
    const onMore = isPushed ? () => this.#wake() : undefined;
    this.#reading = { isPushed, end: engine.feed.subscribe({ reach: 'durable', bytesMax, onMore }) };
    before?.end();
  }

  /** There is more to push, or someone waits for acks. */
  #wake(): void {
    for (const { pusher } of this.#members.values()) pusher.wake();
  }

  /** Decides how a replica goes on and begins to push to it. `remoteAddress` fills an empty advertised host. */
  async register(request: RegisterRequest, remoteAddress: string): Promise<RegisterAnswer> {
    try {
      return await this.#inTurn(() => this.#register(request, remoteAddress));
    } catch (error) {
      if (error instanceof WalnutError && error.code === 'already_exists') this.#tellRefused(error.message);
      throw error;
    }
  }

  /** Who is refused tries again every second: one line in ten seconds is enough. */
  #tellRefused(why: string): void {
    const { clock, logger } = this.#options;
    if (clock.monotonicMs() - this.#toldRefusalMs < REFUSAL_QUIET_MS) return;
    this.#toldRefusalMs = clock.monotonicMs();
    logger.error({ why }, 'a replica is refused');
  }

  async #register(request: RegisterRequest, remoteAddress: string): Promise<RegisterAnswer> {
    const address = completeAddress(request.advertise, remoteAddress);
    this.#admit(request, address);
    const { engine } = this.#options;
    const { logId, term } = this.#options.identity();
    const seenTerm = Math.max(request.term, termOf(request.tail.epoch));
    if (request.logId === logId && seenTerm > term) {
      this.#options.onFenced(seenTerm);
      // It may hold what is not here: whoever leads again asks all that are remembered.
      await this.#remember(request.nodeId, address);
    }
    const verdict = await this.#decide(request, logId);
    if (verdict.kind !== 'conflict') await this.#remember(request.nodeId, address);
    await this.#join(request, address, verdict);
    this.#options.logger.info(
      {
        replica: address,
        nodeId: request.nodeId,
        tail: request.tail,
        master: engine.applied,
        earliestLsn: engine.feed.earliestLsn,
        epochs: engine.epochs.starts().slice(-EPOCHS_TOLD),
        verdict,
      },
      'replica registered',
    );
    return {
      masterNodeId: this.#options.nodeId,
      logId,
      term,
      epochs: engine.epochs.starts(),
      latest: await this.#latest(),
      logClockMs: engine.logClock.nowMs(),
      verdict,
      address,
      group: this.#options.book.group(),
    };
  }

  /** Nodes that take pushes and said so lately. */
  get liveCount(): number {
    let count = 0;
    for (const { pusher } of this.#members.values()) if (pusher.isCounted) count++;
    return count;
  }

  /** Whether a replica at `address` takes pushes and answered lately. */
  isLiveAt(address: string): boolean {
    return this.#holdersOf(address).some((nodeId) => this.#isLive(nodeId));
  }

  statuses(): ReplicaStatus[] {
    return [...this.#members.entries()].map(([nodeId, member]) => ({
      nodeId,
      address: member.pusher.address,
      state: member.applyDelayMs > 0 && member.pusher.state === 'streaming' ? 'delayed' : member.pusher.state,
      acked: member.pusher.acked,
      lagRecords: member.pusher.lagRecords,
      lagMs: member.pusher.lagMs,
      fullResyncs: member.fullResyncs,
      partialResyncs: member.partialResyncs,
      lastFullResyncReason: member.lastFullResyncReason,
      isDifferent: member.pusher.isDifferent,
      applyDelayMs: member.applyDelayMs,
      problem: member.pusher.problem,
    }));
  }

  /** Stops pushing to every node at `address`. */
  remove(address: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const nodeId of this.#holdersOf(address)) await this.#drop(nodeId);
    });
  }

  /** Ends all pushes, those in flight too, and takes no registration any more. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#inTurn(async () => {
      await Promise.all([...this.#members.values()].map(({ pusher }) => pusher.stop()));
      this.#endWaits();
      this.#reading?.end();
      this.#reading = undefined;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** A full disk keeps nobody from following: it is remembered at its next registration. */
  async #remember(nodeId: string, address: string): Promise<void> {
    try {
      await this.#options.book.remember({ nodeId, address }, (one) => this.isLiveAt(one));
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#options.logger.warn({ replica: address }, 'no space to remember the replica');
    }
  }

  #admit(request: RegisterRequest, address: string): void {
    const { book, nodeId } = this.#options;
    if (this.#isClosed) throw new WalnutError('unavailable', 'this node is stopping');
    if (request.nodeId === nodeId) {
      throw new WalnutError(
        'already_exists',
        `node id ${nodeId} is this master's own; was its data directory copied to ${address}?`,
      );
    }
    if (request.upstreamPath.includes(nodeId)) {
      throw new WalnutError(
        'failed_precondition',
        `node ${nodeId} is upstream of this replica already: a cycle`,
      );
    }
    const removed = book.removedAs({ nodeId: request.nodeId, address });
    if (removed !== undefined) {
      throw new WalnutError(
        'failed_precondition',
        `replica ${removed} was removed; take it back with: walnut add-replica ${removed}`,
      );
    }
    const member = this.#members.get(request.nodeId);
    if (member !== undefined && member.incarnation !== request.incarnation && member.pusher.isLive) {
      throw new WalnutError(
        'already_exists',
        `node id ${request.nodeId} is held by the live replica ${member.pusher.address}; ` +
          `was the data directory of ${address} copied?`,
      );
    }
    const holder = this.#holdersOf(address).find((id) => id !== request.nodeId && this.#isLive(id));
    if (holder !== undefined) {
      throw new WalnutError(
        'already_exists',
        `address ${address} is held by the live replica with node id ${holder}, not by ${request.nodeId}: ` +
          'give each replica a server.advertise of its own',
      );
    }
    // A guard against runaway node ids.
    if (member === undefined && this.#members.size >= REPLICAS_MAX && this.#oldestGone === undefined) {
      throw new WalnutError('resource_exhausted', `there are ${REPLICAS_MAX} live replicas already`);
    }
  }

  #isLive(nodeId: string): boolean {
    return this.#members.get(nodeId)?.pusher.isLive === true;
  }

  /** The node ids registered at `address`: one, but for a moment within a registration. */
  #holdersOf(address: string): string[] {
    return [...this.#members].filter(([, { pusher }]) => pusher.address === address).map(([id]) => id);
  }

  /** Of those that do not answer, the one that has been here longest. */
  get #oldestGone(): string | undefined {
    return [...this.#members.keys()].find((nodeId) => !this.#isLive(nodeId));
  }

  /** Ends the registrations that this one replaces: of who was at its address, and of the oldest where there is no room. */
  async #makeRoom(nodeId: string, address: string): Promise<void> {
    for (const other of this.#holdersOf(address)) {
      if (other === nodeId) continue;
      this.#options.logger.warn({ replica: address, was: other, now: nodeId }, 'another node at its address');
      await this.#drop(other);
    }
    const gone = this.#oldestGone;
    if (this.#members.size >= REPLICAS_MAX && !this.#members.has(nodeId) && gone !== undefined)
      await this.#drop(gone);
  }

  async #decide(request: RegisterRequest, logId: string): Promise<ResyncVerdict> {
    const { engine } = this.#options;
    const { tail } = request;
    if (request.logId === logId && tail.lsn > engine.durableLsn && tail.lsn <= engine.log.tail.lsn) {
      // After an unclean start on a full disk what is here is not known to be on disk again yet;
      // and where nobody is pushed to, nothing else may ask for a sync.
      engine.log.requestSync();
      throw new WalnutError('unavailable', `record ${tail.lsn} is not durable here yet: try again`);
    }
    return decideResync(
      {
        logId,
        epochs: engine.epochs.starts(),
        durable: await this.#latest(),
        earliestLsn: engine.feed.earliestLsn,
        atReplicaTail: await engine.feed.pointAt(request.tail.lsn),
        damagedLsn: engine.feed.damagedLsn,
      },
      request,
    );
  }

  async #latest(): Promise<ChainPoint> {
    const { engine } = this.#options;
    const { epoch, lsn } = engine.durablePosition;
    return (await engine.feed.pointAt(lsn)) ?? { epoch, lsn, crc: 0 };
  }

  async #join(request: RegisterRequest, address: string, verdict: ResyncVerdict): Promise<void> {
    await this.#makeRoom(request.nodeId, address);
    const before = this.#members.get(request.nodeId);
    await before?.pusher.stop();
    const pusher = this.#createPusher(request, address);
    const member: Member = {
      pusher,
      incarnation: request.incarnation,
      fullResyncs: before?.fullResyncs ?? 0,
      partialResyncs: before?.partialResyncs ?? 0,
      lastFullResyncReason: before?.lastFullResyncReason ?? '',
      applyDelayMs: request.applyDelayMs,
    };
    if (verdict.kind === 'snapshot') {
      member.fullResyncs++;
      member.lastFullResyncReason = verdict.reason;
    } else if (verdict.kind === 'continue' && isBehind(request.tail.lsn, this.#options.engine.durableLsn)) {
      member.partialResyncs++;
    }
    // What it had acked before says nothing of the history it is to have.
    if (verdict.kind !== 'continue') this.#options.acks.forget(request.nodeId);
    else this.#options.acks.endsAt(request.nodeId, request.tail.lsn);
    this.#members.set(request.nodeId, member);
    this.#readFeed();
    // Until it has installed the snapshot it could take no push.
    if (verdict.kind === 'continue') pusher.start();
    if (verdict.kind === 'conflict') pusher.quarantine();
  }

  #createPusher({ nodeId, tail, applyDelayMs }: RegisterRequest, address: string): Pusher {
    const { dialer, clock, logger, syncIntervalMs, pushBytesMax, heartbeatMs, acks, onHotKeys, onFenced } =
      this.#options;
    const { feed } = this.#options.engine;
    return new Pusher(
      {
        nodeId,
        address,
        link: dialer.dial(address),
        appliesLate: applyDelayMs > 0,
        feed,
        context: this.#context,
        clock,
        logger,
        syncIntervalMs,
        pushBytesMax,
        heartbeatMs,
        onAck: (durableLsn: Lsn) => acks.ack(nodeId, durableLsn),
        onHotKeys,
        onFenced,
        onMismatch: this.#options.onMismatch,
      },
      tail,
    );
  }

  async #drop(nodeId: string): Promise<void> {
    const member = this.#members.get(nodeId);
    if (member === undefined) return;
    this.#members.delete(nodeId);
    this.#readFeed();
    this.#options.acks.forget(nodeId);
    await member.pusher.stop();
  }
}

/** A replica that holds something, and not all of it. */
function isBehind(tailLsn: Lsn, durableLsn: Lsn): boolean {
  return tailLsn > 0 && tailLsn < durableLsn;
}
