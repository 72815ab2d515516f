/**
 * A file that lines are appended to and that may fail without harm to the work: a line
 * that cannot be written is dropped and counted (`line-output.ts`). A file that was cut to
 * nothing, as log rotation does with `copytruncate`, goes on from its beginning; where it was
 * renamed or deleted, the lines go on in a new file of the name.
 */
import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import type { Clock } from '#platform/clock.ts';
import { type Gap, LineOutput } from '#platform/line-output.ts';

export interface LineFile {
  readonly droppedLines: number;
  /** One JSON object on a line of its own. */
  write(fields: Readonly<Record<string, unknown>>): void;
  close(): void;
}

/** Others may not write, and of them only the group may read, such as what ships logs. */
const FORBIDDEN_MODE = 0o027;

/**
 * Opens the file for appending, or makes it with mode 0600. Throws the system's error, and
 * an error that says what to type where other users could read or change its lines.
 */
export function openLineFile(path: string, clock: Clock): LineFile {
  let file = openChecked(path);
  const output = new LineOutput({
    tryWrite: (bytes) => {
      file = fileNow(path, file);
      return writeSync(file, bytes);
    },
    clock,
    describeGap: ({ lines, code }: Gap) => `${JSON.stringify({ missingLines: lines, code })}\n`,
  });
  return {
    get droppedLines() {
      return output.droppedLines;
    },
    write: (fields) => output.write(`${JSON.stringify(fields)}\n`),
    close: () => {
      output.flush();
      closeSync(file);
    },
  };
}

function openChecked(path: string): number {
  const file = openSync(path, 'a', 0o600);
  const stat = fstatSync(file);
  const { mode } = stat;
  // A pipe or a terminal keeps no lines.
  if (stat.isFile() && (mode & FORBIDDEN_MODE) !== 0) {
    closeSync(file);
    const shown = (mode & 0o7777).toString(8).padStart(4, '0');
    throw new Error(`${path}: other users may read or change it (mode ${shown}): type chmod 600 ${path}`);
  }
  return file;
}

/** The file that lines go to from now on, open. Throws where that cannot be opened, and `file` was deleted. */
function fileNow(path: string, file: number): number {
  const own = fstatSync(file);
  // A pipe has no other end by its name.
  if (!own.isFile()) return file;
  try {
    const named = statSync(path, { throwIfNoEntry: false });
    if (named?.ino === own.ino && named.dev === own.dev) return file;
    const next = openChecked(path);
    closeSync(file);
    return next;
  } catch (error) {
    // A renamed file keeps its lines, a deleted one does not.
    if (own.nlink > 0) return file;
    throw error;
  }
}
