/**
 * Which node has the most records of a log: that one should be promoted if nobody
 * leads. Every node that asks the same others names the same one. Pure.
 */
import { isAhead, type Position } from '#model/position.ts';
import { type Asked, endOf } from '#node/ask-replicas.ts';
import type { Self } from '#node/self.ts';

/** A node and its last record. */
export interface Furthest {
  readonly address: string;
  readonly end: Position;
}

/**
 * Compares by term, then by records, then by address, so that every node names the
 * same one. Undefined if no node has a record.
 */
export function furthest(self: Self, others: readonly Asked[]): Furthest | undefined {
  let best: Furthest | undefined =
    self.logId === '' || self.tail.lsn === 0 ? undefined : { address: self.address, end: self.tail };
  for (const one of others) {
    const other = { address: one.address, end: endOfAsked(one) };
    if (other.end.lsn > 0 && (best === undefined || isBefore(other, best))) best = other;
  }
  return best;
}

export function endOfAsked({ status }: Asked): Position {
  return { epoch: status.position.epoch, lsn: endOf(status) };
}

function isBefore(a: Furthest, b: Furthest): boolean {
  if (isAhead(a.end, b.end) || isAhead(b.end, a.end)) return isAhead(a.end, b.end);
  return a.end.epoch === b.end.epoch ? a.address < b.address : a.end.epoch > b.end.epoch;
}

export function logsOf(nodes: readonly Asked[]): string[] {
  return [...new Set(nodes.map(({ status }) => status.logId))].sort();
}

/** The condition under which another node may be promoted: the master is gone, not only silent. */
export function ifGone({ upstream }: Self, asked: readonly Asked[]): string {
  const isSilent = upstream !== '' && !asked.some(({ address }) => address === upstream);
  return isSilent ? ` (${upstream} does not answer: if it is gone)` : '';
}
