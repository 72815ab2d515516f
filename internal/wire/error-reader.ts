/**
 * Reads errors of Connect, with the details of `errors.proto`, as Walnut's: see `error-codec.ts`.
 * Pure, and free of what only Node has, since the client library reads errors in browsers.
 */
import { Code, type ConnectError } from '@connectrpc/connect';
import {
  LimitExceededSchema,
  LogRangeSchema,
  RefusalSchema,
  type RoutingError,
  RoutingErrorSchema,
  RoutingReason,
} from '#gen/walnut/v1/errors_pb.ts';
import type { Position as PositionMessage } from '#gen/walnut/v1/types_pb.ts';
import { type ErrorCode, type ErrorDetails, WalnutError } from '#model/errors.ts';
import { type Position, parsePosition } from '#model/position.ts';
import type { ShardOwner } from '#model/shard-owner.ts';
import {
  EARLIEST_POSITION_HEADER,
  LEADER_HINT_HEADER,
  RECEIVED_CODES,
  RETRY_AFTER_HEADER,
  WIRE_CODES,
  type WireCode,
} from '#wire/error-codes.ts';

const NAMES = new Map(Object.entries(WIRE_CODES).map(([name, code]) => [code as Code, name as WireCode]));

/** The Connect code in lower case, such as `invalid_argument`; `unknown` for a number that is no code. */
export function codeName(code: Code): WireCode {
  return NAMES.get(code) ?? 'unknown';
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
