/** Remembers in MANIFEST the records that a node gives up for another history. */
import { rememberTail } from '#engine/aside-pruner.ts';
import { manifestOf } from '#engine/manifest-access.ts';
import type { DivergedTail, DivergedWhy } from '#model/diverged.ts';
import type { Lsn } from '#model/position.ts';
import type { Log } from '#wal/log.ts';
import type { Manifest } from '#wal/manifest.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

/** At most this many diverged tails are listed. The files of others stay, unless an operator has seen them. */
const DIVERGED_MAX = 64;

/** Which records a node gives up, and why. */
export interface DivergedFrom extends DivergedWhy {
  /** The last record that stays, or that the other history contains too. */
  readonly commonLsn: Lsn;
}

/**
 * The fields of MANIFEST that remember the records of `log` after the common one,
 * for the commit that gives them up; none if there are no such records.
 */
export async function leavingTail(
  directory: WalDirectory,
  log: Log | undefined,
  from: DivergedFrom | undefined,
): Promise<Partial<Manifest>> {
  if (from === undefined || log === undefined || log.tail.lsn <= from.commonLsn) return {};
  const { commonLsn, ...why } = from;
  const segments = await directory.segments();
  const holder = segments.findLast(({ firstLsn }) => firstLsn <= commonLsn + 1) ?? segments[0];
  const last = segments.at(-1);
  if (holder === undefined || last === undefined) return {};
  const manifest = manifestOf(directory);
  const before = manifest.diverged ?? [];
  const tail: DivergedTail = {
    ...why,
    id: (before.at(-1)?.id ?? 0) + 1,
    fromLsn: Math.max(commonLsn + 1, log.earliestLsn) as Lsn,
    last: { epoch: log.tail.epoch, lsn: log.tail.lsn },
    segments: [holder.seq, last.seq],
  };
  return rememberTail(manifest, tail, DIVERGED_MAX);
}
