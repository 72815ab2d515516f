/**
 * A file with secrets that is read again every second, so that a change of it takes effect
 * while the process runs. A file that cannot be used changes nothing, and neither does one
 * that is still being written: half of a file may read well and say something else.
 */
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { readSecretFile, SecretFileError } from '#platform/secret-file.ts';

/** A removed user is out within two of these. */
const INTERVAL_MS = 1_000;

export interface FollowedFileOptions<T> {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly path: string;
  /** Throws where the text cannot be used. */
  readonly parse: (text: string) => T;
  /** Called with each new contents. */
  readonly onChange: (contents: T) => void;
  /** Called once for each new reason why the file cannot be used. */
  readonly onBroken: (reason: string) => void;
}

export class FollowedFile<T> {
  readonly #options: FollowedFileOptions<T>;
  readonly #stop = new AbortController();
  /** What is in force. */
  #text: string;
  /** What the last look found; undefined: it could not be read. */
  #seen: string | undefined;
  #reason: string | undefined;
  #current: T;

  private constructor(options: FollowedFileOptions<T>, text: string, first: T) {
    this.#options = options;
    this.#text = text;
    this.#seen = text;
    this.#current = first;
    void this.#follow();
  }

  /** Reads it for the first time: throws `SecretFileError` where it cannot be used. `onChange` is not called for what this finds. */
  static async open<T>(options: FollowedFileOptions<T>): Promise<FollowedFile<T>> {
    const { fileSystem, path, parse } = options;
    const text = await readSecretFile(fileSystem, path);
    try {
      return new FollowedFile(options, text, parse(text));
    } catch (error) {
      throw new SecretFileError(`${path}: ${(error as Error).message}`);
    }
  }

  /** What the file said when it was last usable. */
  get current(): T {
    return this.#current;
  }

  /** False where the file was last found unusable. */
  get isGood(): boolean {
    return this.#reason === undefined;
  }

  close(): void {
    this.#stop.abort();
  }

  async #follow(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    for (;;) {
      await clock.sleep(INTERVAL_MS, signal);
      if (signal.aborted) return;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { fileSystem, path, parse, onChange, onBroken } = this.#options;
    try {
      const text = await readSecretFile(fileSystem, path);
      if (this.#stop.signal.aborted) return;
      const isSettled = text === this.#seen;
      this.#seen = text;
      if (!isSettled) return;
      const isNew = text !== this.#text;
      if (isNew) this.#current = parse(text);
      this.#text = text;
      this.#reason = undefined;
      if (isNew) onChange(this.#current);
    } catch (error) {
      if (error instanceof SecretFileError) this.#seen = undefined;
      const { message } = error as Error;
      if (message !== this.#reason) onBroken(message);
      this.#reason = message;
    }
  }
}
