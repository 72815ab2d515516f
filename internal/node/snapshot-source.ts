/**
 * Serves the base snapshot's file to a replica that needs it. One build is
 * shared; while it is read, and for a while after, the log behind it is pinned,
 * so that the replica can go on from there.
 */

import type { EngineHost } from '#engine/engine-host.ts';
import { pathIn } from '#engine/manifest-access.ts';
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { toLsn } from '#model/position.ts';
import type { SnapshotChunk } from '#model/replication.ts';
import type { File } from '#platform/file-system.ts';
import { parseSnapshotName } from '#wal/file-names.ts';

const CHUNK_BYTES = 256 * 1_024;
/** How long the log stays pinned after the last chunk: time to load it and ask on. */
const PIN_AFTER_MS = 60_000;
const READERS_MAX = 8;

export class SnapshotSource {
  readonly #host: EngineHost;
  #readers = 0;

  constructor(host: EngineHost) {
    this.#host = host;
  }

  async *chunks(logId: string, signal: AbortSignal): AsyncGenerator<SnapshotChunk> {
    const { engine } = this.#host;
    if (engine === undefined)
      throw new WalnutError('unavailable', 'there is nothing to make a snapshot of yet');
    if (logId !== this.#host.manifest.logId) {
      throw new WalnutError(
        'failed_precondition',
        `log ${logId} was asked for; this node holds ${this.#host.manifest.logId}`,
      );
    }
    if (this.#readers >= READERS_MAX) {
      throw new WalnutError(
        'resource_exhausted',
        `${READERS_MAX} snapshots are being read already: try again later`,
      );
    }
    this.#readers++;
    let unpin: (() => void) | undefined;
    try {
      const { file, position } = await this.#openBase();
      unpin = engine.log.pin(toLsn(position.lsn + 1));
      yield* readChunks(file, position, signal);
    } finally {
      this.#readers--;
      if (unpin !== undefined) this.#host.options.clock.after(PIN_AFTER_MS, unpin);
    }
  }

  /** The newest snapshot, made now where there is none. A checkpoint may replace it between look and open. */
  async #openBase(): Promise<{ file: File; position: Position }> {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (this.#host.manifest.snapshot === '') await this.#host.checkpoint();
      const name = this.#host.manifest.snapshot;
      const position = parseSnapshotName(name);
      if (position === undefined) continue;
      try {
        return {
          file: await this.#host.options.fileSystem.open(pathIn(this.#host.directory, name), 'read'),
          position,
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    throw new WalnutError('unavailable', 'the snapshot was replaced while it was opened: try again');
  }
}

async function* readChunks(
  file: File,
  position: Position,
  signal: AbortSignal,
): AsyncGenerator<SnapshotChunk> {
  try {
    const { sizeBytes } = await file.stat();
    let offset = 0;
    while (offset < sizeBytes && !signal.aborted) {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes - offset));
      const bytes = await file.read(buffer, offset);
      if (bytes === 0) break;
      yield { position, offset, totalBytes: sizeBytes, bytes: buffer.subarray(0, bytes) };
      offset += bytes;
    }
  } finally {
    await file.close();
  }
}
