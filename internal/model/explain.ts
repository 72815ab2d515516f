/** What a node knows of one key, and how it says so in a sentence. */

import type { Freshness } from '#model/commands.ts';
import { counted } from '#model/counted.ts';
import { NEVER } from '#model/entry.ts';
import { formatPosition, type Position } from '#model/position.ts';
import type { WatchEvent } from '#model/watch.ts';

/** Changes in an answer: by default, and at most. */
export const EXPLAIN_CHANGES_DEFAULT = 10;
export const EXPLAIN_CHANGES_MAX = 100;

export interface ExplainCommand {
  readonly key: string;
  /** 0: `EXPLAIN_CHANGES_DEFAULT`. */
  readonly changes: number;
}

/** An entry that is stored, expired or not. */
export interface ExplainedEntry {
  readonly version: Position;
  /** Wall time, milliseconds since the Unix epoch; `NEVER` (0) for none. */
  readonly expireAtMs: number;
  readonly valueBytes: number;
  /** What it counts against `storage.max_memory`. */
  readonly memoryBytes: number;
  /** A Get does not find it; its deletion is not applied yet. */
  readonly isExpired: boolean;
  /** See `Entry`. */
  readonly modifiedMs: number;
  /** When it was last accessed on the node that answers: wall time, whole seconds as milliseconds; 0: not known. */
  readonly accessedMs: number;
}

export interface ExplainAnswer extends Freshness {
  readonly entry: ExplainedEntry | undefined;
  /** Visible here, oldest first, without values. */
  readonly changes: readonly WatchEvent[];
  /** In the part of the log that was searched. */
  readonly sets: number;
  readonly deletes: number;
  /** Changes in the log here that are not visible yet. */
  readonly waitingChanges: number;
  /** The oldest record that was searched. */
  readonly searchedFrom: Position;
  /** True if the log has no older record. */
  readonly isComplete: boolean;
  /** On a replica, how many records it is behind its master; else 0. */
  readonly lagRecords: number;
  /** What is to be added to times by the log clock to have wall time, milliseconds. */
  readonly wallShiftMs: number;
}

const ENDS = {
  client: 'deleted by a client',
  expired: 'expired',
  evicted: 'evicted to make room for another entry',
  restored: 'deleted by a restore',
} as const;

/** One sentence for people. */
export function summarize(answer: ExplainAnswer): string {
  return `${whatIsThere(answer)}${whatMayBeMissing(answer)}`;
}

function whatIsThere(answer: ExplainAnswer): string {
  const { entry, changes } = answer;
  const last = changes.at(-1);
  if (entry !== undefined) return whatIsStored(entry, answer);
  if (last !== undefined && last.op === 'delete') {
    return `missing: ${ENDS[last.cause]} at ${timeOf(last, answer)}, record ${formatPosition(last.version)}`;
  }
  const from = formatPosition(answer.searchedFrom);
  if (!answer.isComplete) return `missing, and no change of it since record ${from}, where the search ended`;
  if (answer.searchedFrom.lsn <= 1) return 'missing: it was never here';
  return `missing: the log, which begins at record ${from}, has no change of it`;
}

function whatIsStored(entry: ExplainedEntry, answer: ExplainAnswer): string {
  const { version, expireAtMs, valueBytes, modifiedMs } = entry;
  if (entry.isExpired) return `expired at ${toIso(expireAtMs)}: missing, and about to be deleted`;
  const writer = answer.changes.findLast(({ version: { lsn } }) => lsn === version.lsn);
  const since = writer === undefined ? ` at or before ${toIso(modifiedMs)}` : ` at ${timeOf(writer, answer)}`;
  const deadline = expireAtMs === NEVER ? 'never expires' : `expires at ${toIso(expireAtMs)}`;
  return `present: ${counted(valueBytes, 'byte')}, written by record ${formatPosition(version)}${since}, ${deadline}`;
}

function whatMayBeMissing({ waitingChanges, lagRecords }: ExplainAnswer): string {
  const waiting =
    waitingChanges === 0
      ? ''
      : `; ${counted(waitingChanges, 'change of it is', 'changes of it are')} in the log here and not visible yet`;
  return lagRecords === 0
    ? waiting
    : `${waiting}; this replica is ${counted(lagRecords, 'record')} behind its master`;
}

function timeOf({ timestampMs }: WatchEvent, { wallShiftMs }: ExplainAnswer): string {
  return toIso(timestampMs + wallShiftMs);
}

function toIso(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}
