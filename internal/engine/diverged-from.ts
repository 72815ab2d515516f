/** Remembers in MANIFEST the records that a node gives up for another history. */
import { rememberTail } from '#engine/aside-pruner.ts';
import { manifestOf } from '#engine/manifest-access.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { DivergedTail, DivergedWhy } from '#model/diverged.ts';
import type { Lsn } from '#model/position.ts';
import type { Logger } from '#platform/logger.ts';
import type { Log } from '#wal/log.ts';
import type { Manifest } from '#wal/manifest.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

/** At most this many diverged tails are listed. The files of others stay, unless an operator has seen them. */
const DIVERGED_MAX = 64;

/** The types of records that say who leads and what belongs to whom, and change no key. */
const LEADERSHIP: readonly number[] = [RECORD_TYPE.epoch, RECORD_TYPE.members, RECORD_TYPE.ownership];
/** More bytes of records are not looked through for one that says more than who leads. */
const LOOK_BYTES = 16_384;

/** Which records a node gives up, and why. */
export interface DivergedFrom extends DivergedWhy {
  /** The last record that stays, or that the other history contains too. */
  readonly commonLsn: Lsn;
}

/**
 * The fields of MANIFEST that remember the records of `log` after the common one,
 * for the commit that gives them up; none if there are no such records. Those that say
 * nothing but who leads, as a master that is deposed logs them when it comes back, are no
 * lost writes: they are set aside as any file is, and would hide tails that matter if they
 * were listed.
 */
export async function leavingTail(
  directory: WalDirectory,
  log: Log | undefined,
  from: DivergedFrom | undefined,
  logger: Logger,
): Promise<Partial<Manifest>> {
  if (from === undefined || log === undefined || log.tail.lsn <= from.commonLsn) return {};
  const { commonLsn, ...why } = from;
  if (await saysOnlyWhoLeads(log, commonLsn)) {
    const fields = { fromLsn: commonLsn + 1, last: log.tail, reason: why.reason };
    logger.warn(fields, 'what is given up has no write: it is not listed as diverged');
    return {};
  }
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

/** False where the records are not all read: then they may be anything. */
async function saysOnlyWhoLeads(log: Log, commonLsn: Lsn): Promise<boolean> {
  try {
    const frames = await log.read(commonLsn + 1, LOOK_BYTES);
    return frames.at(-1)?.lsn === log.tail.lsn && frames.every(({ type }) => LEADERSHIP.includes(type));
  } catch {
    // Records are given up for their damage, too.
    return false;
  }
}
