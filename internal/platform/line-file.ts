/**
 * A file that lines are appended to and that may fail without harm to the work: a line
 * that cannot be written is dropped and counted (`line-output.ts`), and the owner is told why. A file that was cut to
 * nothing, as log rotation does with `copytruncate`, goes on from its beginning; where it was
 * renamed or deleted, the lines go on in a new file of the name.
 */
import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import type { Clock } from '#platform/clock.ts';
import { type Gap, LineOutput } from '#platform/line-output.ts';

export interface LineFile {
  /** Lines that were dropped, or that went on in a renamed file because no file of the name can be used. */
  readonly lostLines: number;
  /** One JSON object on a line of its own. */
  write(fields: Readonly<Record<string, unknown>>): void;
  close(): void;
}

/** Others may not write, and of them only the group may read, such as what ships logs. */
const FORBIDDEN_MODE = 0o027;

/**
 * Opens the file for appending, or makes it with mode 0600. Throws the system's error, and
 * an error that says what to type where other users could read or change its lines.
 * `onTrouble` is told once why lines do not reach the file, until one does.
 */
export function openLineFile(path: string, clock: Clock, onTrouble: (why: string) => void): LineFile {
  let file = openChecked(path);
  let trouble: string | undefined;
  let [misplacedLines, isMisplaced] = [0, false];
  const note = (error: unknown): void => {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN' || message === trouble) return;
    trouble = message;
    onTrouble(message);
  };
  const tryWrite = (bytes: Uint8Array): number => {
    try {
      const now = fileNow(path, file);
      file = now.file;
      const written = writeSync(file, bytes);
      isMisplaced = now.error !== undefined;
      if (isMisplaced) note(now.error);
      else trouble = undefined;
      return written;
    } catch (error) {
      note(error);
      throw error;
    }
  };
  const describeGap = ({ lines, code }: Gap): string => `${JSON.stringify({ missingLines: lines, code })}\n`;
  const output = new LineOutput({ tryWrite, clock, describeGap });
  return {
    get lostLines() {
      return output.droppedLines + misplacedLines;
    },
    write: (fields) => {
      isMisplaced = false;
      output.write(`${JSON.stringify(fields)}\n`);
      if (isMisplaced) misplacedLines++;
    },
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

/** The file that lines go to from now on, open. `error`: why that is a renamed one. */
interface FileNow {
  readonly file: number;
  readonly error?: unknown;
}

/** Throws where the file of the name cannot be used, and `file` was deleted. */
function fileNow(path: string, file: number): FileNow {
  const own = fstatSync(file);
  // A pipe has no other end by its name.
  if (!own.isFile()) return { file };
  try {
    const named = statSync(path, { throwIfNoEntry: false });
    if (named?.ino === own.ino && named.dev === own.dev) return { file };
    const next = openChecked(path);
    closeSync(file);
    return { file: next };
  } catch (error) {
    // A renamed file keeps its lines, for as long as nobody deletes it.
    if (own.nlink > 0) return { file, error };
    throw error;
  }
}
