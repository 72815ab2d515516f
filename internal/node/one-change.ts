/** Lets one change of role run at a time; a second one is refused, not queued. */
import { unavailable } from '#model/errors.ts';

export class OneChange {
  readonly #stopped: AbortSignal;
  #running: { readonly what: string; readonly done: Promise<unknown> } | undefined;

  /** `stopped`: aborts when the node stops, and no change begins any more. */
  constructor(stopped: AbortSignal) {
    this.#stopped = stopped;
  }

  /** The change that runs now, for messages; undefined if none does. */
  get what(): string | undefined {
    return this.#running?.what;
  }

  /** Runs `work` as the only change. Throws `unavailable` if another runs or the node stops. */
  async run<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#stopped.aborted) throw unavailable('this node is stopping');
    if (this.#running !== undefined) throw unavailable(`${this.#running.what} is under way on this node`);
    const done = work();
    this.#running = { what, done };
    try {
      return await done;
    } finally {
      this.#running = undefined;
    }
  }

  /** Resolves when no change runs, whatever its outcome was. */
  async idle(): Promise<void> {
    await this.#running?.done.catch(() => undefined);
  }
}
