/** The replicas that are registered, by node id, with the pusher of each; in the order of their first registration. */
import type { NodeAddress, RegisterRequest, ResyncVerdict } from '#model/replication.ts';
import type { ReplicaStatus } from '#model/status.ts';
import type { Pusher } from '#replication/pusher.ts';

export interface Member {
  readonly pusher: Pusher;
  /** Random, new for each start of the replica. */
  readonly incarnation: string;
  readonly fullResyncs: number;
  readonly partialResyncs: number;
  readonly lastFullResyncReason: string;
  readonly applyDelayMs: number;
  /** The format level that it reads. */
  readonly formatLevel: number;
}

export class Members {
  readonly #members = new Map<string, Member>();

  get size(): number {
    return this.#members.size;
  }

  get(nodeId: string): Member | undefined {
    return this.#members.get(nodeId);
  }

  set(nodeId: string, member: Member): void {
    this.#members.set(nodeId, member);
  }

  delete(nodeId: string): void {
    this.#members.delete(nodeId);
  }

  *pushers(): Iterable<Pusher> {
    for (const { pusher } of this.#members.values()) yield pusher;
  }

  isLive(nodeId: string): boolean {
    return this.#members.get(nodeId)?.pusher.progress.isLive === true;
  }

  /** Whether a replica at `address` takes pushes and answered lately. */
  isLiveAt(address: string): boolean {
    return this.idsAt(address).some((nodeId) => this.isLive(nodeId));
  }

  /** The node ids registered at `address`: at most one, except during a registration. */
  idsAt(address: string): string[] {
    return [...this.#members].filter(([, { pusher }]) => pusher.address === address).map(([id]) => id);
  }

  /** The node that registered first among those that do not answer. */
  get oldestGone(): string | undefined {
    return [...this.#members.keys()].find((nodeId) => !this.isLive(nodeId));
  }

  /** Number of replicas whose acks count. */
  get countedSize(): number {
    let count = 0;
    for (const pusher of this.pushers()) if (pusher.progress.isCounted) count++;
    return count;
  }

  /** The replicas with the format levels that they stated. */
  nodes(): NodeAddress[] {
    return [...this.#members].map(([nodeId, { pusher, formatLevel }]) => ({
      nodeId,
      address: pusher.address,
      formatLevel,
    }));
  }

  statuses(): ReplicaStatus[] {
    return [...this.#members].map(([nodeId, { pusher, ...member }]) => ({
      nodeId,
      address: pusher.address,
      state:
        member.applyDelayMs > 0 && pusher.progress.state === 'streaming' ? 'delayed' : pusher.progress.state,
      acked: pusher.progress.acked,
      lagRecords: pusher.progress.lagRecords,
      lagMs: pusher.progress.lagMs,
      fullResyncs: member.fullResyncs,
      partialResyncs: member.partialResyncs,
      lastFullResyncReason: member.lastFullResyncReason,
      isDifferent: pusher.progress.isDifferent,
      applyDelayMs: member.applyDelayMs,
      problem: pusher.progress.problem,
    }));
  }
}

/** The replica after a registration: the same counts as `before`, and the resync that it begins. */
export function memberAfter(
  before: Member | undefined,
  { incarnation, applyDelayMs, formatLevel = 0 }: RegisterRequest,
  pusher: Pusher,
  verdict: ResyncVerdict,
  isPartial: boolean,
): Member {
  const isFull = verdict.kind === 'snapshot';
  return {
    pusher,
    incarnation,
    fullResyncs: (before?.fullResyncs ?? 0) + (isFull ? 1 : 0),
    partialResyncs: (before?.partialResyncs ?? 0) + (isPartial ? 1 : 0),
    lastFullResyncReason: isFull ? verdict.reason : (before?.lastFullResyncReason ?? ''),
    applyDelayMs,
    formatLevel,
  };
}
