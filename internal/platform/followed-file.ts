/**
 * A file, or several that belong together, read again every second, so that a change of it takes effect
 * while the process runs. What cannot be used changes nothing, and neither does what is
 * still being written: half of a file may read well and say something else, and so may two
 * files of which one is new.
 */
import type { Clock } from '#platform/clock.ts';
import { SecretFileError } from '#platform/secret-file.ts';

const INTERVAL_MS = 1_000;
/** When a look found something new, the next one comes sooner: a removed user is out within 1.5 s. */
const SETTLE_MS = 500;

export interface FollowedFileOptions<T> {
  readonly clock: Clock;
  /** How the error of the first reading names what is read. */
  readonly name: string;
  /** The text of the file, or of all of them. Rejects with `SecretFileError`. */
  readonly read: () => Promise<string>;
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
  /** False where the last look found something new. */
  #isSettled = true;
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
    const { name, read, parse } = options;
    const text = await read();
    try {
      return new FollowedFile(options, text, parse(text));
    } catch (error) {
      throw new SecretFileError(`${name}: ${(error as Error).message}`);
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
      await clock.sleep(this.#isSettled ? INTERVAL_MS : SETTLE_MS, signal);
      if (signal.aborted) return;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { read, parse, onChange, onBroken } = this.#options;
    try {
      const text = await read();
      if (this.#stop.signal.aborted) return;
      this.#isSettled = text === this.#seen;
      this.#seen = text;
      if (!this.#isSettled) return;
      const isNew = text !== this.#text;
      if (isNew) this.#current = parse(text);
      this.#text = text;
      this.#reason = undefined;
      if (isNew) onChange(this.#current);
    } catch (error) {
      if (error instanceof SecretFileError) this.#seen = undefined;
      this.#isSettled = true;
      const { message } = error as Error;
      if (message !== this.#reason) onBroken(message);
      this.#reason = message;
    }
  }
}
