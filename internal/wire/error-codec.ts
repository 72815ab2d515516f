/**
 * Converts between Walnut's errors and Connect's, with the details of `errors.proto`.
 * Pure. An error that one node sends arrives at another with the same code, message
 * and details, except that `storage_failed` arrives as `internal`.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import {
  LimitExceededSchema,
  LogRangeSchema,
  RefusalSchema,
  type RoutingError,
  RoutingErrorSchema,
  RoutingReason,
  WatchEndSchema,
} from '#gen/walnut/v1/errors_pb.ts';
import type { Position as PositionMessage } from '#gen/walnut/v1/types_pb.ts';
import {
  type ErrorCode,
  type ErrorDetails,
  type ExceededLimit,
  type ShardOwner,
  WalnutError,
} from '#model/errors.ts';
import { formatPosition, type Position, parsePosition } from '#model/position.ts';
import { formatPositions, POSITIONS_HEADER } from '#wire/call-headers.ts';
import {
  EARLIEST_POSITION_HEADER,
  LEADER_HINT_HEADER,
  MAP_EPOCH_HEADER,
  NEW_NODE_HINT_HEADER,
  RECEIVED_CODES,
  RETRY_AFTER_HEADER,
  SENT_CODES,
  SHARD_ID_HEADER,
  WIRE_CODES,
  type WireCode,
} from '#wire/error-codes.ts';
import { fromPosition } from '#wire/position-codec.ts';
import { endTextOf } from '#wire/resume-text.ts';

type OutgoingDetail = NonNullable<ConstructorParameters<typeof ConnectError>[3]>[number];

/** States that no part of the request was applied. */
export const NOTHING_DONE: OutgoingDetail = { desc: RefusalSchema, value: { nothingDone: true } };

const NAMES = new Map(Object.entries(WIRE_CODES).map(([name, code]) => [code as Code, name as WireCode]));

/** The Connect code in lower case, such as `invalid_argument`; `unknown` for a number that is no code. */
export function codeName(code: Code): WireCode {
  return NAMES.get(code) ?? 'unknown';
}

/** Basic comes second: a program takes the first scheme that it knows. */
const CHALLENGE = 'Bearer realm="walnut", Basic realm="walnut", charset="UTF-8"';

/** An error as a caller without Connect gets it. */
export interface HttpError {
  readonly httpStatus: number;
  readonly code: WireCode;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function fromErrorToHttp(error: WalnutError): HttpError {
  const { code, httpStatus } = SENT_CODES[error.code];
  return { httpStatus, code, message: error.message, headers: headersOf(error.details) };
}

export function fromError(error: WalnutError): ConnectError {
  const code = WIRE_CODES[SENT_CODES[error.code].code];
  return new ConnectError(error.message, code, headersOf(error.details), detailsOf(error));
}

/** Converts an error that another node sent. The result has the original as its cause. */
export function toError(error: ConnectError): WalnutError {
  const [routing] = error.findDetails(RoutingErrorSchema);
  const [range] = error.findDetails(LogRangeSchema);
  const [limit] = error.findDetails(LimitExceededSchema);
  const [refusal] = error.findDetails(RefusalSchema);
  const hinted = error.metadata.get(LEADER_HINT_HEADER);
  const shard = routing && readShard(routing);
  const leaderHint = (hinted ?? (shard === undefined ? routing?.address : undefined)) || undefined;
  const earliest = error.metadata.get(EARLIEST_POSITION_HEADER);
  const details: ErrorDetails = {
    leaderHint,
    shard,
    earliest: earliest === null ? readPosition(range?.earliest) : parsePosition(earliest),
    latest: readPosition(range?.latest),
    limit: limit && { name: limit.name, max: Number(limit.max), size: Number(limit.size) },
    nothingDone: refusal?.nothingDone === true ? true : undefined,
    isNotYet: routing?.reason === RoutingReason.NOT_YET ? true : undefined,
    retryAfterS: readSeconds(error.metadata.get(RETRY_AFTER_HEADER)),
    cause: error,
  };
  // Nodes of v0.1.0 send the header without the detail.
  const reason = routing?.reason ?? (hinted === null ? undefined : RoutingReason.NOT_LEADER);
  return new WalnutError(codeOf(error.code, reason), error.rawMessage, details);
}

function codeOf(code: Code, reason: RoutingReason | undefined): ErrorCode {
  if (code === Code.FailedPrecondition && reason === RoutingReason.NOT_LEADER) return 'not_master';
  if (code === Code.FailedPrecondition && reason === RoutingReason.SHARD_MOVED) return 'shard_moved';
  return RECEIVED_CODES[codeName(code)];
}

/** Undefined where the error is not about a slot. */
function readShard({ reason, slot, group, address, mapEpoch }: RoutingError): ShardOwner | undefined {
  if (reason !== RoutingReason.SHARD_MOVED) return undefined;
  return { slot, group, address, mapEpoch: Number(mapEpoch) };
}

/** Undefined if the position is missing or invalid, so that an error can be read whatever it contains. */
function readPosition(message: PositionMessage | undefined): Position | undefined {
  return message && parsePosition(`${message.epoch}-${message.lsn}`);
}

/** Undefined where it is missing, or a date as others may send it. */
function readSeconds(text: string | null): number | undefined {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

function headersOf({
  leaderHint,
  shard,
  earliest,
  retryAfterS,
  isChallenge,
  seen,
}: ErrorDetails): Record<string, string> {
  const headers: Record<string, string> = shard === undefined ? {} : headersOfShard(shard);
  if (leaderHint !== undefined) headers[LEADER_HINT_HEADER] = leaderHint;
  if (earliest !== undefined) headers[EARLIEST_POSITION_HEADER] = formatPosition(earliest);
  if (retryAfterS !== undefined) headers[RETRY_AFTER_HEADER] = String(retryAfterS);
  if (seen !== undefined) headers[POSITIONS_HEADER] = formatPositions(seen);
  if (isChallenge === true) headers['www-authenticate'] = CHALLENGE;
  return headers;
}

function headersOfShard({ slot, address, mapEpoch }: ShardOwner): Record<string, string> {
  const headers = { [SHARD_ID_HEADER]: String(slot), [MAP_EPOCH_HEADER]: String(mapEpoch) };
  return address === '' ? headers : { ...headers, [NEW_NODE_HINT_HEADER]: address };
}

function detailsOf({ code, details }: WalnutError): OutgoingDetail[] {
  const { shard, leaderHint, isNotYet, earliest, latest, limit, nothingDone } = details;
  const resume = endTextOf(details);
  const sent: OutgoingDetail[] = [];
  if (nothingDone === true) sent.push(NOTHING_DONE);
  if (shard !== undefined) {
    const value = { ...shard, reason: RoutingReason.SHARD_MOVED, mapEpoch: BigInt(shard.mapEpoch) };
    sent.push({ desc: RoutingErrorSchema, value });
  } else if (code === 'not_master' || leaderHint !== undefined || isNotYet === true) {
    const { NOT_LEADER, NOT_NOW, NOT_YET } = RoutingReason;
    const reason = code === 'not_master' ? NOT_LEADER : isNotYet === true ? NOT_YET : NOT_NOW;
    sent.push({ desc: RoutingErrorSchema, value: { reason, address: leaderHint ?? '' } });
  }
  if (limit !== undefined) sent.push(limitDetail(limit));
  if (resume !== undefined) sent.push({ desc: WatchEndSchema, value: { resume } });
  if (earliest !== undefined) {
    const value = { earliest: fromPosition(earliest), latest: latest && fromPosition(latest) };
    sent.push({ desc: LogRangeSchema, value });
  }
  return sent;
}

function limitDetail({ name, max, size }: ExceededLimit): OutgoingDetail {
  return {
    desc: LimitExceededSchema,
    value: { name, max: BigInt(Math.floor(max)), size: BigInt(Math.floor(size)) },
  };
}
