/**
 * What a session has seen of the groups of a cluster: positions, each with the id of its group.
 *
 * A group nearly always has one position. If a write is answered in another epoch than what was
 * seen before, nobody has said yet that the history of that epoch includes it, so both positions
 * stay until a read had to include both. Pure.
 */
import { isAhead, type Position } from '#model/position.ts';

/** The newest last. */
export type Seen = readonly Position[];

/** Positions of one group: its newest, and those of so many earlier epochs that no read has included. */
const UNPROVEN_MAX = 4;
/** Positions of one group. Each but one costs a read a question. */
export const OF_GROUP_MAX = UNPROVEN_MAX + 1;

/** What a state must include to be shown to a session. */
export interface Needed {
  readonly atLeast: Position | undefined;
  /** Positions of other epochs than that of `atLeast`, which must be in the history of the group, too. */
  readonly earlier: readonly Position[];
}

/** What positions of one group ask for together. */
export function neededOf(positions: readonly Position[]): Needed {
  let atLeast: Position | undefined;
  for (const position of positions)
    if (atLeast === undefined || isAhead(position, atLeast)) atLeast = position;
  return { atLeast, earlier: positions.filter(({ epoch }) => epoch !== atLeast?.epoch) };
}

/** What was seen of the group. */
export function seenOf(seen: Seen, group: string): readonly Position[] {
  return seen.filter((one) => one.group === group);
}

/** Nothing of the group was seen any more. */
export function withoutGroup(seen: Seen, group: string): Seen {
  return seen.filter((one) => one.group !== group);
}

/** What has been seen once an answer had this position. `included`: what the answer had to include. */
export function seenAfter(seen: Seen, position: Position, included: Seen): Seen {
  const { group, epoch, lsn } = position;
  if (group === undefined || lsn === 0) return seen;
  const own = seenOf(seen, group);
  const same = own.find((one) => one.epoch === epoch);
  const newest = same !== undefined && same.lsn > lsn ? same : position;
  const isProven = (one: Position): boolean =>
    seenOf(included, group).some((other) => other.epoch === one.epoch && other.lsn >= one.lsn);
  const unproven = own.filter((one) => one.epoch !== epoch && !isProven(one)).slice(-UNPROVEN_MAX);
  return [...withoutGroup(seen, group), ...unproven, newest];
}
