/**
 * What a coordinator answers to nodes, operators and readers of the map. Values and a
 * port only.
 */
import type { Heartbeat, HeartbeatAnswer } from '#cluster/heartbeat.ts';
import type { MapChange } from '#cluster/map-change.ts';
import type { RecoveryPlan } from '#cluster/plan-recovery.ts';
import type { ClusterNode, Group, NodeStatus, ShardMap } from '#cluster/shard-map.ts';
import type { Readiness } from '#model/edge.ts';

/** What a reader needs to have the newest map. */
export type MapNews =
  | { readonly kind: 'unchanged'; readonly epoch: number }
  /** In order; the first begins at the epoch that the reader has. */
  | { readonly kind: 'changes'; readonly changes: readonly MapChange[]; readonly epoch: number }
  | { readonly kind: 'whole'; readonly map: ShardMap; readonly epoch: number };

/** A group as an operator wants it. */
export interface GroupPlan {
  readonly id: string;
  /** Names of its voters. */
  readonly nodes: readonly string[];
}

export type ClusterPlan =
  | { readonly kind: 'given'; readonly groups: readonly GroupPlan[] }
  /** Groups of all nodes that are heard and free, each of a master and so many replicas. */
  | { readonly kind: 'auto'; readonly replicas: number };

export interface Alarm {
  readonly why: string;
  /** Wall time, milliseconds. */
  readonly sinceMs: number;
}

export interface GroupStatus {
  readonly group: Group;
  /** How many slots it owns. */
  readonly slots: number;
  /** Its leader was heard within 1.5 s, leads the term and takes writes. */
  readonly isTakingWrites: boolean;
  /** How many of its voters were heard within 1.5 s, with the disks that are listed. */
  readonly votersHeard: number;
}

/** Says which coordinator answers: only the active one hears nodes, so only it knows ages and alarms. */
export interface Answering {
  readonly isActive: boolean;
  /** `host:port` of the active coordinator; empty: none is known. */
  readonly activeCoordinator: string;
}

export interface ClusterView extends Answering {
  /** The name by which its coordinators find it in the store. */
  readonly name: string;
  /** Empty: the cluster is not made yet. */
  readonly clusterId: string;
  readonly epoch: number;
  /** Sorted by id. */
  readonly groups: readonly GroupStatus[];
  readonly alarms: readonly Alarm[];
  /** What is worth knowing and needs no decision. */
  readonly warnings: readonly string[];
  /** What is wrong with the metadata store, as this coordinator's last calls showed; empty: nothing. */
  readonly metadataProblem: string;
}

export interface NodeHealth {
  /** What the list says of a listed node; another one states it itself. */
  readonly node: ClusterNode;
  readonly isListed: boolean;
  /** The id of the group of which it is a voter; empty: none. */
  readonly group: string;
  /** The newest heartbeat; undefined: none since this coordinator became active. */
  readonly heard: { readonly agoMs: number; readonly heartbeat: Heartbeat } | undefined;
}

export interface NodesView extends Answering {
  /** Sorted by name. */
  readonly nodes: readonly NodeHealth[];
}

export interface InitAnswer {
  readonly epoch: number;
  readonly clusterId: string;
  readonly groups: readonly GroupPlan[];
}

export interface FailoverPlanned {
  readonly epoch: number;
  /** The name of the node that shall lead. */
  readonly to: string;
}

/** Since the process started. */
export interface CoordinatorCounts {
  /** Heartbeats that were heard. */
  readonly heartbeats: number;
  /** Those of them that were leased. */
  readonly leases: number;
  /** Terms that were given because a leader was down or did not take over. */
  readonly failovers: number;
}

/**
 * `heartbeat` and the changes reject with `failed_precondition` and the address of the
 * active coordinator where another one is, with `unavailable` where none is known to be.
 * What reads the map throws `unavailable` until the store was read.
 */
export interface CoordinatorPort {
  readiness(): Readiness;
  counts(): CoordinatorCounts;
  heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer>;
  map(): ShardMap;
  /** What became of the map that a reader has; the epoch 0 is that of no map. */
  newsFor(clusterId: string, epoch: number): MapNews;
  /** Resolves at the next change of the map, after `limitMs`, or when the signal aborts. */
  nextChange(limitMs: number, signal: AbortSignal): Promise<void>;
  /** True while every change of the store reaches this coordinator's map. */
  isFollowing(): boolean;
  cluster(): ClusterView;
  nodes(): NodesView;
  initCluster(plan: ClusterPlan): Promise<InitAnswer>;
  /** `to`: the name of a voter; empty: the most advanced of the others. */
  failoverGroup(group: string, to: string): Promise<FailoverPlanned>;
  /** Resolves with the epoch that has it. */
  addGroup(plan: GroupPlan): Promise<number>;
  /** What is done, or without `isApplied` would be. `forced`: the group that fails over with fewer grants; empty: none. */
  recover(forced: string, isApplied: boolean): Promise<RecoveryPlan>;
  /** Resolves with the epoch that has it. */
  setNodeStatus(node: string, status: NodeStatus): Promise<number>;
}
