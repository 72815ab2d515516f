/**
 * Converts Walnut's errors to Connect's, with the details of `errors.proto`; `error-reader.ts`
 * is the way back. Pure. An error that one node sends arrives at another with the same code,
 * message and details, except that `storage_failed` arrives as `internal`.
 */
import { ConnectError } from '@connectrpc/connect';
import {
  LimitExceededSchema,
  LogRangeSchema,
  RefusalSchema,
  RoutingErrorSchema,
  RoutingReason,
  WatchEndSchema,
} from '#gen/walnut/v1/errors_pb.ts';
import type { ErrorDetails, ExceededLimit, WalnutError } from '#model/errors.ts';
import { formatPosition } from '#model/position.ts';
import type { ShardOwner } from '#model/shard-owner.ts';
import { formatPositions, POSITIONS_HEADER } from '#wire/call-headers.ts';
import {
  EARLIEST_POSITION_HEADER,
  LEADER_HINT_HEADER,
  MAP_EPOCH_HEADER,
  NEW_NODE_HINT_HEADER,
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

/** Basic comes second: a program takes the first scheme that it knows. */
const CHALLENGE = 'Bearer realm="walnut", Basic realm="walnut", charset="UTF-8"';

/** An error as a caller without Connect gets it. */
export interface HttpError {
  readonly httpStatus: number;
  readonly code: WireCode;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly nothingDone?: true | undefined;
}

export function fromErrorToHttp(error: WalnutError): HttpError {
  const { code, httpStatus } = SENT_CODES[error.code];
  const { message, details } = error;
  return { httpStatus, code, message, headers: headersOf(details), nothingDone: details.nothingDone };
}

export function fromError(error: WalnutError): ConnectError {
  const code = WIRE_CODES[SENT_CODES[error.code].code];
  return new ConnectError(error.message, code, headersOf(error.details), detailsOf(error));
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
