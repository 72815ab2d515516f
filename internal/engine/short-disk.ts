/** A disk that is short of something, or failed, as callers hear of it. After a shortage nothing is lost, and later it goes on. */
import { WalnutError } from '#model/errors.ts';
import { describeShortage, shortageOf } from '#platform/shortage.ts';
import { isShortage } from '#wal/wal-errors.ts';

export function shortageError(cause: unknown): WalnutError {
  const message = `${describeShortage(shortageOf(cause) ?? 'space')}; nothing was written`;
  return new WalnutError('resource_exhausted', message, { cause, nothingDone: true, isNotYet: true });
}

/** Runs work on the disk for a caller. Throws `resource_exhausted` if the disk is short of something. */
export async function orShortage<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isShortage(error) ? shortageError(error) : error;
  }
}

/** The error of every call after the disk failed. */
export function storageFailed(cause: Error): WalnutError {
  return new WalnutError('storage_failed', 'the disk under wal.directory failed; this node is stopping', {
    cause,
  });
}
