/** What a node says of itself every 300 ms, and what the coordinator makes of it. Values only. */
import { ACK_RECENT_MS, SILENCE_MS } from '#cluster/figures.ts';
import type { ClusterNode, Group, ShardMap, Voter } from '#cluster/shard-map.ts';
import type { Position } from '#model/position.ts';
import type { SlotRun } from '#model/slots.ts';
import type { NodeState } from '#model/status.ts';

/** A node that the map assigns to no group yet is `unassigned`. */
export type MemberRole = 'unassigned' | 'master' | 'replica';

export interface Heartbeat {
  /** `cluster.name` of its configuration; empty on a node that does not say it. */
  readonly clusterName: string;
  /** The id of the node's cluster; empty on an unassigned node. */
  readonly clusterId: string;
  readonly node: string;
  /** The id of its group; empty where it belongs to none. */
  readonly group: string;
  readonly incarnation: number;
  /** Random for each process, so that a restart begins a new count of `sequence`. */
  readonly process: string;
  /** Rises with each heartbeat of the process: answers and arrivals may be out of order. */
  readonly sequence: number;
  /** `host:port`. */
  readonly address: string;
  readonly zone: string;
  readonly role: MemberRole;
  /** The highest term of its group that it granted or led. */
  readonly term: number;
  readonly tail: Position;
  /** The highest map epoch that it heard of. */
  readonly mapEpoch: number;
  /** The epoch of the map that it has in memory; 0: none. */
  readonly keptMapEpoch: number;
  /** The slots that its log says its group owns; undefined: the log does not say. */
  readonly owned?: readonly SlotRun[] | undefined;
  /** Why it takes no writes, or could take none as the master; empty if nothing is in the way. */
  readonly whyNoWrites: string;
  /** A master: how many other voters acked a push that was sent within its lease. */
  readonly ackedByVoters: number;
  /** A replica: the last push that it acked; undefined if there was none. */
  readonly lastAck: LastAck | undefined;
  /** The identity of its log, 32 hex digits; empty where it has none. */
  readonly logId: string;
  /** A master: the voters of its log's newest list, once that has reached QUORUM; else empty. */
  readonly voters: readonly Voter[];
  /** The voters of the newest member list in its log, wherever that is; empty where there is none. */
  readonly logVoters: readonly Voter[];
  /** On a node with the log of a plain group, until that is adopted: what it is there. */
  readonly plain: PlainPlace | undefined;
  /** The fewest voters that its group may have, by its configuration; 0: any number. */
  readonly votersMin: number;
  readonly report: NodeReport;
}

/** What a node is in a plain group. */
export interface PlainPlace {
  readonly isMaster: boolean;
  /** The addresses of the replicas that its MANIFEST names. */
  readonly replicas: readonly string[];
}

/** What a node says for people to read. Nothing is decided by it. */
export interface NodeReport {
  readonly version: string;
  /** The level of the formats that it reads. */
  readonly formatLevel: number;
  readonly state: NodeState;
  readonly reasons: readonly string[];
  /** A master: how many milliseconds ago each other member answered a push; a replica: ago that its leader's last push came. */
  readonly links: readonly { readonly node: string; readonly agoMs: number }[];
  /** Milliseconds since the oldest write that is under way began; 0: none is. */
  readonly oldestWriteMs: number;
  readonly entries: number;
  readonly bytes: number;
  /** The `storage.max_memory` in force; on a node without a log: of its configuration. */
  readonly bytesMax: number;
}

/** What the active coordinator answers to a heartbeat. */
export interface HeartbeatAnswer {
  /** The name by which the coordinator finds its cluster; empty from one that does not say it. */
  readonly clusterName: string;
  /** Empty before the cluster is founded. */
  readonly clusterId: string;
  readonly mapEpoch: number;
  /** The whole map, where the node belongs to a group and has an older one, or none. */
  readonly map?: ShardMap | undefined;
  /** The group of the node; undefined where it belongs to none. */
  readonly group: Group | undefined;
  /** The nodes of that group. */
  readonly nodes: readonly ClusterNode[];
  /** The master of the group's term may take writes, by the sending of this heartbeat. */
  readonly isLeased: boolean;
}

export interface LastAck {
  readonly term: number;
  /** Milliseconds from the ack to the sending of the heartbeat. */
  readonly agoMs: number;
}

/** The newest heartbeat of a node, and since when it says what it says. Times are the coordinator's, monotonic. */
export interface Observation {
  readonly heartbeat: Heartbeat;
  readonly heardMs: number;
  /** Since when it states this role in this term. */
  readonly roleSinceMs: number;
  /** Since when it states this map epoch. */
  readonly epochSinceMs: number;
  /** Since when `whyNoWrites` is not empty; undefined if it is empty. */
  readonly noWritesSinceMs: number | undefined;
  /** Since when `ackedByVoters` is below what a lease needs; undefined if it is not. */
  readonly fewAcksSinceMs: number | undefined;
}

/**
 * The observation after a heartbeat that arrived at `nowMs`. A heartbeat that is older
 * than the one before changes nothing. `acksNeeded`: other voters that a lease needs.
 */
export function observe(
  before: Observation | undefined,
  heartbeat: Heartbeat,
  nowMs: number,
  acksNeeded: number,
): Observation {
  const isSameProcess = before?.heartbeat.process === heartbeat.process;
  if (isSameProcess && heartbeat.sequence <= before.heartbeat.sequence) return before;
  const hasFewAcks = heartbeat.role === 'master' && heartbeat.ackedByVoters < acksNeeded;
  return {
    heartbeat,
    heardMs: nowMs,
    roleSinceMs: isSameRole(before?.heartbeat, heartbeat) ? (before?.roleSinceMs ?? nowMs) : nowMs,
    epochSinceMs: before?.heartbeat.mapEpoch === heartbeat.mapEpoch ? before.epochSinceMs : nowMs,
    noWritesSinceMs: heartbeat.whyNoWrites === '' ? undefined : (before?.noWritesSinceMs ?? nowMs),
    fewAcksSinceMs: hasFewAcks ? (before?.fewAcksSinceMs ?? nowMs) : undefined,
  };
}

/** True if a node whose newest heartbeat is so old counts as silent, wherever that is decided or shown. */
export function isSilentAfter(agoMs: number): boolean {
  return agoMs >= SILENCE_MS;
}

/** True if the newest heartbeat came lately. */
export function isHeard({ heardMs }: Pick<Observation, 'heardMs'>, nowMs: number): boolean {
  return !isSilentAfter(nowMs - heardMs);
}

/** True if the node acked a push of the term lately. */
export function hasAcked(
  { heartbeat: { lastAck }, heardMs }: Observation,
  term: number,
  nowMs: number,
): boolean {
  return lastAck?.term === term && lastAck.agoMs + nowMs - heardMs <= ACK_RECENT_MS;
}

function isSameRole(before: Heartbeat | undefined, now: Heartbeat): boolean {
  return before?.role === now.role && before.term === now.term;
}
