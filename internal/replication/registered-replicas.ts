/** The replicas that are registered, by node id, with the pusher of each; in the order of their first registration. */
import type { Lsn } from '#model/position.ts';
import type { NodeAddress, RegisterRequest, ResyncVerdict } from '#model/replication.ts';
import type { ReplicaStatus } from '#model/status.ts';
import type { Pusher } from '#replication/pusher.ts';

/** What is known of a replica by its registrations. */
export interface Registration {
  /** Random, new for each start of the replica. */
  readonly incarnation: string;
  readonly fullResyncs: number;
  readonly partialResyncs: number;
  readonly lastFullResyncReason: string;
  readonly applyDelayMs: number;
  /** The format level that it reads. */
  readonly formatLevel: number;
}

export interface RegisteredReplica extends Registration {
  readonly pusher: Pusher;
}

export class RegisteredReplicas {
  readonly #replicas = new Map<string, RegisteredReplica>();

  get size(): number {
    return this.#replicas.size;
  }

  get(nodeId: string): RegisteredReplica | undefined {
    return this.#replicas.get(nodeId);
  }

  set(nodeId: string, replica: RegisteredReplica): void {
    this.#replicas.set(nodeId, replica);
  }

  delete(nodeId: string): void {
    this.#replicas.delete(nodeId);
  }

  *pushers(): Iterable<Pusher> {
    for (const { pusher } of this.#replicas.values()) yield pusher;
  }

  isLive(nodeId: string): boolean {
    return this.#replicas.get(nodeId)?.pusher.progress.isLive === true;
  }

  /** True if a replica at `address` takes pushes and answered lately. */
  isLiveAt(address: string): boolean {
    return this.idsAt(address).some((nodeId) => this.isLive(nodeId));
  }

  /** The node ids registered at `address`: at most one, except during a registration. */
  idsAt(address: string): string[] {
    return [...this.#replicas].filter(([, { pusher }]) => pusher.address === address).map(([id]) => id);
  }

  /** The node that registered first among those that do not answer. */
  get oldestGone(): string | undefined {
    return [...this.#replicas.keys()].find((nodeId) => !this.isLive(nodeId));
  }

  /** Number of replicas whose acks count. */
  get countedSize(): number {
    let count = 0;
    for (const pusher of this.pushers()) if (pusher.progress.isCounted) count++;
    return count;
  }

  /** The replicas with the format levels that they stated. */
  nodes(): NodeAddress[] {
    return [...this.#replicas].map(([nodeId, { pusher, formatLevel }]) => ({
      nodeId,
      address: pusher.address,
      formatLevel,
    }));
  }

  statuses(): ReplicaStatus[] {
    return [...this.#replicas.values()].map(({ pusher, ...registration }) =>
      replicaStatusOf(pusher, registration),
    );
  }
}

/** The line of Status for a replica or an observer. */
export function replicaStatusOf(
  { nodeId, address, progress }: Pick<Pusher, 'nodeId' | 'address' | 'progress'>,
  { applyDelayMs, fullResyncs, partialResyncs, lastFullResyncReason }: Registration,
): ReplicaStatus {
  return {
    nodeId,
    address,
    state: applyDelayMs > 0 && progress.state === 'streaming' ? 'delayed' : progress.state,
    acked: progress.acked,
    lagRecords: progress.lagRecords,
    lagMs: progress.lagMs,
    fullResyncs,
    partialResyncs,
    lastFullResyncReason,
    isDifferent: progress.isDifferent,
    applyDelayMs,
    problem: progress.problem,
  };
}

/** `durableLsn`: of the master. `isOver`: the replica was level since its last registration; undefined: it has none. */
export interface ResyncState {
  readonly durableLsn: Lsn;
  readonly isOver: boolean | undefined;
}

/** What is known after a registration: the same counts as `before`, and the resync that it begins or goes on with. */
export function registrationAfter(
  before: Registration | undefined,
  { incarnation, applyDelayMs, tail, formatLevel = 0 }: RegisterRequest,
  verdict: ResyncVerdict,
  { durableLsn, isOver = true }: ResyncState,
): Registration {
  const isFull = verdict.kind === 'snapshot';
  // It has some records and lacks others. Where a resync is not over, a registration belongs to that.
  const isPartial = verdict.kind === 'continue' && isOver && tail.lsn > 0 && tail.lsn < durableLsn;
  return {
    incarnation,
    fullResyncs: (before?.fullResyncs ?? 0) + (isFull ? 1 : 0),
    partialResyncs: (before?.partialResyncs ?? 0) + (isPartial ? 1 : 0),
    lastFullResyncReason: isFull ? verdict.reason : (before?.lastFullResyncReason ?? ''),
    applyDelayMs,
    formatLevel,
  };
}
