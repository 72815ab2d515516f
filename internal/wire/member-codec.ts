/**
 * Converts the service Member between protobuf and the cluster's values, in both
 * directions: a coordinator encodes requests, a node encodes answers. Pure; bad input
 * throws `invalid_argument`.
 */
import type {
  HandOverAnswer,
  HandOverRequest,
  LeadAnswer,
  LeadRequest,
  TermClaim,
  TermClaimAnswer,
  ToMember,
} from '#cluster/member-port.ts';
import type {
  ClaimRequest,
  ClaimResponse,
  EpochStart as EpochStartMessage,
  HandOverRequest as HandOverMessage,
  HandOverResponse,
  TakeOverRequest,
  TakeOverResponse,
} from '#gen/walnut/cluster/v1/member_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import type { EpochStart } from '#model/position.ts';
import { cutReason, toSafeNumber } from '#wire/numbers.ts';
import { toLsnField } from '#wire/position-codec.ts';
import { checkId, checkTerm } from '#wire/replication-codec.ts';
import {
  checkGroupId,
  checkNodeName,
  fromShardMap,
  fromTail,
  fromVoter,
  toShardMap,
  toTail,
  toVoter,
} from '#wire/shard-map-codec.ts';

export function fromTermClaim({ clusterId, node, group, logId, term, isCheck }: TermClaim): ClaimRequest {
  const to = { clusterId, node, group, logId };
  return { $typeName: 'walnut.cluster.v1.ClaimRequest', ...to, term, checkOnly: isCheck };
}

export function toTermClaim(message: ClaimRequest): TermClaim {
  return { ...toWhom(message), term: checkTerm(message.term), isCheck: message.checkOnly };
}

export function fromTermClaimAnswer(answer: TermClaimAnswer): ClaimResponse {
  return {
    $typeName: 'walnut.cluster.v1.ClaimResponse',
    granted: answer.isGranted,
    term: answer.term,
    reason: answer.reason,
    voter: fromVoter(answer.voter),
    tail: fromTail(answer.tail),
    epochs: answer.epochs.map(fromEpochStart),
    quarantined: answer.isQuarantined,
    loading: answer.isLoading,
  };
}

export function toTermClaimAnswer(message: ClaimResponse): TermClaimAnswer {
  return {
    isGranted: message.granted,
    term: checkTerm(message.term),
    reason: cutReason(message.reason),
    voter: toVoter(required(message.voter, 'voter')),
    tail: toTail(message.tail, 'tail'),
    epochs: message.epochs.map(toEpochStart),
    isQuarantined: message.quarantined,
    isLoading: message.loading,
  };
}

export function fromLeadRequest(request: LeadRequest): TakeOverRequest {
  const { clusterId, node, group, logId, term, incarnation, tail, map } = request;
  return {
    $typeName: 'walnut.cluster.v1.TakeOverRequest',
    ...{ clusterId, node, group, logId, term },
    incarnation: BigInt(incarnation),
    tail: fromTail(tail),
    map: fromShardMap(map),
  };
}

export function toLeadRequest(message: TakeOverRequest): LeadRequest {
  return {
    ...toWhom(message),
    term: checkTerm(message.term),
    incarnation: toSafeNumber(message.incarnation, 'incarnation'),
    tail: toTail(message.tail, 'tail'),
    map: toShardMap(required(message.map, 'map')),
  };
}

export function fromLeadAnswer({ isAccepted, reason, term }: LeadAnswer): TakeOverResponse {
  return { $typeName: 'walnut.cluster.v1.TakeOverResponse', accepted: isAccepted, reason, term };
}

export function toLeadAnswer({ accepted, reason, term }: TakeOverResponse): LeadAnswer {
  return { isAccepted: accepted, reason: cutReason(reason), term: checkTerm(term) };
}

export function fromHandOver({
  clusterId,
  node,
  group,
  logId,
  term,
  next,
}: HandOverRequest): HandOverMessage {
  return {
    $typeName: 'walnut.cluster.v1.HandOverRequest',
    ...{ clusterId, node, group, logId, term },
    next: { $typeName: 'walnut.cluster.v1.NextLeader', ...next },
  };
}

export function toHandOver(message: HandOverMessage): HandOverRequest {
  const next = required(message.next, 'next');
  return {
    ...toWhom(message),
    term: checkTerm(message.term),
    next: { term: checkTerm(next.term), node: checkNodeName(next.node, 'next.node') },
  };
}

export function fromHandOverAnswer({ isAccepted, leadsOn, reason }: HandOverAnswer): HandOverResponse {
  return { $typeName: 'walnut.cluster.v1.HandOverResponse', accepted: isAccepted, reason, leadsOn };
}

export function toHandOverAnswer({ accepted, leadsOn, reason }: HandOverResponse): HandOverAnswer {
  return { isAccepted: accepted, leadsOn, reason: cutReason(reason) };
}

function toWhom({ clusterId, node, group, logId }: ToMember): ToMember {
  return {
    clusterId: checkId(clusterId, 'cluster_id'),
    node: checkNodeName(node, 'node'),
    group: checkGroupId(group, 'group'),
    logId: checkId(logId, 'log_id'),
  };
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw invalidArgument(`${field} is missing: expected in every message`);
  return value;
}

function fromEpochStart({ epoch, firstLsn }: EpochStart): EpochStartMessage {
  return {
    $typeName: 'walnut.cluster.v1.EpochStart',
    epoch: BigInt(epoch),
    firstLsn: BigInt(firstLsn),
  };
}

function toEpochStart({ epoch, firstLsn }: EpochStartMessage): EpochStart {
  return {
    epoch: toSafeNumber(epoch, 'epochs.epoch'),
    firstLsn: toLsnField(firstLsn, 'epochs.first_lsn'),
  };
}
