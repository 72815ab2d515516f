/** Converts Claim, Announce, TakeOver, Promote and Failover between protobuf and the model. */
import type {
  FailoverRequest as FailoverRequestMessage,
  FailoverResponse,
  PromoteResponse,
} from '#gen/walnut/v1/admin_pb.ts';
import type {
  AnnounceRequest as AnnounceRequestMessage,
  AnnounceResponse,
  ClaimRequest as ClaimRequestMessage,
  ClaimResponse,
  TakeOverRequest as TakeOverRequestMessage,
  TakeOverResponse,
} from '#gen/walnut/v1/replication_pb.ts';
import { ADDRESS_CHARACTERS_MAX } from '#model/address.ts';
import type {
  AnnounceAnswer,
  AnnounceRequest,
  ClaimAnswer,
  ClaimRequest,
  FailoverAnswer,
  PromoteAnswer,
  TakeOverAnswer,
  TakeOverRequest,
} from '#model/leadership.ts';
import { checkAddress, checkText, checkWaitMs, cutReason } from '#wire/numbers.ts';
import { fromPosition, toPositionOrNone } from '#wire/position-codec.ts';
import { checkId, checkTerm, fromChainPoint, toChainPoint, toIdOrNone } from '#wire/replication-codec.ts';

export function toClaimRequest(message: ClaimRequestMessage): ClaimRequest {
  return {
    logId: checkId(message.logId, 'log_id'),
    term: checkTerm(message.term),
    nodeId: checkId(message.nodeId, 'node_id'),
    receiverNodeId: toIdOrNone(message.receiverNodeId, 'receiver_node_id'),
  };
}

export function fromClaimRequest(request: ClaimRequest): ClaimRequestMessage {
  return {
    $typeName: 'walnut.v1.ClaimRequest',
    ...request,
    receiverNodeId: request.receiverNodeId ?? '',
  };
}

export function toClaimAnswer(response: ClaimResponse): ClaimAnswer {
  return {
    isGranted: response.granted,
    term: checkTerm(response.term),
    reason: cutReason(response.reason),
    tail: toPositionOrNone(response.tail, 'tail'),
    hasNoVote: response.noVote,
    nodeId: toIdOrNone(response.nodeId, 'node_id'),
  };
}

export function fromClaimAnswer(answer: ClaimAnswer): ClaimResponse {
  return {
    $typeName: 'walnut.v1.ClaimResponse',
    granted: answer.isGranted,
    term: answer.term,
    reason: answer.reason,
    tail: fromPosition(answer.tail),
    noVote: answer.hasNoVote,
    nodeId: answer.nodeId ?? '',
  };
}

export function toAnnounceRequest(message: AnnounceRequestMessage): AnnounceRequest {
  return {
    logId: checkId(message.logId, 'log_id'),
    term: checkTerm(message.term),
    nodeId: checkId(message.nodeId, 'node_id'),
    advertise: checkText(message.advertise, 'advertise', ADDRESS_CHARACTERS_MAX),
  };
}

export function fromAnnounceRequest(request: AnnounceRequest): AnnounceRequestMessage {
  return { $typeName: 'walnut.v1.AnnounceRequest', ...request };
}

export function toAnnounceAnswer(response: AnnounceResponse): AnnounceAnswer {
  return { fencedBy: response.fenced === undefined ? undefined : checkTerm(response.fenced.term) };
}

export function fromAnnounceAnswer(answer: AnnounceAnswer): AnnounceResponse {
  const { fencedBy } = answer;
  return {
    $typeName: 'walnut.v1.AnnounceResponse',
    fenced: fencedBy === undefined ? undefined : { $typeName: 'walnut.v1.Fenced', term: fencedBy },
  };
}

export function toTakeOverRequest(message: TakeOverRequestMessage): TakeOverRequest {
  return {
    logId: checkId(message.logId, 'log_id'),
    term: checkTerm(message.term),
    nodeId: checkId(message.nodeId, 'node_id'),
    tail: toChainPoint(message.tail, 'tail'),
    isCheck: message.checkOnly,
    replicaNodeId: toIdOrNone(message.replicaNodeId, 'replica_node_id'),
  };
}

export function fromTakeOverRequest(request: TakeOverRequest): TakeOverRequestMessage {
  return {
    $typeName: 'walnut.v1.TakeOverRequest',
    logId: request.logId,
    term: request.term,
    nodeId: request.nodeId,
    tail: fromChainPoint(request.tail),
    checkOnly: request.isCheck,
    replicaNodeId: request.replicaNodeId ?? '',
  };
}

export function toTakeOverAnswer(response: TakeOverResponse): TakeOverAnswer {
  const nodeId = toIdOrNone(response.nodeId, 'node_id');
  return { isAccepted: response.accepted, reason: cutReason(response.reason), nodeId };
}

export function fromTakeOverAnswer(answer: TakeOverAnswer): TakeOverResponse {
  return {
    $typeName: 'walnut.v1.TakeOverResponse',
    accepted: answer.isAccepted,
    reason: answer.reason,
    nodeId: answer.nodeId ?? '',
  };
}

export function fromPromoteAnswer(answer: PromoteAnswer): PromoteResponse {
  return {
    $typeName: 'walnut.v1.PromoteResponse',
    term: answer.term,
    position: fromPosition(answer.position),
    promoted: answer.isPromoted,
  };
}

/** Throws `invalid_argument` if the address is no `host:port` or the time is too long. */
export function toFailover(message: FailoverRequestMessage): { to: string; timeoutMs: number } {
  return {
    to: checkAddress(message.to, 'to'),
    timeoutMs: checkWaitMs(message.timeoutMs, 'timeout_ms'),
  };
}

export function fromFailoverAnswer(answer: FailoverAnswer): FailoverResponse {
  return {
    $typeName: 'walnut.v1.FailoverResponse',
    term: answer.term,
    position: fromPosition(answer.position),
    pausedMs: BigInt(Math.ceil(answer.pausedMs)),
  };
}
