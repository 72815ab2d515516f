/**
 * Reports of entries in memory that differ from what was stored: the memory is
 * bad, or a bug wrote where it should not. A scrub or a snapshot finds them.
 */
import { quoteKey } from '#model/limits.ts';
import { formatPosition, type Position } from '#model/position.ts';

export interface AlteredEntry {
  /** The key that memory contains now, which may be the altered part. */
  readonly key: string;
  readonly version: Position;
  /** What is wrong with it. */
  readonly why: string;
}

/** Thrown by a snapshot scan: the caller must not publish the file. */
export class AlteredStateError extends Error {
  override readonly name = 'AlteredStateError';
}

/** One line for people, with the key quoted. */
export function describeAltered({ key, version, why }: AlteredEntry): string {
  return `${quoteKey(key)} of version ${formatPosition(version)}: ${why}`;
}

/** Says what is wrong with a value whose CRC is `found` and should be `stored`. */
export function describeCrc(found: number, stored: number): string {
  return `its value has the CRC ${hex(found)}, stored was ${hex(stored)}`;
}

function hex(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, '0');
}
