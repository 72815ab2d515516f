/**
 * Converts heartbeats and their answers between protobuf and the cluster's values, in
 * both directions. Pure; bad input throws `invalid_argument`.
 */
import type { Heartbeat, HeartbeatAnswer, MemberRole, NodeReport } from '#cluster/heartbeat.ts';
import {
  type HeartbeatRequest,
  type HeartbeatResponse,
  MemberRole as WireRole,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { ADDRESS_CHARACTERS_MAX } from '#model/address.ts';
import { invalidArgument } from '#model/errors.ts';
import { checkText, cutReason, toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toPositionOrNone } from '#wire/position-codec.ts';
import { checkIdOrEmpty, checkTerm, GROUP_REPLICAS_MAX } from '#wire/replication-codec.ts';
import {
  checkGroupId,
  checkNodeName,
  fromGroup,
  fromNode,
  fromOwned,
  fromShardMap,
  fromVoter,
  toGroup,
  toNode,
  toOwned,
  toShardMap,
  toVoter,
} from '#wire/shard-map-codec.ts';
import { fromState, tryState } from '#wire/status-codec.ts';

const ROLES: Readonly<Record<MemberRole, WireRole>> = {
  unassigned: WireRole.UNASSIGNED,
  master: WireRole.MASTER,
  replica: WireRole.REPLICA,
};
const WORD_CHARACTERS_MAX = 64;
/** The most reasons, and the most links, that are sent and read in one heartbeat. */
const LISTED_MAX = 32;
/** More voters than a member list may have are not read. */
const VOTERS_MAX = 255;

export function fromHeartbeat(heartbeat: Heartbeat): HeartbeatRequest {
  const { clusterId, node, process, address, zone, term, whyNoWrites, ackedByVoters, logId } = heartbeat;
  const { lastAck, report, plain } = heartbeat;
  return {
    $typeName: 'walnut.v1.HeartbeatRequest',
    ...{ clusterId, node, process, address, zone, term, ackedByVoters, logId },
    whyNoWrites: cutReason(whyNoWrites),
    incarnation: BigInt(heartbeat.incarnation),
    sequence: BigInt(heartbeat.sequence),
    role: ROLES[heartbeat.role],
    tail: fromPosition(heartbeat.tail),
    voters: heartbeat.voters.map(fromVoter),
    logVoters: heartbeat.logVoters.map(fromVoter),
    clusterName: heartbeat.clusterName,
    votersMin: heartbeat.votersMin,
    group: heartbeat.group,
    plain: plain && {
      $typeName: 'walnut.v1.PlainPlace',
      isMaster: plain.isMaster,
      replicas: [...plain.replicas],
    },
    mapEpoch: BigInt(heartbeat.mapEpoch),
    keptMapEpoch: BigInt(heartbeat.keptMapEpoch),
    owned: heartbeat.owned && fromOwned(heartbeat.owned, heartbeat.group),
    lastAck: lastAck && {
      $typeName: 'walnut.v1.LastAck',
      term: lastAck.term,
      agoMs: toWholeMs(lastAck.agoMs),
    },
    ...fromReport(report),
  };
}

/** The address is as it was sent: its host may be empty. */
export function toHeartbeat(message: HeartbeatRequest): Heartbeat {
  const { lastAck } = message;
  return {
    clusterName: checkText(message.clusterName, 'cluster_name', WORD_CHARACTERS_MAX),
    clusterId: checkIdOrEmpty(message.clusterId, 'cluster_id'),
    node: checkNodeName(message.node, 'node'),
    incarnation: toSafeNumber(message.incarnation, 'incarnation'),
    process: checkText(message.process, 'process', WORD_CHARACTERS_MAX),
    sequence: toSafeNumber(message.sequence, 'sequence'),
    address: checkText(message.address, 'address', ADDRESS_CHARACTERS_MAX),
    zone: checkText(message.zone, 'zone', WORD_CHARACTERS_MAX),
    role: toRole(message.role),
    term: checkTerm(message.term),
    tail: toPositionOrNone(message.tail, 'tail'),
    mapEpoch: toSafeNumber(message.mapEpoch, 'map_epoch'),
    keptMapEpoch: toSafeNumber(message.keptMapEpoch, 'kept_map_epoch'),
    owned: message.owned && toOwned(message.owned),
    whyNoWrites: cutReason(message.whyNoWrites),
    ackedByVoters: message.ackedByVoters,
    lastAck: lastAck && {
      term: checkTerm(lastAck.term),
      agoMs: toSafeNumber(lastAck.agoMs, 'last_ack.ago_ms'),
    },
    logId: checkIdOrEmpty(message.logId, 'log_id'),
    voters: message.voters.slice(0, VOTERS_MAX).map(toVoter),
    votersMin: message.votersMin,
    logVoters: message.logVoters.slice(0, VOTERS_MAX).map(toVoter),
    group: message.group === '' ? '' : checkGroupId(message.group, 'group'),
    plain: message.plain && {
      isMaster: message.plain.isMaster,
      replicas: message.plain.replicas
        .slice(0, GROUP_REPLICAS_MAX)
        .map((address) => checkText(address, 'plain.replicas', ADDRESS_CHARACTERS_MAX)),
    },
    report: toReport(message),
  };
}

export function fromHeartbeatAnswer(answer: HeartbeatAnswer): HeartbeatResponse {
  const { clusterName, clusterId, mapEpoch, map, group, nodes, isLeased } = answer;
  return {
    $typeName: 'walnut.v1.HeartbeatResponse',
    clusterName,
    clusterId,
    mapEpoch: BigInt(mapEpoch),
    map: map && fromShardMap(map),
    group: group && fromGroup(group),
    leased: isLeased,
    nodes: nodes.map(fromNode),
  };
}

export function toHeartbeatAnswer(message: HeartbeatResponse): HeartbeatAnswer {
  return {
    clusterName: checkText(message.clusterName, 'cluster_name', WORD_CHARACTERS_MAX),
    clusterId: checkIdOrEmpty(message.clusterId, 'cluster_id'),
    mapEpoch: toSafeNumber(message.mapEpoch, 'map_epoch'),
    map: message.map && toShardMap(message.map),
    group: message.group && toGroup(message.group),
    nodes: message.nodes.map(toNode),
    isLeased: message.leased,
  };
}

type ReportFields = 'version' | 'formatLevel' | 'state' | 'reasons' | 'links' | 'oldestWriteMs' | 'load';

function fromReport(report: NodeReport): Pick<HeartbeatRequest, ReportFields> {
  const { version, formatLevel, state, reasons, links, oldestWriteMs } = report;
  return {
    version,
    formatLevel,
    state: fromState(state),
    reasons: reasons.slice(0, LISTED_MAX).map(cutReason),
    links: links.slice(0, LISTED_MAX).map(({ node, agoMs }) => ({
      $typeName: 'walnut.v1.LinkHeard',
      node,
      agoMs: toWholeMs(agoMs),
    })),
    oldestWriteMs: toWholeMs(oldestWriteMs),
    load: {
      $typeName: 'walnut.v1.NodeLoad',
      entries: BigInt(report.entries),
      bytes: BigInt(report.bytes),
      bytesMax: BigInt(report.bytesMax),
    },
  };
}

function toReport(message: HeartbeatRequest): NodeReport {
  const { load } = message;
  return {
    version: checkText(message.version, 'version', WORD_CHARACTERS_MAX),
    formatLevel: message.formatLevel,
    // Nobody decides by it: a node of a later version must not go unheard for a state of its own.
    state: tryState(message.state) ?? 'loading',
    reasons: message.reasons.slice(0, LISTED_MAX).map(cutReason),
    links: message.links.slice(0, LISTED_MAX).map(({ node, agoMs }) => ({
      node: checkNodeName(node, 'links.node'),
      agoMs: toSafeNumber(agoMs, 'links.ago_ms'),
    })),
    oldestWriteMs: toSafeNumber(message.oldestWriteMs, 'oldest_write_ms'),
    entries: toSafeNumber(load?.entries ?? 0n, 'load.entries'),
    bytes: toSafeNumber(load?.bytes ?? 0n, 'load.bytes'),
    bytesMax: toSafeNumber(load?.bytesMax ?? 0n, 'load.bytes_max'),
  };
}

function toRole(wire: WireRole): MemberRole {
  for (const [role, value] of Object.entries(ROLES)) if (value === wire) return role as MemberRole;
  throw invalidArgument(`role is ${wire}: not a role this version knows`);
}

function toWholeMs(ms: number): bigint {
  return BigInt(Math.max(0, Math.round(ms)));
}
