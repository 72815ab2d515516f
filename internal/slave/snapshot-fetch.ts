/**
 * Fetches the master's snapshot into a file of the data directory, chunk by
 * chunk, and does not install it. An interruption leaves a partial file, which
 * the next fetch replaces.
 */

import { WalnutError } from '#model/errors.ts';
import type { SnapshotRequest } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import { writeFully } from '#wal/whole-files.ts';

/** The longest wait for one chunk: the master may have to build the snapshot first. */
const CHUNK_TIMEOUT_MS = 60_000;
const PROGRESS_MS = 2_000;

export interface SnapshotFetchOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Resolves when the whole file is at `path` and fdatasynced. */
export async function fetchSnapshot(
  link: PeerLink,
  request: SnapshotRequest,
  path: string,
  options: SnapshotFetchOptions,
): Promise<void> {
  const { fileSystem, clock, logger, signal } = options;
  const file = await fileSystem.open(path, 'replace');
  try {
    let offset = 0;
    let totalBytes = -1;
    let toldMs = clock.monotonicMs();
    for await (const chunk of link.fetchSnapshot(request, { timeoutMs: CHUNK_TIMEOUT_MS, signal })) {
      if (chunk.offset !== offset || (totalBytes !== -1 && chunk.totalBytes !== totalBytes)) {
        throw new WalnutError(
          'unavailable',
          `snapshot chunk at ${chunk.offset} came where ${offset} was due`,
        );
      }
      if (totalBytes === -1) await checkRoom(fileSystem, path, chunk.totalBytes);
      totalBytes = chunk.totalBytes;
      await writeFully(file, chunk.bytes, offset);
      offset += chunk.bytes.length;
      if (clock.monotonicMs() - toldMs >= PROGRESS_MS) {
        toldMs = clock.monotonicMs();
        logger.info({ bytes: offset, totalBytes }, 'receiving a snapshot');
      }
    }
    if (offset !== totalBytes)
      throw new WalnutError('unavailable', `the snapshot ended at ${offset} of ${totalBytes} bytes`);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Checks the free space at the first chunk. The old state stays on the disk until the snapshot is installed. */
async function checkRoom(fileSystem: FileSystem, path: string, wantedBytes: number): Promise<void> {
  const freeBytes = await fileSystem.freeBytes(path.slice(0, path.lastIndexOf('/')));
  if (freeBytes >= wantedBytes) return;
  throw new WalnutError(
    'resource_exhausted',
    `the snapshot takes ${wantedBytes} bytes and the disk under wal.directory has ${freeBytes} free`,
  );
}
