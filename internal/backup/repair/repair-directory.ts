/**
 * Repairs a directory that a start refuses: cuts its log back to the longest valid
 * prefix of its history. `planRepair` changes nothing and says what would be cut
 * and lost; `applyRepair` does it in one commit of MANIFEST, and moves every file
 * that it takes out of the log to `aside/`.
 *
 * A lost MANIFEST, segments of another log, and records of a newer program cannot
 * be repaired by a cut and are refused with a reason.
 */
import { findLoss, type Loss } from '#backup/repair/lost-records.ts';
import {
  NO_RECORD,
  type Rehearsal,
  type RehearsalParts,
  readManifestBytes,
  rehearseSettled,
  rehearseStart,
  type StartOutcome,
} from '#backup/repair/rehearse-start.ts';
import { newIncarnation } from '#engine/incarnation.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { cutLog } from '#wal/cut-log.ts';
import { parseSegmentName, type SegmentName } from '#wal/file-names.ts';
import { demandOf } from '#wal/log-reach.ts';
import { isSegmentExcluded, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { salvageSegment } from '#wal/salvage.ts';
import { SEGMENT_HEADER_BYTES, tryDecodeSegmentHeader } from '#wal/segment-format.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { ADVISE_UPGRADE, type DamagePlace } from '#wal/wal-errors.ts';

/** A file that the log loses, completely or from a byte on. The whole file is kept in aside/. */
export interface CutFile {
  readonly name: string;
  readonly fromByte: number;
  readonly bytes: number;
}

export interface Cut {
  readonly kind: 'cut';
  readonly rehearsal: Rehearsal;
  readonly damage: DamagePlace;
  /** The last record that stays. */
  readonly keep: ChainPoint;
  /** The base snapshot cannot be read and is not needed: the log reaches back to its beginning. */
  readonly dropsSnapshot: boolean;
  readonly files: readonly CutFile[];
  readonly loss: Loss;
  /** The end of record `keep` in its segment; undefined if no segment is cut, or none that the state needs stays. */
  readonly endOffset: number | undefined;
  readonly cutsLog: boolean;
}

export type RepairPlan =
  /** A start accepts the directory unchanged. */
  | { readonly kind: 'nothing'; readonly rehearsal: Rehearsal | undefined }
  | { readonly kind: 'refused'; readonly why: string }
  | Cut;

/** `isOwned` says that the caller owns the lock, so that nobody else changes the directory meanwhile. */
export async function planRepair(parts: RehearsalParts, path: string, isOwned: boolean): Promise<RepairPlan> {
  const bytes = await readManifestBytes(parts.fileSystem, path);
  if (bytes === undefined)
    return refuse(`${path} has no MANIFEST: bring it back from where the files came from`);
  const manifest = tryDecodeManifest(bytes);
  if (typeof manifest === 'string') return refuse(`${path}/MANIFEST: ${manifest}. Bring it back from a copy`);
  if (manifest.logId === '') return { kind: 'nothing', rehearsal: undefined };
  const rehearsal = await (isOwned ? rehearseStart(parts, path, manifest) : rehearseSettled(parts, path));
  const { outcome } = rehearsal;
  if (outcome.kind === 'starts') return { kind: 'nothing', rehearsal };
  const hopeless = whyNoCut(outcome);
  if (hopeless !== undefined) return refuse(hopeless);
  if (outcome.what === 'log') return planCut(parts, path, rehearsal, { damage: outcome.place });
  const without = await rehearseStart(parts, path, rehearsal.manifest, true);
  return planCut(parts, path, without, { damage: outcome.place, dropsSnapshot: true });
}

function refuse(why: string): RepairPlan {
  return { kind: 'refused', why };
}

/** Why no cut helps: the files that a start refuses are not damaged. */
function whyNoCut(outcome: StartOutcome): string | undefined {
  if (outcome.kind !== 'refused') return undefined;
  const { file, byte, lsn, why } = outcome.place;
  if (outcome.what === 'foreign') return `${file}: ${why}. Take the files of the other log out`;
  return outcome.what === 'newer'
    ? `${file}: byte ${byte}, LSN ${lsn}: ${why}. ${ADVISE_UPGRADE}`
    : undefined;
}

async function planCut(
  parts: RehearsalParts,
  path: string,
  rehearsal: Rehearsal,
  { damage, dropsSnapshot = false }: { readonly damage: DamagePlace; readonly dropsSnapshot?: boolean },
): Promise<RepairPlan> {
  const { end: keep, from, store, outcome, manifest } = rehearsal;
  const hopeless = whyNoCut(outcome);
  if (hopeless !== undefined) return refuse(hopeless);
  const { fileSystem, clock } = parts;
  const segments = await segmentsOf(fileSystem, path, manifest);
  // The next start cuts off a torn tail by itself.
  const cutsLog = outcome.kind === 'refused';
  // If no record after the snapshot stays, no segment stays: the log continues after the snapshot.
  const isWhole = keep.lsn === from.lsn;
  const holderIndex = isWhole ? -1 : segments.findLastIndex(({ firstLsn }) => firstLsn <= keep.lsn);
  const holder = segments[holderIndex];
  const endOffset = cutsLog && holder !== undefined ? await findEnd(parts, path, holder, keep) : undefined;
  const cutSegments = cutsLog ? segments.slice(Math.max(0, holderIndex)) : [];
  const files = await sizesOf(fileSystem, path, cutSegments, endOffset);
  if (dropsSnapshot) files.push(...(await snapshotFile(fileSystem, path, manifest.snapshot)));
  const first = segments.findLastIndex(({ firstLsn }) => firstLsn <= keep.lsn + 1);
  const beyond = {
    segments: cutsLog ? segments.slice(Math.max(0, first)) : [],
    beyondLsn: keep.lsn,
    knownLsn: demandOf(manifest)?.lsn ?? 0,
  };
  const loss = await findLoss({ fileSystem, clock, path, store, ...beyond });
  return { kind: 'cut', rehearsal, damage, keep, dropsSnapshot, files, loss, endOffset, cutsLog };
}

async function segmentsOf(fileSystem: FileSystem, path: string, manifest: Manifest): Promise<SegmentName[]> {
  return (await fileSystem.readDirectory(path))
    .flatMap((name) => parseSegmentName(name) ?? [])
    .filter(({ seq }) => !isSegmentExcluded(manifest, seq))
    .sort((a, b) => a.seq - b.seq);
}

/** The end of record D in its segment. Records before it that are not needed may be damaged. */
async function findEnd(
  { fileSystem, clock }: { readonly fileSystem: FileSystem; readonly clock: Clock },
  path: string,
  holder: SegmentName,
  keep: ChainPoint,
): Promise<number> {
  const file = await fileSystem.open(`${path}/${holder.name}`, 'read');
  try {
    const { sizeBytes: endOffset } = await file.stat();
    const head = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const header = tryDecodeSegmentHeader(head.subarray(0, await file.read(head, 0)));
    assert(typeof header !== 'string', 'the record that stays was read from this segment');
    const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset, expectedLsn: holder.firstLsn };
    for await (const found of salvageSegment({ file, clock, salt: header.salt, ...range })) {
      if (found.kind !== 'record' || found.frame.lsn !== keep.lsn) continue;
      if (found.frame.crc === keep.crc && found.frame.epoch === keep.epoch) return found.nextOffset;
    }
    throw new Error(
      `${path}/${holder.name} no longer contains LSN ${keep.lsn}: it changed while it was read`,
    );
  } finally {
    await file.close();
  }
}

async function sizesOf(
  fileSystem: FileSystem,
  path: string,
  segments: readonly SegmentName[],
  endOffset: number | undefined,
): Promise<CutFile[]> {
  const files: CutFile[] = [];
  for (const [index, { name }] of segments.entries()) {
    const sizeBytes = (await fileSystem.stat(`${path}/${name}`))?.sizeBytes ?? 0;
    const fromByte = index === 0 ? (endOffset ?? 0) : 0;
    files.push({ name, fromByte, bytes: sizeBytes - fromByte });
  }
  return files;
}

async function snapshotFile(fileSystem: FileSystem, path: string, name: string): Promise<CutFile[]> {
  const stat = await fileSystem.stat(`${path}/${name}`);
  return stat === undefined ? [] : [{ name, fromByte: 0, bytes: stat.sizeBytes }];
}

/**
 * Applies the plan; the caller owns the directory's lock. Returns the names of the
 * files that were set aside, relative to the directory. A crash leaves the directory
 * either unchanged or repaired, and a repaired one has a new incarnation: it lost
 * records that had been durable.
 */
export async function applyRepair(
  directory: WalDirectory,
  plan: Cut,
  { random }: Pick<RehearsalParts, 'random'>,
): Promise<string[]> {
  const incarnation = newIncarnation(random);
  const changes: Partial<Manifest> = { incarnation, ...(plan.dropsSnapshot ? { snapshot: '' } : {}) };
  if (plan.cutsLog) {
    const beyond = plan.endOffset === undefined ? NO_RECORD : plan.keep;
    return cutLog(directory, beyond, changes, plan.endOffset);
  }
  await directory.update((manifest) => {
    assert(manifest !== undefined, 'the directory is initialised');
    return { ...manifest, ...changes };
  });
  return directory.sweepAside();
}
