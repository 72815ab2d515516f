/** Converts positions and entries between protobuf and the model. Pure; bad input throws `invalid_argument`. */
import { GROUP_ID_FORM, isGroupId } from '#cluster/names.ts';
import type { Entry as EntryMessage, Position as PositionMessage } from '#gen/walnut/v1/types_pb.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import { type Lsn, NO_LSN, NO_POSITION, type Position } from '#model/position.ts';
import { toSafeNumber } from '#wire/numbers.ts';

export function toLsnField(value: bigint, field: string): Lsn {
  return value === 0n ? NO_LSN : (toSafeNumber(value, field) as Lsn);
}

export function toPosition(message: PositionMessage, field: string): Position {
  const position = {
    epoch: toSafeNumber(message.epoch, `${field}.epoch`),
    lsn: toLsnField(message.lsn, `${field}.lsn`),
  };
  const { group } = message;
  if (group === '') return position;
  if (isGroupId(group)) return { ...position, group };
  throw invalidArgument(`${field}.group: expected ${GROUP_ID_FORM}, or nothing`);
}

/** Converts a position; an unset one becomes `NO_POSITION`. */
export function toPositionOrNone(message: PositionMessage | undefined, field: string): Position {
  return message === undefined ? NO_POSITION : toPosition(message, field);
}

export function fromPosition({ epoch, lsn, group = '' }: Position): PositionMessage {
  return { $typeName: 'walnut.v1.Position', epoch: BigInt(epoch), lsn: BigInt(lsn), group };
}

export function fromEntry(entry: Entry): EntryMessage {
  return {
    $typeName: 'walnut.v1.Entry',
    key: entry.key,
    value: entry.value,
    version: fromPosition(entry.version),
    expireAtMs: BigInt(entry.expireAtMs),
    contentType: entry.contentType ?? '',
    modifiedMs: BigInt(entry.modifiedMs ?? 0),
    ...(entry.valueBytes === undefined ? {} : { valueBytes: BigInt(entry.valueBytes) }),
  };
}
