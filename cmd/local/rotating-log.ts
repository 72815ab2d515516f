/**
 * The log file of one process of a local run. It is appended to, so that what a run before a
 * crash has logged is kept, and renamed to `.1` and `.2` when it has grown, so that all of
 * it takes 12 MiB at most. Writing never throws, because a failure to log must not stop the
 * group.
 */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

const BYTES_MAX = 4 * 1_024 * 1_024;
const MODE = 0o600;

export class RotatingLog {
  readonly path: string;
  readonly #bytesMax: number;
  #file: number | undefined;
  #bytes = 0;

  constructor(path: string, bytesMax = BYTES_MAX) {
    this.path = path;
    this.#bytesMax = bytesMax;
  }

  write(bytes: Uint8Array): void {
    try {
      this.#open();
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#bytesMax) this.#rotate();
      const written = writeSync(this.#open(), bytes);
      this.#bytes += written;
    } catch {
      // No space or no permission: the next write tries again.
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #open(): number {
    if (this.#file === undefined) {
      this.#file = openSync(this.path, 'a', MODE);
      this.#bytes = fstatSync(this.#file).size;
    }
    return this.#file;
  }

  #rotate(): void {
    this.close();
    renameIfThere(`${this.path}.1`, `${this.path}.2`);
    renameIfThere(this.path, `${this.path}.1`);
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
