/**
 * Verifies a whole backup: hashes every object again, replays every record after
 * the snapshot, sums the digest of the state again, and compares it with the running
 * sum and with the manifest. Throws `ImageDamageError` at the first damage.
 */
import { type BackupManifest, imageOfBackup } from '#backup/backup-manifest.ts';
import type { BackupRepository } from '#backup/backup-repository.ts';
import { digestAnew, foldLog, type StateDigest } from '#backup/fold-log.ts';
import { ImageDamageError, type ImageReaderParts } from '#backup/log-image.ts';
import { isSamePosition } from '#model/position.ts';

export interface VerifiedBackup extends StateDigest {
  /** Records replayed after the snapshot. */
  readonly records: number;
  readonly bytes: number;
}

export async function verifyBackup(
  parts: ImageReaderParts,
  repository: BackupRepository,
  backup: BackupManifest,
): Promise<VerifiedBackup> {
  let bytes = 0;
  for (const file of backup.files) {
    await repository.verifyObject(file.sha256, file.bytes);
    bytes += file.bytes;
  }
  const image = imageOfBackup(backup, (sha256) => repository.objectPath(sha256));
  const { store, position, records } = await foldLog(parts, image);
  const damage = (why: string): ImageDamageError =>
    new ImageDamageError({ file: `${repository.path}/${backup.id}`, byte: 0, lsn: position.lsn, why });
  if (!isSamePosition(position, backup.to) || position.crc !== backup.to.crc) {
    throw damage(`it ends with LSN ${position.lsn} instead of ${backup.to.lsn}`);
  }
  const state = digestAnew(store);
  if (state === undefined) throw damage('the digest of its state is not the one kept while replaying');
  if (backup.state !== null && backup.state.digest !== state.digest) {
    throw damage(`its digest is ${state.digest}; when it was made it was ${backup.state.digest}`);
  }
  return { ...state, records, bytes };
}
