/** A full disk as its callers hear of it: nothing is lost, and later there may be room. */
import { WalnutError } from '#model/errors.ts';
import { isOutOfSpace } from '#wal/wal-errors.ts';

export function diskFull(cause: unknown): WalnutError {
  const message = 'the disk under wal.directory is full; nothing was written';
  return new WalnutError('resource_exhausted', message, { cause });
}

/** Does work on the disk that somebody asked for. Throws `resource_exhausted` where there is no room for it. */
export async function orDiskFull<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isOutOfSpace(error) ? diskFull(error) : error;
  }
}
