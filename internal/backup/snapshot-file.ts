/** Reads what a snapshot file states, and checks its CRCs, without loading it and in bounded memory. */
import type { ImageReaderParts } from '#backup/log-image.ts';
import { crc32 } from '#platform/crc32.ts';
import type { File } from '#platform/file-system.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import {
  BLOCK_FOOTER,
  BLOCK_HEADER_BYTES,
  type BlockHeader,
  checkBlockType,
  decodeBlockHeader,
  decodeFooter,
} from '#storage/snapshot-codec.ts';
import {
  HEADER_BYTES_MAX,
  PREFIX_BYTES,
  REST_BYTES_AT,
  readSnapshotHeader,
  type SnapshotHeader,
} from '#storage/snapshot-header.ts';

const CHUNK_BYTES = 1 << 20;

/** Throws `SnapshotError` if the header is damaged or cut. */
export async function readHeaderOf(file: File): Promise<SnapshotHeader> {
  return readSnapshotHeader(await readHeaderBytes(file));
}

async function readHeaderBytes(file: File): Promise<Buffer> {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  const got = await file.read(prefix, 0);
  const restBytes = got < PREFIX_BYTES ? 0 : prefix.readUInt32LE(REST_BYTES_AT);
  // The length is believed only as far as the format allows: readSnapshotHeader checks it first.
  const bytes = Buffer.alloc(PREFIX_BYTES + Math.min(restBytes, HEADER_BYTES_MAX));
  return bytes.subarray(0, await file.read(bytes, 0));
}

/**
 * Checks every CRC of a snapshot file of `bytes` bytes, block by block, so that the
 * `SnapshotError` it throws names the damaged one. Entries and their digest are
 * checked when the snapshot is loaded.
 */
export async function checkSnapshot(
  { fileSystem, clock }: ImageReaderParts,
  { path, bytes }: { readonly path: string; readonly bytes: number },
): Promise<void> {
  const file = await fileSystem.open(path, 'read');
  try {
    const { version, headerBytes } = await readHeaderOf(file);
    const walk = new CrcWalk(file, bytes);
    await walk.take(headerBytes);
    for (let isFooter = false; !isFooter; await clock.yield()) {
      const { offset, fileCrc } = walk;
      const block = decodeBlockHeader((await walk.take(BLOCK_HEADER_BYTES)).last, offset);
      checkBlockType(block.type, version, offset);
      isFooter = block.type === BLOCK_FOOTER;
      await checkPayload(walk, block, isFooter ? fileCrc : undefined);
    }
    if (walk.offset !== bytes) throw new SnapshotError(walk.offset, 'bytes after the footer');
  } finally {
    await file.close();
  }
}

/** `fileCrc`: the CRC of everything before the footer; undefined for another block. */
async function checkPayload(walk: CrcWalk, block: BlockHeader, fileCrc: number | undefined): Promise<void> {
  const { offset } = walk;
  const { crc, last } = await walk.take(block.payloadBytes);
  if (crc !== block.payloadCrc) throw new SnapshotError(offset, 'block CRC does not match');
  if (fileCrc !== undefined && decodeFooter(last, offset).fileCrc !== fileCrc)
    throw new SnapshotError(offset, 'file CRC does not match');
}

class CrcWalk {
  readonly #file: File;
  readonly #endOffset: number;
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  offset = 0;
  /** The CRC of all bytes before `offset`. */
  fileCrc = 0;

  constructor(file: File, endOffset: number) {
    this.#file = file;
    this.#endOffset = endOffset;
  }

  /** Reads on; returns the CRC of these bytes, and the last chunk of them, which the next call overwrites. */
  async take(bytes: number): Promise<{ readonly crc: number; readonly last: Buffer }> {
    const end = this.offset + bytes;
    if (end > this.#endOffset)
      throw new SnapshotError(this.#endOffset, 'the file is cut: there is no footer');
    let crc = 0;
    let last = this.#chunk.subarray(0, 0);
    while (this.offset < end) {
      const piece = this.#chunk.subarray(0, Math.min(CHUNK_BYTES, end - this.offset));
      last = piece.subarray(0, await this.#file.read(piece, this.offset));
      if (last.length < piece.length) throw new SnapshotError(this.offset, 'the file is cut');
      crc = crc32(last, crc);
      this.fileCrc = crc32(last, this.fileCrc);
      this.offset += last.length;
    }
    return { crc, last };
  }
}
