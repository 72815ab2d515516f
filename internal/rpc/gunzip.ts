/**
 * Expands a gzipped body on Node's thread pool. What it becomes is put together as it
 * comes, because joining it at the end would take the event loop for tens of milliseconds.
 */
import { createGunzip } from 'node:zlib';
import { asBuffer } from '#platform/bytes.ts';
import { BodyPieces } from '#rpc/body-pieces.ts';

/** The last four bytes of a gzip: how long it was. */
const LENGTH_BYTES = 4;
/** Bytes that one trip to the thread pool brings. */
const CHUNK_BYTES = 65_536;

/** The body would become longer than allowed. */
export class TooLongError extends Error {}

/** Rejects with TooLongError above `bytesMax`, and with zlib's error if the body is no gzip or not whole. */
export function gunzip(bytes: Uint8Array, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const pieces = new BodyPieces(Math.min(claimedBytes(bytes), bytesMax));
    let length = 0;
    const stream = createGunzip({ chunkSize: CHUNK_BYTES });
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > bytesMax) stream.destroy(new TooLongError());
      else pieces.add(chunk);
    });
    stream.on('error', reject);
    stream.on('end', () => resolve(pieces.take() as Buffer<ArrayBuffer>));
    stream.end(bytes);
  });
}

/** What the gzip says that it becomes, so that room for it is allocated once. It may be wrong. */
function claimedBytes(bytes: Uint8Array): number {
  return bytes.length < LENGTH_BYTES ? 0 : asBuffer(bytes).readUInt32LE(bytes.length - LENGTH_BYTES);
}
