/**
 * What a session has seen of the groups of a cluster, as `x-walnut-positions` tells it both ways:
 * for each group its newest position, and those of earlier epochs that no read had to include. Pure.
 */
import { create } from '@bufbuild/protobuf';
import { type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import type { Lsn } from '#model/position.ts';
import { formatPositions, parsePositions } from '#wire/call-headers.ts';
import { fromPosition } from '#wire/position-codec.ts';

/** Positions of one group. */
const OF_GROUP_MAX = 5;
/** Every number of a position is below. */
const NUMBER_END = 2n ** 53n;

/** Each with its group; the newest last. */
export type GroupPositions = readonly Position[];

export function formatHeader(seen: GroupPositions): string {
  return formatPositions(
    seen.map(({ group, epoch, lsn }) => ({ group, epoch: Number(epoch), lsn: Number(lsn) as Lsn })),
  );
}

/** Undefined for a text that no gateway sends. */
export function parseHeader(text: string): GroupPositions | undefined {
  try {
    return parsePositions(text).map(fromPosition);
  } catch {
    return undefined;
  }
}

/** Null where it is none: `match` has the group, the epoch and the LSN. */
export function positionOf([, group = '', epoch = '', lsn = '']: readonly string[]): Position | null {
  const position = create(PositionSchema, { group, epoch: BigInt(epoch), lsn: BigInt(lsn) });
  const isOne = position.lsn > 0n && position.lsn < NUMBER_END && position.epoch < NUMBER_END;
  return isOne ? position : null;
}

/** Both: of each epoch the later position. */
export function withPositions(seen: GroupPositions, more: GroupPositions): GroupPositions {
  return more.reduce(withPosition, seen);
}

function withPosition(seen: GroupPositions, position: Position): GroupPositions {
  const same = seen.find((one) => isOfOneEpoch(one, position));
  if (same !== undefined && same.lsn >= position.lsn) return seen;
  const others = seen.filter((one) => one !== same);
  const own = others.filter(({ group }) => group === position.group);
  const [oldest] = own.length >= OF_GROUP_MAX ? own : [];
  return [...others.filter((one) => one !== oldest), position];
}

/**
 * What is seen once an answer said so, of a call that brought `sent`. What the answer does not
 * repeat is included in what it says, or lost where it says nothing of the group any more.
 */
export function afterAnswer(
  seen: GroupPositions,
  sent: GroupPositions,
  answered: GroupPositions,
): GroupPositions {
  const isGone = (one: Position): boolean => {
    const brought = sent.find((each) => isOfOneEpoch(each, one));
    if (brought === undefined || answered.some((each) => isOfOneEpoch(each, one))) return false;
    // A later position of an epoch that is lost is lost, too.
    return one.lsn <= brought.lsn || !answered.some(({ group }) => group === one.group);
  };
  return withPositions(
    seen.filter((one) => !isGone(one)),
    answered,
  );
}

function isOfOneEpoch(one: Position, other: Position): boolean {
  return one.group === other.group && one.epoch === other.epoch;
}
