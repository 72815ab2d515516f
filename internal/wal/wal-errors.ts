/** The errors with which the log refuses to be opened (exit code 3) or read. */

import { shortageOf } from '#platform/shortage.ts';
import { messageOf } from '#platform/thrown.ts';

export type WalOpenErrorKind =
  /** Another process owns the directory. */
  | 'locked'
  /** Durable bytes are damaged or missing. */
  | 'corrupt'
  /** Whole bytes of a format that this program does not know: a newer one wrote them. */
  | 'newer'
  /** The files belong to another log. */
  | 'foreign'
  /** The directory cannot be read or written at all. */
  | 'unusable';

/** A place in a file; `byte` counts from 0. */
export interface DamagePlace {
  readonly file: string;
  readonly byte: number;
  /** The record at that place, or the one that is expected there. */
  readonly lsn: number;
  readonly why: string;
}

/** The data directory cannot be used; the message says why and what to run. Nothing was changed. */
export class WalOpenError extends Error {
  override readonly name = 'WalOpenError';
  readonly kind: WalOpenErrorKind;
  /** The place of the damage, if it is at one place of the log. */
  readonly place: DamagePlace | undefined;

  constructor(kind: WalOpenErrorKind, message: string, cause?: unknown, place?: DamagePlace) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.place = place;
  }
}

/**
 * The checksums are valid and this program does not know the format: a newer
 * program wrote these bytes. They are neither damaged nor a torn tail.
 */
export class NewerFormatError extends Error {
  override readonly name = 'NewerFormatError';
}

/** The advice if a newer program wrote the log. */
export const ADVISE_UPGRADE =
  'Nothing is damaged: a newer version of Walnut wrote this. Start that version, or a later one';

/** The error for damage that prevents the directory `path` from being opened. */
export function damageError(
  kind: 'corrupt' | 'foreign' | 'newer',
  path: string,
  place: DamagePlace,
): WalOpenError {
  const { file, byte, lsn, why } = place;
  const message = `${file}: byte ${byte}, LSN ${lsn}: ${why}. Nothing was changed. ${ADVICE[kind](path)}`;
  return new WalOpenError(kind, message, undefined, place);
}

const ADVICE = {
  corrupt: adviseRepair,
  foreign: (path: string) => `Look with: walnut wal inspect ${path}`,
  newer: () => ADVISE_UPGRADE,
} as const;

/** Runs `work` at a start; an error of the file system makes the directory `unusable`. */
export async function orUnusable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WalOpenError) throw error;
    throw new WalOpenError('unusable', `${path}: cannot be used: ${messageOf(error)}`, error);
  }
}

/** The advice if durable bytes are damaged. */
export function adviseRepair(path: string): string {
  return (
    `Look closer with: walnut wal verify ${path}. What could be kept and what would be lost, ` +
    `without changing anything: walnut wal repair ${path}`
  );
}

/**
 * `pruned`: the log no longer contains the record; `corrupt`: it should, but the
 * bytes are damaged.
 */
export class WalReadError extends Error {
  override readonly name = 'WalReadError';
  readonly kind: 'pruned' | 'corrupt';
  readonly place: DamagePlace | undefined;

  constructor(kind: 'pruned' | 'corrupt', message: string, place?: DamagePlace) {
    super(message);
    this.kind = kind;
    this.place = place;
  }
}

/** True if the error is a shortage of space, descriptors or memory, after which the caller may continue later. See `platform/shortage.ts`. */
export function isShortage(error: unknown): boolean {
  return shortageOf(error) !== undefined;
}
