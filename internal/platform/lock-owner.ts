/** Finds the process that has a file locked, in the list that Linux keeps. For messages only, since other systems and containers tell less. */
import { readFile, stat } from 'node:fs/promises';

/** The id of the process with a POSIX lock on the file; undefined where the system does not tell. Opens nothing, which could free a lock. */
export async function lockOwner(path: string): Promise<number | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    const place = `${hex(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn))}:${hex((dev & 0xffn) | ((dev >> 12n) & ~0xffn))}:${ino}`;
    for (const line of (await readFile('/proc/locks', 'utf8')).split('\n')) {
      const [, kind, , , id, locked] = line.split(/\s+/);
      // A process of another container has the id 0 or -1 here.
      if (kind === 'POSIX' && locked === place && Number(id) > 0) return Number(id);
    }
  } catch {
    // No Linux, or no file any more.
  }
  return undefined;
}

function hex(number: bigint): string {
  return number.toString(16).padStart(2, '0');
}
