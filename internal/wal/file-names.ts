/** The names of files in a data directory. Pure; parsing returns undefined for other names. */
import type { Epoch, Lsn } from '#model/position.ts';

export const MANIFEST_NAME = 'MANIFEST';
export const LOCK_NAME = 'LOCK';
export const ASIDE_NAME = 'aside';
/** The names of unfinished files end with this. */
export const TEMPORARY_SUFFIX = '.tmp';
/** A snapshot that a replica is receiving. */
export const INCOMING_NAME = 'incoming.snapshot.tmp';

export interface SegmentName {
  readonly name: string;
  readonly seq: number;
  readonly firstLsn: Lsn;
}

export interface SnapshotName {
  readonly name: string;
  readonly lsn: Lsn;
  readonly epoch: Epoch;
}

export function formatSegmentName(seq: number, firstLsn: number): string {
  return `${String(seq).padStart(10, '0')}-${String(firstLsn).padStart(20, '0')}.wal`;
}

export function parseSegmentName(name: string): SegmentName | undefined {
  const match = /^(\d{10})-(\d{20})\.wal$/.exec(name);
  if (match === null) return undefined;
  const seq = Number(match[1]);
  const firstLsn = Number(match[2]);
  if (seq < 1 || firstLsn < 1 || !Number.isSafeInteger(firstLsn)) return undefined;
  return { name, seq, firstLsn: firstLsn as Lsn };
}

export function formatSnapshotName(position: { readonly epoch: Epoch; readonly lsn: number }): string {
  return `${String(position.lsn).padStart(20, '0')}-${String(position.epoch).padStart(16, '0')}.snapshot`;
}

export function parseSnapshotName(name: string): SnapshotName | undefined {
  const match = /^(\d{20})-(\d{16})\.snapshot$/.exec(name);
  if (match === null) return undefined;
  const lsn = Number(match[1]);
  const epoch = Number(match[2]);
  if (!Number.isSafeInteger(lsn) || !Number.isSafeInteger(epoch)) return undefined;
  return { name, lsn: lsn as Lsn, epoch };
}

/** True for the name of a file that a node did not finish: only those may be deleted for their names. */
export function isUnfinishedName(name: string): boolean {
  if (name === INCOMING_NAME) return true;
  if (!name.endsWith(TEMPORARY_SUFFIX)) return false;
  const target = name.slice(0, -TEMPORARY_SUFFIX.length);
  return target === MANIFEST_NAME || (parseSegmentName(target) ?? parseSnapshotName(target)) !== undefined;
}

/** True for the names of what a node sets aside: segments, ends of segments, snapshots. */
export function isAsideName(name: string): boolean {
  return (parseSegmentName(name.replace(/\.from-\d+$/, '')) ?? parseSnapshotName(name)) !== undefined;
}
