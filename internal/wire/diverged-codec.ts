/** Converts DivergedList and DivergedShow between protobuf and the model. */
import type {
  DivergedListResponse,
  DivergedShowRequest,
  DivergedShowResponse,
} from '#gen/walnut/v1/admin_pb.ts';
import type { DivergedReport, DivergedSlice } from '#model/diverged.ts';
import { invalidArgument } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import { fromPosition, toLsnField } from '#wire/position-codec.ts';
import { fromUpdate, UPDATES_BYTES_MAX } from '#wire/scan-codec.ts';

const SLICE_BYTES_DEFAULT = 1 << 20;

export function fromDivergedList(tails: readonly DivergedReport[]): DivergedListResponse {
  return {
    $typeName: 'walnut.v1.DivergedListResponse',
    tails: tails.map((tail) => ({
      $typeName: 'walnut.v1.DivergedTail',
      id: tail.id,
      firstLsn: BigInt(tail.fromLsn),
      last: fromPosition(tail.last),
      reason: tail.reason,
      sinceMs: BigInt(tail.sinceMs),
      upstream: tail.upstream,
      files: [...tail.files],
      bytes: BigInt(tail.bytes),
    })),
  };
}

/** Throws `invalid_argument` if `max_bytes` is above the limit of one answer. */
export function toDivergedShow(request: DivergedShowRequest): {
  readonly id: number;
  readonly afterLsn: Lsn;
  readonly bytesMax: number;
} {
  if (request.maxBytes > UPDATES_BYTES_MAX) {
    throw invalidArgument(`max_bytes is ${request.maxBytes}: expected at most ${UPDATES_BYTES_MAX}`);
  }
  return {
    id: request.id,
    afterLsn: toLsnField(request.afterLsn, 'after_lsn'),
    bytesMax: request.maxBytes || SLICE_BYTES_DEFAULT,
  };
}

export function fromDivergedSlice(slice: DivergedSlice): DivergedShowResponse {
  return {
    $typeName: 'walnut.v1.DivergedShowResponse',
    entries: slice.updates.map(fromUpdate),
    lastLsn: BigInt(slice.lastLsn),
    end: slice.isEnd,
    damage: slice.damage,
  };
}
