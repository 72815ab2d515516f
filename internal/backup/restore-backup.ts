/**
 * Makes a data directory of a log image, as it was at a record or time, in a
 * directory that is new or empty (`wal/empty-directory.ts`). MANIFEST is written
 * last, after the files were recovered by the code that every start runs and the
 * state was compared with an independent fold of the image. Every start refuses the
 * directory that a crash before that leaves.
 *
 * The directory belongs to a new node: it has a new node id, no replicas, no
 * quarantine, and no clean mark, so that a master's start begins a new epoch.
 */
import { type Folded, type FoldTarget, foldLog } from '#backup/fold-log.ts';
import { walkLiveSegment } from '#backup/live-segment.ts';
import { BackupRequestError, ImageDamageError, type LogImage } from '#backup/log-image.ts';
import { type Recovered, recoverShadow, type ShadowParts, writeImage } from '#backup/shadow.ts';
import { newIncarnation } from '#engine/incarnation.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import type { ChainPoint } from '#model/replication.ts';
import { findNodeData } from '#wal/empty-directory.ts';
import { MANIFEST_NAME } from '#wal/file-names.ts';
import type { Manifest } from '#wal/manifest.ts';
import { tryOwnDirectory, WalDirectory } from '#wal/wal-directory.ts';
import { rereadHeader } from '#wal/walk-segment.ts';

export interface Restored {
  readonly position: ChainPoint;
  /** Log clock of the last restored record, milliseconds. */
  readonly timestampMs: number;
  readonly entries: number;
  readonly digest: string;
  readonly nodeId: string;
  readonly role: Manifest['role'];
  /** Records of the image after the position, which were left out. */
  readonly leftOut: number;
  readonly recoveryMs: number;
}

export async function restoreImage(
  parts: ShadowParts,
  image: LogImage,
  target: FoldTarget,
  to: string,
): Promise<Restored> {
  await checkEmpty(parts, to);
  const { segments, timestampMs, ...expected } = await foldTo(parts, image, target);
  const manifest: Manifest = {
    ...image.manifest,
    nodeId: parts.random.id128(),
    incarnation: newIncarnation(parts.random),
    lowestSegment: segments[0]?.seq ?? image.manifest.lowestSegment,
    excludedSegments: [],
    replicas: { added: [], removed: [] },
    isRestored: true,
    quarantine: null,
  };
  const { elapsedMs: recoveryMs } = await build(parts, to, { ...image, segments }, manifest, expected);
  const { nodeId, role } = manifest;
  const leftOut = image.last.lsn - expected.position.lsn;
  return { ...expected, timestampMs, nodeId, role, leftOut, recoveryMs };
}

/** Returns the result of the fold without its store, so that two states are never in memory at once. */
async function foldTo(parts: ShadowParts, image: LogImage, target: FoldTarget): Promise<Expected & Cut> {
  const { store, position, timestampMs, segments } = await foldLog(parts, image, { target });
  return { position, timestampMs, segments, entries: store.entries, digest: store.stateDigest() };
}

interface Expected {
  readonly position: ChainPoint;
  readonly entries: number;
  readonly digest: string;
}

type Cut = Pick<Folded, 'segments' | 'timestampMs'>;

/** Throws `BackupRequestError` if `to` contains data of a node. */
export async function checkEmpty({ fileSystem }: ShadowParts, to: string): Promise<void> {
  const stat = await fileSystem.stat(to);
  if (stat === undefined) return;
  if (!stat.isDirectory) throw new BackupRequestError(`${to} is not a directory`);
  const { holder } = await findNodeData(fileSystem, to);
  if (holder === undefined) return;
  const isWhole = (await fileSystem.stat(`${to}/${MANIFEST_NAME}`)) !== undefined;
  const what = isWhole
    ? ''
    : ' but there is no MANIFEST: unless it was lost, this is an unfinished restore, which may be removed.';
  throw new BackupRequestError(
    `${to} is not empty: ${holder} contains data of a node${isWhole ? '.' : `,${what}`} Restore into another directory, or move that data away`,
  );
}

async function build(
  parts: ShadowParts,
  to: string,
  image: LogImage,
  manifest: Manifest,
  expected: Expected,
): Promise<Recovered> {
  const { fileSystem, logger } = parts;
  const owned = await tryOwnDirectory(fileSystem, to);
  if (owned === undefined) throw new BackupRequestError(`${to} is in use by another process`);
  const directory = new WalDirectory({ fileSystem, path: to, logger, isDraft: true }, owned, manifest);
  try {
    await directory.moveAside((await findNodeData(fileSystem, to)).leftovers);
    await writeImage(parts, image, to);
    const recovered = await recoverShadow(parts, directory);
    const { position, digest, entries } = recovered;
    const isSame = position.lsn === expected.position.lsn && position.crc === expected.position.crc;
    if (!isSame || digest !== expected.digest || entries !== expected.entries) {
      const why = `recovery came to LSN ${position.lsn}, ${entries} entries, digest ${digest}; expected LSN ${expected.position.lsn}, ${expected.entries} entries, digest ${expected.digest}`;
      throw new ImageDamageError({ file: to, byte: 0, lsn: position.lsn, why });
    }
    const segment = await removeCleanMark(parts, directory);
    const reaches = segment === undefined ? undefined : { segment, lsn: recovered.position.lsn };
    // The recovery may have taken the step to a newer format, which the manifest keeps.
    await amendManifest(directory, { reaches });
    await directory.publish();
    return recovered;
  } finally {
    await directory.close();
  }
}

/** Ends the log with its last record, so that the next start is an unclean one. Returns the last segment's name. */
async function removeCleanMark(
  { fileSystem, clock }: ShadowParts,
  directory: WalDirectory,
): Promise<string | undefined> {
  const last = (await directory.segments()).at(-1);
  if (last === undefined) return undefined;
  const file = await fileSystem.open(`${directory.path}/${last.name}`, 'write');
  try {
    const header = await rereadHeader(file, { ...last, logId: undefined });
    const { sizeBytes: endOffset } = await file.stat();
    const { recordsEnd } = await walkLiveSegment(clock, { file, header, endOffset });
    await file.truncate(recordsEnd);
    await file.sync();
    return last.name;
  } finally {
    await file.close();
  }
}
