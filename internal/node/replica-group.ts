/**
 * The replicas of a master: which register, which are pushed to, which are known and
 * away and are told to follow, and which other masters claim nodes of this group.
 */
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { WalnutError } from '#model/errors.ts';
import { PUSH_BYTES_MAX_DEFAULT, RING_BYTES_MAX_DEFAULT } from '#model/limits.ts';
import { termOf } from '#model/position.ts';
import type {
  NodeAddress,
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateRequest,
} from '#model/replication.ts';
import type { ObserversStatus, ReplicaStatus } from '#model/status.ts';
import { Announcer } from '#node/announcer.ts';
import { Hearsay } from '#node/hearsay.ts';
import { Membership } from '#node/membership.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { OtherHistories } from '#node/other-histories.ts';
import { ReplicaList } from '#node/replica-list.ts';
import { Rivals } from '#node/rivals.ts';
import type { Self } from '#node/self.ts';
import { takeFormatStep } from '#node/take-format-step.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';
import { Observers } from '#replication/observers.ts';
import type { PushWitness } from '#replication/pusher.ts';
import { ReplicaRegistry } from '#replication/replica-registry.ts';

export interface ReplicaGroupParts {
  readonly options: NodeOptions;
  readonly host: EngineHost;
  readonly engine: Engine;
  readonly acks: AckLedger;
  /** What other nodes are told to register with; see `AnnounceRequest`. */
  readonly advertise: string;
  readonly self: () => Self;
  /** The term that this node leads. */
  readonly term: () => number;
  /** True if this master takes writes: only then is anybody told to follow it. */
  readonly isTakingWrites: () => boolean;
  /** The node at `address` has seen a higher term. */
  readonly onTerm: (term: number, address: string) => void;
  /** A replica begins to say that its state differs from the one here. */
  readonly onReplicaDiffers: () => void;
  /** In a cluster: the lease and QUORUM count by the answers to pushes. */
  readonly pushWitness?: PushWitness | undefined;
  /** Aborts when the master ends. */
  readonly signal: AbortSignal;
}

export class ReplicaGroup {
  readonly #parts: ReplicaGroupParts;
  readonly #list: ReplicaList;
  readonly #registry: ReplicaRegistry;
  /** Those that follow and count for nothing. */
  readonly #observers: Observers;
  /** Which replicas may follow. */
  readonly members: Membership;
  readonly #hearsay: Hearsay;
  readonly #announcer: Announcer;
  readonly #rivals: Rivals;
  readonly #others: OtherHistories;

  constructor(parts: ReplicaGroupParts) {
    const { options, host, signal, self } = parts;
    this.#parts = parts;
    const list = new ReplicaList(host.directory, options.replicas);
    const isLive = (address: string): boolean => this.#registry.isLiveAt(address);
    this.#list = list;
    this.#hearsay = new Hearsay(options, list, isLive, host.manifest.nodeId, signal);
    this.#registry = this.#createRegistry();
    this.#observers = this.#createObservers();
    const identity = () => host.manifest;
    this.members = new Membership({
      list,
      registry: this.#registry,
      dialer: options.dialer,
      identity,
      signal,
    });
    this.#rivals = new Rivals(options.clock);
    this.#announcer = this.#createAnnouncer();
    this.#others = new OtherHistories({
      options,
      replicas: () => this.#registry.statuses(),
      absent: () => this.#announcer.absent,
      self,
      signal,
    });
  }

  /** What pushes need, to replicas and to observers. */
  get #pushing() {
    const { options, host, engine, term } = this.#parts;
    return {
      engine,
      nodeId: host.manifest.nodeId,
      identity: () => ({ logId: host.manifest.logId, term: term() }),
      clock: options.clock,
      logger: options.logger,
      syncIntervalMs: options.pushIntervalMs,
      ringBytesMax: options.ringBytesMax ?? RING_BYTES_MAX_DEFAULT,
      heartbeatMs: options.heartbeatMs,
      onPush: options.onPush,
      // A read on a replica keeps an entry from eviction as a read here does.
      onHotKeys: (keys: readonly string[]) => engine.store.access(...keys),
    };
  }

  #createObservers(): Observers {
    return new Observers({
      ...this.#pushing,
      group: () => this.#hearsay.book.group(),
      isReplica: (nodeId) => this.#registry.isLive(nodeId),
    });
  }

  #createRegistry(): ReplicaRegistry {
    const { options, acks, onTerm, onReplicaDiffers, pushWitness } = this.#parts;
    return new ReplicaRegistry({
      ...this.#pushing,
      pushWitness,
      book: this.#hearsay.book,
      dialer: options.dialer,
      acks,
      pushBytesMax: options.pushBytesMax ?? PUSH_BYTES_MAX_DEFAULT,
      onFenced: onTerm,
      onMismatch: onReplicaDiffers,
    });
  }

  #createAnnouncer(): Announcer {
    const { options, host, engine, advertise, isTakingWrites, onTerm } = this.#parts;
    const { dialer, clock, logger } = options;
    return new Announcer({
      dialer,
      clock,
      logger,
      announcement: () => ({
        nodeId: host.manifest.nodeId,
        logId: host.manifest.logId,
        term: termOf(engine.log.tail.epoch),
        advertise,
      }),
      absent: () => (isTakingWrites() ? this.#absent() : []),
      onFenced: onTerm,
      onFollowed: (address) => this.#rivals.forget(address),
      onRival: (address, logId) => this.#rivals.found(address, logId),
    });
  }

  /** In a cluster nobody can remove an address that a voter has left, and none is told there. */
  #absent(): string[] {
    const { voters } = this.#parts.self();
    return this.members.absent().filter((address) => voters?.has(address) !== false);
  }

  /** Begins to keep the newest records in memory. */
  start(): void {
    this.#registry.start();
  }

  /** Begins to tell those that are known and away to follow. */
  announce(): void {
    this.#announcer.start();
  }

  /** Ends all pushes and calls. */
  async stop(): Promise<void> {
    await this.#announcer.stop();
    this.#observers.close();
    await this.#registry.close();
    await this.#hearsay.idle();
    await this.#others.idle();
  }

  /** Asks around where it is time to. Does not wait for answers. */
  tick(): void {
    this.#hearsay.tick();
    if (this.#parts.isTakingWrites()) this.#others.tick();
  }

  /** Formats of level 1 may be written once this resolves. Throws where a replica could not read them. */
  takeFormatStep(): Promise<void> {
    return takeFormatStep(this.#parts.engine.formats, this.#registry);
  }

  async register(
    request: RegisterRequest,
    remoteAddress: string,
    retired?: AbortSignal,
  ): Promise<RegisterAnswer> {
    if (request.isObserver === true) return this.#observers.register(request, remoteAddress, retired);
    if (this.#observers.isLive(request.nodeId)) throw isObserver(request.nodeId);
    return this.#registry.register(request, remoteAddress, retired);
  }

  /** Resolves with the next push for an observer. */
  observe(request: ObserveRequest, remoteAddress: string, signal: AbortSignal): Promise<ReplicateRequest> {
    return this.#observers.observe(request, remoteAddress, signal);
  }

  /** Undefined: there are none. */
  get observers(): ObserversStatus | undefined {
    return this.#observers.status;
  }

  /** Remembers a node in MANIFEST, so that it is asked from now on. */
  remember(node: NodeAddress): Promise<void> {
    return this.#list.remember(node, (address) => this.#registry.isLiveAt(address));
  }

  /** The master of another log counts this node among its replicas. */
  noteRival(address: string, logId: string): void {
    this.#rivals.claimedBy(address, logId);
  }

  get statuses(): ReplicaStatus[] {
    return this.#registry.statuses();
  }

  /** How many replicas take pushes and answered lately. */
  get liveCount(): number {
    return this.#registry.liveCount;
  }

  /** Addresses that MANIFEST and the configuration name. */
  get known(): string[] {
    return this.#list.known();
  }

  /** Addresses of all nodes that may have newer history: those known, and those that only registered lately. */
  get others(): string[] {
    return this.#hearsay.others;
  }

  /** Which nodes those are, as far as known, each by its last address. */
  get nodes(): NodeAddress[] {
    return this.#hearsay.nodes;
  }

  /** For Status: masters of other logs. */
  get rivals(): string[] {
    return this.#rivals.reasons(this.#parts.self());
  }

  /** For Status: nodes that do not follow, unless `reasons` names them already. */
  reasonsBeside(reasons: readonly string[]): string[] {
    return this.#others.reasonsBeside(reasons);
  }
}

function isObserver(nodeId: string): WalnutError {
  const why = `node id ${nodeId} belongs to a live observer: was its directory copied? Give this node an empty one`;
  return new WalnutError('already_exists', why);
}
