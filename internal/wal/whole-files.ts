/** Small helpers over `File`: complete writes, whole reads, copies. Errors of the file system come through. */
import type { File, FileSystem } from '#platform/file-system.ts';

const COPY_CHUNK_BYTES = 1_024 * 1_024;

/** Writes all of `bytes` from byte `position` on, continuing after short writes. */
export async function writeFully(file: File, bytes: Uint8Array, position: number): Promise<void> {
  let written = await file.write(bytes, position);
  while (written < bytes.length) written += await file.write(bytes.subarray(written), position + written);
}

/** Like `writeFully`, but on the calling thread; for a few bytes. */
export function writeFullyNow(file: File, bytes: Uint8Array, position: number): void {
  let written = file.writeNow(bytes, position);
  while (written < bytes.length) written += file.writeNow(bytes.subarray(written), position + written);
}

/** Reads a small file. */
export async function readWholeFile(fileSystem: FileSystem, path: string): Promise<Buffer> {
  const file = await fileSystem.open(path, 'read');
  try {
    const bytes = Buffer.alloc((await file.stat()).sizeBytes);
    const bytesRead = await file.read(bytes, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Copies bytes [from, to) of `source` to the start of a new or emptied file at `path`, and fdatasyncs it. */
export async function copyRange(
  fileSystem: FileSystem,
  source: File,
  from: number,
  to: number,
  path: string,
): Promise<void> {
  const target = await fileSystem.open(path, 'replace');
  try {
    const chunk = Buffer.allocUnsafe(Math.min(COPY_CHUNK_BYTES, Math.max(1, to - from)));
    for (let at = from; at < to; ) {
      const piece = chunk.subarray(0, Math.min(chunk.length, to - at));
      const bytesRead = await source.read(piece, at);
      if (bytesRead < piece.length) throw new Error(`the file shrank while it was copied, at byte ${at}`);
      await writeFully(target, piece, at - from);
      at += piece.length;
    }
    await target.datasync();
  } finally {
    await target.close();
  }
}
