/** What an error says to programs, as the messages of `errors.proto`. Pure. */
import type { ConnectError } from '@connectrpc/connect';
import {
  LimitExceededSchema,
  LogRangeSchema,
  RefusalSchema,
  RoutingErrorSchema,
  RoutingReason,
} from '#gen/walnut/v1/errors_pb.ts';
import type { ExceededLimit, WalnutError } from '#model/errors.ts';
import { fromPosition } from '#wire/position-codec.ts';

type OutgoingDetail = NonNullable<ConstructorParameters<typeof ConnectError>[3]>[number];

/** Nothing of the request was done. */
export const NOTHING_DONE: OutgoingDetail = { desc: RefusalSchema, value: { nothingDone: true } };

export function toErrorDetails({ code, details }: WalnutError): OutgoingDetail[] {
  const { leaderHint, earliest, latest, limit, nothingDone } = details;
  const sent: OutgoingDetail[] = [];
  if (nothingDone === true) sent.push(NOTHING_DONE);
  if (code === 'not_master' || leaderHint !== undefined) {
    const reason = code === 'not_master' ? RoutingReason.NOT_LEADER : RoutingReason.NOT_NOW;
    sent.push({ desc: RoutingErrorSchema, value: { reason, address: leaderHint ?? '' } });
  }
  if (limit !== undefined) sent.push(limitDetail(limit));
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
