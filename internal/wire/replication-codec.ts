/**
 * Converts Replication between protobuf and the model, in both directions: the server
 * decodes requests and encodes answers, a peer encodes requests and decodes answers.
 * Frames are not changed; they are views of the message's buffer.
 */
import {
  type ChainPoint as ChainPointMessage,
  type DigestMismatch as DigestMismatchMessage,
  type EpochStart as EpochStartMessage,
  type Group,
  type RegisterRequest as RegisterRequestMessage,
  type RegisterResponse,
  type ReplicateRequest as ReplicateRequestMessage,
  type ReplicateResponse,
  ResyncVerdict as WireVerdict,
} from '#gen/walnut/v1/replication_pb.ts';
import { ADDRESS_CHARACTERS_MAX } from '#model/address.ts';
import { invalidArgument } from '#model/errors.ts';
import {
  CONFIGURED_REPLICAS_MAX,
  HOT_KEYS_BYTES_MAX,
  KNOWN_REPLICAS_MAX,
  REMOVED_REPLICAS_MAX,
  utf8Length,
} from '#model/limits.ts';
import { type EpochStart, NO_LSN, TERM_MAX } from '#model/position.ts';
import type {
  ChainPoint,
  DigestMismatch,
  GroupMembers,
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
  ReplicateVerdict,
  ResyncVerdict,
} from '#model/replication.ts';
import { fromMemberAck, MEMBER_CHARACTERS_MAX, toMemberAck } from '#wire/member-ack-codec.ts';
import { checkAddress, checkText, cutReason, toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toLsnField, toPositionOrNone } from '#wire/position-codec.ts';

const ID_PATTERN = /^[0-9a-f]{32}$/;
/** The longest chain of replicas that follow replicas. */
const UPSTREAM_PATH_MAX = 64;
const REASON_LENGTH_MAX = 512;
/** Most addresses that a master knows. From a longer list, sent by version 0.1, only the newest are read. */
export const GROUP_REPLICAS_MAX = KNOWN_REPLICAS_MAX + CONFIGURED_REPLICAS_MAX;
const NO_GROUP: GroupMembers = { replicas: [], removed: [], nodes: [] };
const NO_CHAIN_POINT: ChainPoint = { epoch: 0, lsn: NO_LSN, crc: 0 };

/** Throws `invalid_argument` unless `text` is a 128-bit identity as 32 lower-case hex digits. */
export function checkId(text: string, field: string): string {
  if (!ID_PATTERN.test(text)) {
    const shown = JSON.stringify(text.slice(0, 40).toWellFormed());
    throw invalidArgument(`${field} is ${shown}: expected 32 lower-case hex digits`);
  }
  return text;
}

/** Accepts an empty log id, because fresh replicas have none. */
export function checkIdOrEmpty(text: string, field: string): string {
  return text === '' ? text : checkId(text, field);
}

/** Accepts an empty id, because nodes of version 0.1 send none. */
export function toIdOrNone(text: string, field: string): string | undefined {
  return text === '' ? undefined : checkId(text, field);
}

export function checkTerm(term: number): number {
  if (term > TERM_MAX) throw invalidArgument(`term is ${term}: expected at most ${TERM_MAX}`);
  return term;
}

export function toRegisterRequest(message: RegisterRequestMessage): RegisterRequest {
  if (message.upstreamPath.length > UPSTREAM_PATH_MAX) {
    throw invalidArgument(
      `upstream_path has ${message.upstreamPath.length} nodes: expected at most ${UPSTREAM_PATH_MAX}`,
    );
  }
  return {
    nodeId: checkId(message.nodeId, 'node_id'),
    incarnation: checkText(message.incarnation, 'incarnation', 64),
    advertise: checkText(message.advertise, 'advertise', ADDRESS_CHARACTERS_MAX),
    logId: checkIdOrEmpty(message.logId, 'log_id'),
    tail: toChainPoint(message.tail, 'tail'),
    upstreamPath: message.upstreamPath.map((id) => checkId(id, 'upstream_path')),
    fullResyncReason: checkText(message.fullResyncReason, 'full_resync_reason', REASON_LENGTH_MAX),
    applyDelayMs: toSafeNumber(message.applyDelayMs, 'apply_delay_ms'),
    term: checkTerm(message.term),
    ...toStatedLevel(message.formatLevel),
    ...(message.member === ''
      ? {}
      : { memberNode: checkText(message.member, 'member', MEMBER_CHARACTERS_MAX) }),
  };
}

export function fromRegisterRequest(request: RegisterRequest): RegisterRequestMessage {
  return {
    $typeName: 'walnut.v1.RegisterRequest',
    nodeId: request.nodeId,
    incarnation: request.incarnation,
    advertise: request.advertise,
    logId: request.logId,
    tail: fromChainPoint(request.tail),
    upstreamPath: [...request.upstreamPath],
    fullResyncReason: (request.fullResyncReason ?? '').slice(0, REASON_LENGTH_MAX),
    applyDelayMs: BigInt(request.applyDelayMs),
    term: request.term,
    formatLevel: request.formatLevel ?? 0,
    member: request.memberNode ?? '',
  };
}

export function toRegisterAnswer(response: RegisterResponse): RegisterAnswer {
  return {
    masterNodeId: checkId(response.masterNodeId, 'master_node_id'),
    logId: checkId(response.logId, 'log_id'),
    term: checkTerm(response.term),
    epochs: response.epochs.map(toEpochStart),
    latest: toChainPoint(response.latest, 'latest'),
    logClockMs: toSafeNumber(response.logClockMs, 'log_clock_ms'),
    verdict: toResyncVerdict(response),
    address: checkText(response.address, 'address', ADDRESS_CHARACTERS_MAX),
    group: response.group === undefined ? NO_GROUP : toGroup(response.group),
    ...toStatedLevel(response.formatLevel),
  };
}

function toResyncVerdict(response: RegisterResponse): ResyncVerdict {
  switch (response.verdict) {
    case WireVerdict.CONTINUE:
      return { kind: 'continue' };
    case WireVerdict.SNAPSHOT:
      return { kind: 'snapshot', reason: cutReason(response.reason) };
    case WireVerdict.CONFLICT:
      return { kind: 'conflict', reason: cutReason(response.reason) };
    default:
      throw invalidArgument(`verdict is ${response.verdict}: not one this version knows`);
  }
}

const VERDICTS: Readonly<Record<ResyncVerdict['kind'], WireVerdict>> = {
  continue: WireVerdict.CONTINUE,
  snapshot: WireVerdict.SNAPSHOT,
  conflict: WireVerdict.CONFLICT,
};

export function fromRegisterAnswer(answer: RegisterAnswer): RegisterResponse {
  return {
    $typeName: 'walnut.v1.RegisterResponse',
    masterNodeId: answer.masterNodeId,
    logId: answer.logId,
    term: answer.term,
    epochs: answer.epochs.map(fromEpochStart),
    latest: fromChainPoint(answer.latest),
    logClockMs: BigInt(Math.floor(answer.logClockMs)),
    verdict: VERDICTS[answer.verdict.kind],
    reason: answer.verdict.kind === 'continue' ? '' : answer.verdict.reason,
    address: answer.address,
    group: fromGroup(answer.group),
    formatLevel: answer.formatLevel ?? 0,
  };
}

export function toReplicateRequest(message: ReplicateRequestMessage): ReplicateRequest {
  return {
    masterNodeId: checkId(message.masterNodeId, 'master_node_id'),
    logId: checkId(message.logId, 'log_id'),
    term: checkTerm(message.term),
    previous: toChainPoint(message.previous, 'previous'),
    frames: message.frames,
    durableLsn: toLsnField(message.durableLsn, 'durable_lsn'),
    logClockMs: toSafeNumber(message.logClockMs, 'log_clock_ms'),
    ackWhenDurable: message.ackWhenDurable,
    digest: checkIdOrEmpty(message.digest, 'digest'),
    group: message.group === undefined ? undefined : toGroup(message.group),
    replicaNodeId: toIdOrNone(message.replicaNodeId, 'replica_node_id'),
  };
}

export function fromReplicateRequest(request: ReplicateRequest): ReplicateRequestMessage {
  return {
    $typeName: 'walnut.v1.ReplicateRequest',
    masterNodeId: request.masterNodeId,
    logId: request.logId,
    term: request.term,
    previous: fromChainPoint(request.previous),
    frames: request.frames,
    durableLsn: BigInt(request.durableLsn),
    logClockMs: BigInt(Math.floor(request.logClockMs)),
    ackWhenDurable: request.ackWhenDurable,
    digest: request.digest ?? '',
    group: request.group === undefined ? undefined : fromGroup(request.group),
    replicaNodeId: request.replicaNodeId ?? '',
  };
}

export function toReplicateAnswer(response: ReplicateResponse): ReplicateAnswer {
  return {
    verdict: toReplicateVerdict(response.refusal),
    nodeId: toIdOrNone(response.nodeId, 'node_id'),
    durable: toPositionOrNone(response.durable, 'durable'),
    appliedLsn: toLsnField(response.appliedLsn, 'applied_lsn'),
    hotKeys: toHotKeys(response.hotKeys),
    digestMismatch: toDigestMismatch(response.digestMismatch),
    ...toMemberAck(response.member),
  };
}

/** Cuts a hint that is over its bound instead of refusing it, because nothing depends on it. */
function toHotKeys(keys: readonly string[]): readonly string[] {
  let bytes = 0;
  return keys.filter((key) => {
    bytes += utf8Length(key);
    return bytes <= HOT_KEYS_BYTES_MAX;
  });
}

function toDigestMismatch(message: DigestMismatchMessage | undefined): DigestMismatch | undefined {
  if (message === undefined) return undefined;
  return {
    lsn: toLsnField(message.lsn, 'digest_mismatch.lsn'),
    stated: checkId(message.stated, 'digest_mismatch.stated'),
    found: checkId(message.found, 'digest_mismatch.found'),
  };
}

function fromDigestMismatch({ lsn, stated, found }: DigestMismatch): DigestMismatchMessage {
  return { $typeName: 'walnut.v1.DigestMismatch', lsn: BigInt(lsn), stated, found };
}

function toReplicateVerdict(refusal: ReplicateResponse['refusal']): ReplicateVerdict {
  switch (refusal.case) {
    case undefined:
      return { kind: 'ok' };
    case 'need':
      return { kind: 'need', tail: toChainPoint(refusal.value, 'need') };
    case 'historyConflict':
      return { kind: 'conflict', epochs: refusal.value.epochs.map(toEpochStart) };
    case 'fenced':
      return { kind: 'fenced', term: checkTerm(refusal.value.term) };
  }
}

export function fromReplicateAnswer(answer: ReplicateAnswer): ReplicateResponse {
  return {
    $typeName: 'walnut.v1.ReplicateResponse',
    durable: fromPosition(answer.durable),
    appliedLsn: BigInt(answer.appliedLsn),
    refusal: fromReplicateVerdict(answer.verdict),
    hotKeys: [...(answer.hotKeys ?? [])],
    digestMismatch:
      answer.digestMismatch === undefined ? undefined : fromDigestMismatch(answer.digestMismatch),
    nodeId: answer.nodeId ?? '',
    member: fromMemberAck(answer.member),
  };
}

function fromReplicateVerdict(verdict: ReplicateVerdict): ReplicateResponse['refusal'] {
  switch (verdict.kind) {
    case 'ok':
      return { case: undefined };
    case 'need':
      return { case: 'need', value: fromChainPoint(verdict.tail) };
    case 'conflict':
      return {
        case: 'historyConflict',
        value: { $typeName: 'walnut.v1.HistoryConflict', epochs: verdict.epochs.map(fromEpochStart) },
      };
    case 'fenced':
      return { case: 'fenced', value: { $typeName: 'walnut.v1.Fenced', term: verdict.term } };
  }
}

function toGroup(message: Group): GroupMembers {
  const newest = <T>(list: readonly T[], max: number): readonly T[] => list.slice(-max);
  return {
    replicas: newest(message.replicas, GROUP_REPLICAS_MAX).map((one) => checkAddress(one, 'group.replicas')),
    removed: newest(message.removed, REMOVED_REPLICAS_MAX).map((one) => checkAddress(one, 'group.removed')),
    nodes: newest(message.nodes, GROUP_REPLICAS_MAX + REMOVED_REPLICAS_MAX).map(
      ({ address, nodeId, formatLevel }) => ({
        address: checkAddress(address, 'group.nodes.address'),
        nodeId: checkId(nodeId, 'group.nodes.node_id'),
        ...toStatedLevel(formatLevel),
      }),
    ),
  };
}

function fromGroup(group: GroupMembers): Group {
  return {
    $typeName: 'walnut.v1.Group',
    replicas: [...group.replicas],
    removed: [...group.removed],
    nodes: group.nodes.map(({ address, nodeId, formatLevel = 0 }) => ({
      $typeName: 'walnut.v1.NodeAddress',
      address,
      nodeId,
      formatLevel,
    })),
  };
}

/** Absent from a node that states none: level 0. */
function toStatedLevel(formatLevel: number): { formatLevel?: number } {
  return formatLevel === 0 ? {} : { formatLevel };
}

export function toChainPoint(message: ChainPointMessage | undefined, field: string): ChainPoint {
  if (message === undefined) return NO_CHAIN_POINT;
  return {
    epoch: toSafeNumber(message.epoch, `${field}.epoch`),
    lsn: toLsnField(message.lsn, `${field}.lsn`),
    crc: message.crc,
  };
}

export function fromChainPoint(point: ChainPoint): ChainPointMessage {
  return {
    $typeName: 'walnut.v1.ChainPoint',
    epoch: BigInt(point.epoch),
    lsn: BigInt(point.lsn),
    crc: point.crc,
  };
}

function toEpochStart(message: EpochStartMessage): EpochStart {
  return {
    epoch: toSafeNumber(message.epoch, 'epochs.epoch'),
    firstLsn: toLsnField(message.firstLsn, 'epochs.first_lsn'),
  };
}

function fromEpochStart(start: EpochStart): EpochStartMessage {
  return {
    $typeName: 'walnut.v1.EpochStart',
    epoch: BigInt(start.epoch),
    firstLsn: BigInt(start.firstLsn),
  };
}
