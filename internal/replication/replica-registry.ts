/**
 * Registers replicas: decides how each catches up, and runs a pusher for it.
 * `ReplicaBook` remembers them in MANIFEST.
 *
 * The node id identifies a replica. An address belongs to one node id at a time:
 * a second node that registers there is refused while the first one answers, and
 * replaces it afterwards.
 */

import type { Engine } from '#engine/engine.ts';
import { completeAddress } from '#model/address.ts';
import { WalnutError } from '#model/errors.ts';
import { REPLICAS_MAX } from '#model/limits.ts';
import type { Lsn } from '#model/position.ts';
import { termOf } from '#model/position.ts';
import type { NodeAddress, RegisterAnswer, RegisterRequest, ResyncVerdict } from '#model/replication.ts';
import type { ReplicaStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';
import { admitReplica } from '#replication/admit-replica.ts';
import { firstBelow } from '#replication/known-replicas.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import { type OnPush, type PushContext, Pusher, type PushWitness } from '#replication/pusher.ts';
import { RecentRecords } from '#replication/recent-records.ts';
import { RegisteredReplicas, registrationAfter } from '#replication/registered-replicas.ts';
import type { ReplicaBook } from '#replication/replica-book.ts';
import type { KnownBefore } from '#replication/replica-progress.ts';
import { ResyncJudge } from '#replication/resync-judge.ts';
import { isShortage } from '#wal/wal-errors.ts';

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
  /** Memory for the newest frames, whatever the number of replicas. */
  readonly ringBytesMax: number;
  /** Bytes of frames in one push. */
  readonly pushBytesMax: number;
  readonly heartbeatMs: number;
  /** Called with keys that clients of a replica read recently. */
  readonly onHotKeys: (keys: readonly string[]) => void;
  /** Called when the node at `address` has seen a higher term than this node's. */
  readonly onFenced: (term: number, address: string) => void;
  /** Called when a replica begins to report that its state differs from this node's. */
  readonly onMismatch?: (() => void) | undefined;
  readonly pushWitness?: PushWitness | undefined;
  readonly onPush?: OnPush | undefined;
}

/** A refused replica tries again every second; refusals are logged at most this often. */
const REFUSAL_QUIET_MS = 10_000;
/** How many of the newest epochs the log line of a registration lists. */
const EPOCHS_TOLD = 5;

export class ReplicaRegistry {
  readonly #options: RegistryOptions;
  readonly #context: PushContext;
  readonly #registered = new RegisteredReplicas();
  readonly #recent: RecentRecords;
  readonly #judge: ResyncJudge;
  /** Registrations and removals run one after another: two of one node at once would leave a pusher that nobody stops. */
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  /** The node whose registration is under way. */
  #joining: NodeAddress | undefined;
  readonly #endWaits: () => void;
  /** Monotonic time at which a refusal was last logged. */
  #toldRefusalMs = Number.NEGATIVE_INFINITY;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { engine, acks, book, nodeId, identity, pushWitness } = options;
    this.#context = {
      identity: () => ({ masterNodeId: nodeId, ...identity() }),
      group: () => book.group(),
      logClockMs: () => engine.logClock.nowMs(),
      wantsDurableAcks: () => acks.hasWaiters,
      witness: pushWitness,
      digestAt: (lsn) => engine.digests.at(lsn)?.digest ?? '',
    };
    this.#recent = new RecentRecords(engine.feed, options.ringBytesMax, () => this.#wake());
    this.#judge = new ResyncJudge({ engine, nodeId, identity, group: () => book.group() });
    this.#endWaits = acks.waits.subscribe(() => this.#wake());
  }

  /** Begins to keep the newest records in memory. */
  start(): void {
    this.#recent.keepFor(this.#registered.size > 0);
  }

  /** Called when there is more to push, and when someone begins to wait for acks. */
  #wake(): void {
    for (const pusher of this.#registered.pushers()) pusher.wake();
  }

  /**
   * Decides how a replica catches up and begins to push to it. `remoteAddress` fills an empty advertised host.
   * The registration belongs to the caller that made it: it ends when `retired` aborts.
   */
  async register(
    request: RegisterRequest,
    remoteAddress: string,
    retired?: AbortSignal,
  ): Promise<RegisterAnswer> {
    try {
      const address = completeAddress(request.advertise, remoteAddress);
      this.#admit(request, address);
      // This runs outside the queue of registrations, so that an address that does not answer delays nobody else.
      await this.#options.book.meet({ nodeId: request.nodeId, address });
      return await this.#inTurn(() =>
        this.#register(request, address, retired).finally(() => {
          this.#joining = undefined;
        }),
      );
    } catch (error) {
      if (error instanceof WalnutError && error.code === 'already_exists') this.#tellRefused(error.message);
      throw error;
    }
  }

  #tellRefused(why: string): void {
    const { clock, logger } = this.#options;
    if (clock.monotonicMs() - this.#toldRefusalMs < REFUSAL_QUIET_MS) return;
    this.#toldRefusalMs = clock.monotonicMs();
    logger.error({ why }, 'a replica is refused');
  }

  #admit(request: RegisterRequest, address: string): void {
    if (this.#isClosed) throw new WalnutError('unavailable', 'this node is stopping');
    const { book, nodeId, engine } = this.#options;
    admitReplica(request, address, {
      nodeId,
      book,
      registered: this.#registered,
      formatLevel: engine.formats.level,
    });
  }

  async #register(
    request: RegisterRequest,
    address: string,
    retired: AbortSignal | undefined,
  ): Promise<RegisterAnswer> {
    this.#admit(request, address);
    const { engine } = this.#options;
    // From here on it counts: nothing that it cannot read is written before it is a member.
    const { formatLevel = 0 } = request;
    const node = { nodeId: request.nodeId, address, ...(formatLevel > 0 ? { formatLevel } : {}) };
    this.#joining = node;
    const { logId, term } = this.#options.identity();
    const seenTerm = Math.max(request.term, termOf(request.tail.epoch));
    if (request.logId === logId && seenTerm > term) {
      this.#options.onFenced(seenTerm, address);
      // It may have records that this node lacks. A node that leads again first asks every node it remembers.
      await this.#remember(node);
    }
    const verdict = await this.#judge.verdictFor(request);
    if (verdict.kind !== 'conflict') await this.#remember(node);
    await this.#join(request, address, verdict, retired);
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
    return this.#judge.answer(verdict, address);
  }

  /** Which node of the group cannot read formats of `level`, as far as is known; undefined: all can. */
  firstBelow(level: number): NodeAddress | undefined {
    const { nodes, removed } = this.#options.book.group();
    const present = [...this.#registered.nodes(), ...(this.#joining === undefined ? [] : [this.#joining])];
    // What a node says now counts, whatever it said before.
    const absent = nodes.filter(({ nodeId }) => !present.some((one) => one.nodeId === nodeId));
    return firstBelow(level, { replicas: [], removed, nodes: [...present, ...absent] });
  }

  /** Number of replicas that take pushes and answered lately. */
  get liveCount(): number {
    return this.#registered.countedSize;
  }

  /** True if the replica with this node id answered lately. */
  isLive(nodeId: string): boolean {
    return this.#registered.isLive(nodeId);
  }

  /** True if a replica at `address` takes pushes and answered lately. */
  isLiveAt(address: string): boolean {
    return this.#registered.isLiveAt(address);
  }

  statuses(): ReplicaStatus[] {
    return this.#registered.statuses();
  }

  /** Stops pushing to every node at `address`. */
  remove(address: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const nodeId of this.#registered.idsAt(address)) await this.#drop(nodeId);
    });
  }

  /** Stops every pusher, gives up pushes in flight, and refuses registrations from now on. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#inTurn(async () => {
      await Promise.all([...this.#registered.pushers()].map((pusher) => pusher.stop()));
      this.#endWaits();
      this.#recent.end();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** If the disk is full the replica may follow anyway; its next registration tries again to remember it. */
  async #remember(node: NodeAddress): Promise<void> {
    try {
      await this.#options.book.remember(node, (one) => this.isLiveAt(one));
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#options.logger.warn({ replica: node.address }, 'no space to remember the replica');
    }
  }

  /** Drops the nodes that this registration replaces: others at its address, and the oldest one if there are too many. */
  async #makeRoom(nodeId: string, address: string): Promise<void> {
    for (const other of this.#registered.idsAt(address)) {
      if (other === nodeId) continue;
      this.#options.logger.warn({ replica: address, was: other, now: nodeId }, 'another node at its address');
      await this.#drop(other);
    }
    const gone = this.#registered.oldestGone;
    const isNew = this.#registered.get(nodeId) === undefined;
    if (this.#registered.size >= REPLICAS_MAX && isNew && gone !== undefined) await this.#drop(gone);
  }

  async #join(
    request: RegisterRequest,
    address: string,
    verdict: ResyncVerdict,
    retired: AbortSignal | undefined,
  ): Promise<void> {
    await this.#makeRoom(request.nodeId, address);
    const before = this.#registered.get(request.nodeId);
    await before?.pusher.stop();
    if (retired?.aborted === true) {
      await this.#drop(request.nodeId);
      throw new WalnutError('unavailable', 'the rights of this caller changed: register again');
    }
    const kept = verdict.kind === 'continue' ? request.tail : undefined;
    const pusher = this.#createPusher(
      request,
      address,
      before?.pusher.progress.whenRegistered(address, kept),
    );
    // Its earlier acks are about records of the history that it is about to give up.
    if (verdict.kind !== 'continue') this.#options.acks.forget(request.nodeId);
    else this.#options.acks.endsAt(request.nodeId, request.tail.lsn);
    const { durableLsn } = this.#options.engine;
    const isOver = before?.pusher.progress.wasLevel;
    const registration = registrationAfter(before, request, verdict, { durableLsn, isOver });
    this.#registered.set(request.nodeId, { pusher, ...registration });
    this.#recent.keepFor(true);
    // A replica that must load the snapshot takes no push before it registers again.
    if (verdict.kind === 'continue') pusher.start();
    if (verdict.kind === 'conflict') pusher.quarantine();
    retired?.addEventListener('abort', () => this.#retire(pusher), { once: true, signal: pusher.stopped });
  }

  /** Pushes end at once, though the registration is taken off after those that are under way. */
  #retire(pusher: Pusher): void {
    const { nodeId, address } = pusher;
    this.#options.logger.warn(
      { replica: address, nodeId },
      'the user that registered a replica was removed or changed: nothing is pushed until it registers again',
    );
    void pusher.stop();
    void this.#inTurn(async () => {
      if (this.#registered.get(nodeId)?.pusher === pusher) await this.#drop(nodeId);
    });
  }

  #createPusher(
    { nodeId, tail, applyDelayMs }: RegisterRequest,
    address: string,
    before: KnownBefore | undefined,
  ): Pusher {
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
        onPush: this.#options.onPush,
        onFenced: (term) => onFenced(term, address),
        onMismatch: this.#options.onMismatch,
      },
      tail,
      before,
    );
  }

  async #drop(nodeId: string): Promise<void> {
    const replica = this.#registered.get(nodeId);
    if (replica === undefined) return;
    this.#registered.delete(nodeId);
    this.#recent.keepFor(this.#registered.size > 0);
    this.#options.acks.forget(nodeId);
    await replica.pusher.stop();
  }
}
