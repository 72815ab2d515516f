/**
 * Serves the file of the base snapshot to replicas that need it. All of them share
 * one build and one rate, so that a full resync leaves disk and network to the
 * clients. While the file is read, and for a while after it was read whole, the log
 * after it is pinned, up to a limit, so that the replica can continue from there.
 * File and pin belong to the reader's place (`snapshot-places.ts`) and end with it,
 * even if nobody ends this generator.
 */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { pathIn } from '#engine/manifest-access.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { toLsn } from '#model/position.ts';
import type { SnapshotChunk, SnapshotRequest } from '#model/replication.ts';
import { type SnapshotPlace, SnapshotPlaces } from '#node/snapshot-places.ts';
import type { File, FileSystem } from '#platform/file-system.ts';
import { parseSnapshotName } from '#wal/file-names.ts';

const CHUNK_BYTES = 256 * 1_024;
/**
 * How long the log stays pinned after the last chunk: time to load the snapshot and
 * ask for the records after it.
 */
const PIN_IDLE_MS = 600_000;
/** What a late reader may catch up with at once, in milliseconds of the rate. */
const CATCH_UP_MS = 50;

export interface SnapshotSourceOptions {
  /** Bytes a second for all readers together: `replication.snapshot_max_rate`. */
  readonly bytesPerSecond: number;
  /** Most log that is kept for readers: `replication.snapshot_max_log`. */
  readonly pinnedBytesMax: number;
  /** True if this node id belongs to a replica that registered here. */
  readonly isKnown: (nodeId: string) => boolean;
}

/** The open file of a snapshot, with the log after it pinned. */
interface Base {
  readonly file: File;
  readonly position: Position;
  readonly unpin: () => void;
}

export class SnapshotSource {
  readonly #host: EngineHost;
  readonly #options: SnapshotSourceOptions;
  readonly #places: SnapshotPlaces;
  /** When (monotonic) the next chunk may go out. */
  #nextMs = 0;

  constructor(host: EngineHost, options: SnapshotSourceOptions) {
    this.#host = host;
    this.#options = options;
    this.#places = new SnapshotPlaces(host.options.clock);
  }

  async *chunks({ logId, nodeId }: SnapshotRequest, signal: AbortSignal): AsyncGenerator<SnapshotChunk> {
    const { engine } = this.#host;
    if (engine === undefined) throw unavailable('there is nothing to make a snapshot of yet');
    if (logId !== this.#host.manifest.logId) {
      throw new WalnutError(
        'failed_precondition',
        `log ${logId} was asked for; this node has ${this.#host.manifest.logId}`,
      );
    }
    const place = this.#places.take({ nodeId, isKnown: this.#options.isKnown(nodeId) }, signal);
    let closed: Promise<void> | undefined;
    let isWhole = false;
    try {
      const { file, position, unpin } = await this.#openBase(engine);
      place.onEnd(() => {
        closed = file.close();
        if (isWhole) this.#host.options.clock.after(PIN_IDLE_MS, unpin);
        else unpin();
      });
      yield* this.#paced(readChunks(file, position, place), place);
      isWhole = true;
    } finally {
      place.end(unavailable('the snapshot was read'));
      await closed;
    }
  }

  async *#paced(chunks: AsyncIterable<SnapshotChunk>, place: SnapshotPlace): AsyncGenerator<SnapshotChunk> {
    const { clock } = this.#host.options;
    for await (const chunk of chunks) {
      const startMs = Math.max(this.#nextMs, clock.monotonicMs() - CATCH_UP_MS);
      this.#nextMs = startMs + (chunk.bytes.length * 1_000) / this.#options.bytesPerSecond;
      const waitMs = startMs - clock.monotonicMs();
      if (waitMs > 0) await clock.sleep(waitMs, place.signal);
      place.check();
      place.await();
      yield chunk;
      place.resume();
    }
  }

  /**
   * Opens the newest snapshot, and makes one first if there is none or if damaged log
   * follows it. A checkpoint may replace the snapshot, and delete log after it,
   * between the look and the open: then the newer one is opened.
   */
  async #openBase(engine: Engine): Promise<Base> {
    const { fileSystem } = this.#host.options;
    for (let attempt = 0; attempt < 3; attempt++) {
      const base = parseSnapshotName(this.#host.manifest.snapshot);
      // The snapshot must include the last record that cannot be read from the log.
      if (base === undefined || base.lsn < (engine.feed.damagedLsn ?? 0)) await this.#host.checkpoint();
      const name = this.#host.manifest.snapshot;
      const position = parseSnapshotName(name);
      if (position === undefined) continue;
      const unpin = engine.log.pin(toLsn(position.lsn + 1), this.#options.pinnedBytesMax);
      const file = await this.#tryOpen(fileSystem, name).catch((error: unknown) => {
        unpin();
        throw error;
      });
      if (file !== undefined && engine.log.earliestLsn <= position.lsn + 1) return { file, position, unpin };
      unpin();
      await file?.close();
    }
    throw new WalnutError('unavailable', 'the snapshot was replaced while it was opened: try again');
  }

  async #tryOpen(fileSystem: FileSystem, name: string): Promise<File | undefined> {
    try {
      return await fileSystem.open(pathIn(this.#host.directory, name), 'read');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** Throws if the place has ended, because its file is closed then. */
async function* readChunks(
  file: File,
  position: Position,
  place: SnapshotPlace,
): AsyncGenerator<SnapshotChunk> {
  place.check();
  const { sizeBytes } = await file.stat();
  let offset = 0;
  while (offset < sizeBytes) {
    place.check();
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes - offset));
    const bytes = await file.read(buffer, offset);
    if (bytes === 0) break;
    yield { position, offset, totalBytes: sizeBytes, bytes: buffer.subarray(0, bytes) };
    offset += bytes;
  }
}
