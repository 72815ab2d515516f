/**
 * What is in memory is not what was stored: bad memory, or a bug that wrote
 * where it should not. Found by a scrub, or while a snapshot is written.
 */
import { quoteKey } from '#model/limits.ts';
import { formatPosition, type Position } from '#model/position.ts';

export interface AlteredEntry {
  /** As it is in memory now. */
  readonly key: string;
  readonly version: Position;
  /** What is wrong with it. */
  readonly why: string;
}

/** Thrown by a snapshot scan: what it has written must not be published. */
export class AlteredStateError extends Error {
  override readonly name = 'AlteredStateError';
}

/** For people: one line, keys quoted. */
export function describeAltered({ key, version, why }: AlteredEntry): string {
  return `${quoteKey(key)} of version ${formatPosition(version)}: ${why}`;
}

/** What is wrong with a value whose CRC should be `stored`. */
export function describeCrc(found: number, stored: number): string {
  return `its value has the CRC ${hex(found)}, stored was ${hex(stored)}`;
}

function hex(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, '0');
}
