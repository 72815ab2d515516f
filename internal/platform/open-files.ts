/** How many files and sockets this process may have open at once: RLIMIT_NOFILE, which Node raises to the hard limit. */
import { readFileSync } from 'node:fs';

/** Assumed if the limit is unknown, as it is except on Linux: most systems allow at least this many. */
const OPEN_FILES_UNKNOWN = 1_024;

/** The limit; Infinity if there is none. */
export function openFilesMax(): number {
  try {
    return parseOpenFilesMax(readFileSync('/proc/self/limits', 'utf8')) ?? OPEN_FILES_UNKNOWN;
  } catch {
    return OPEN_FILES_UNKNOWN;
  }
}

/** The soft limit in the text of /proc/PID/limits; undefined if the text does not contain it. */
export function parseOpenFilesMax(limits: string): number | undefined {
  const match = /^Max open files\s+(\d+|unlimited)/m.exec(limits);
  if (match === null) return undefined;
  return match[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(match[1]);
}
