/**
 * Expands gzipped bodies: a small one at once, others on Node's thread pool. What those become is
 * put together as it comes, because joining it at the end would take the event loop for tens of
 * milliseconds.
 */
import { addAbortSignal } from 'node:stream';
import { createGunzip, gunzipSync } from 'node:zlib';
import { asBuffer } from '#platform/bytes.ts';
import { BodyPieces } from '#rpc/body-pieces.ts';

/** The last four bytes of a gzip: how long it was. */
const LENGTH_BYTES = 4;
/** Bytes that one trip to the thread pool brings. */
const CHUNK_BYTES = 65_536;
/** A body of at most this size, gzipped and expanded, takes the event loop for less than a millisecond. */
const SMALL_BYTES = 65_536;

/** The body would become longer than allowed. */
export class TooLongError extends Error {}

/**
 * Undefined where the body is not small, or may not be. Throws TooLongError above `bytesMax`, and
 * zlib's error if the body is no gzip or not whole.
 */
export function gunzipSmall(bytes: Uint8Array, bytesMax: number): Buffer<ArrayBuffer> | undefined {
  const isBoundSmall = bytesMax <= SMALL_BYTES;
  if (!isBoundSmall && (bytes.length > SMALL_BYTES || claimedBytes(bytes) > SMALL_BYTES)) return undefined;
  try {
    return gunzipSync(bytes, { maxOutputLength: Math.min(bytesMax, SMALL_BYTES) }) as Buffer<ArrayBuffer>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    if (isBoundSmall) throw new TooLongError();
    // It is longer than it says, as a gzip of several parts is.
    return undefined;
  }
}

/**
 * Rejects with TooLongError above `bytesMax`, with zlib's error if the body is no gzip or not whole,
 * and with an AbortError once the signal aborts.
 */
export function gunzip(
  bytes: Uint8Array,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const pieces = new BodyPieces(Math.min(claimedBytes(bytes), bytesMax));
    let length = 0;
    const stream = addAbortSignal(signal, createGunzip({ chunkSize: CHUNK_BYTES }));
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

/** The expanded size that the gzip states, so that room is allocated once. It may be wrong. */
function claimedBytes(bytes: Uint8Array): number {
  return bytes.length < LENGTH_BYTES ? 0 : asBuffer(bytes).readUInt32LE(bytes.length - LENGTH_BYTES);
}
