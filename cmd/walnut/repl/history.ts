/**
 * The lines that were typed, in a file of the user's own: at most `LINES_MAX`, readable by the
 * user only. What may be a secret is not kept. A file that cannot be used costs the history
 * and nothing else.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { userDirectory } from '../context/user-directory.ts';
import { replaceFile } from '../replace-file.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export const LINES_MAX = 1_000;
const LINE_LENGTH_MAX = 4_096;
/** So much is read from the end of a file. */
const BYTES_MAX = 512 * 1_024;
/** Others may neither read nor write. */
const MODE = 0o600;
/** The beginning of a token, and of the hash of a password. */
const SECRET = /walnut_[A-Za-z0-9_-]{32}|scrypt:\d/;

/** WALNUT_HISTORY_FILE; empty is none. Undefined: nothing is kept. */
export function historyFile(env: Environment): string | undefined {
  const named = env['WALNUT_HISTORY_FILE'];
  if (named !== undefined) return named === '' ? undefined : named;
  const directory = userDirectory(env, 'state');
  return directory === undefined ? undefined : join(directory, 'history');
}

/** Pure. A line that begins with a space is the user's way to say no, as in other shells. */
export function isKept(line: string): boolean {
  return line !== '' && !/^\s/.test(line) && line.length <= LINE_LENGTH_MAX && !SECRET.test(line);
}

export class History {
  readonly #file: FileHandle | undefined;
  /** The oldest first. */
  readonly lines: readonly string[];
  /** The newest line: one that is typed again at once is kept once. */
  #last: string | undefined;
  /** Why nothing is kept; undefined where it is, and where nobody asked for it. */
  readonly problem: string | undefined;

  private constructor(file: FileHandle | undefined, lines: readonly string[], problem?: string) {
    this.#file = file;
    this.lines = lines;
    this.#last = lines.at(-1);
    this.problem = problem;
  }

  static async open(path: string | undefined): Promise<History> {
    if (path === undefined) return new History(undefined, []);
    let file: FileHandle | undefined;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // O_NOFOLLOW: a link at the path could lead to a file that is no history.
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
      file = await open(path, flags, MODE);
      const info = await file.stat();
      if (!info.isFile()) throw new Error('expected a file');
      if (info.uid !== (process.getuid?.() ?? info.uid)) throw new Error('expected a file of your own');
      await file.chmod(MODE);
      const { lines, isLong } = await readLines(file);
      if (isLong) {
        await replaceFile(path, `${lines.join('\n')}\n`, MODE);
        await file.close();
        file = await open(path, flags, MODE);
      }
      return new History(file, lines);
    } catch (error) {
      await file?.close();
      return new History(undefined, [], `${path}: ${(error as Error).message}`);
    }
  }

  /** Never rejects: a line that cannot be written is not kept. */
  async add(line: string): Promise<void> {
    if (!isKept(line) || line === this.#last) return;
    this.#last = line;
    await this.#file?.write(`${line}\n`).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

/** The last lines; `isLong`: the file has more. */
async function readLines(file: FileHandle): Promise<{ lines: string[]; isLong: boolean }> {
  const { size } = await file.stat();
  const from = Math.max(0, size - BYTES_MAX);
  const bytes = Buffer.alloc(size - from);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
  const all = bytes.toString('utf8', 0, bytesRead).split('\n');
  // The first may be the end of a line.
  const whole = from > 0 ? all.slice(1) : all;
  const lines = whole.filter(isKept);
  return { lines: lines.slice(-LINES_MAX), isLong: from > 0 || lines.length > LINES_MAX };
}
