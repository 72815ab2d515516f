/** A directory for what a drill makes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** It exists after `make`. */
export class Scratch {
  readonly #parent: string;
  path: string | undefined;

  constructor(parent: string) {
    this.#parent = parent;
  }

  async make(): Promise<string> {
    this.path = await mkdtemp(join(this.#parent, 'walnut-drill-'));
    return this.path;
  }

  /**
   * Removes it when `work` is done, unless it is kept. Nothing is shown before: where nobody reads the output,
   * the process ends there.
   */
  async during<T>(work: () => Promise<T>, isKept: boolean): Promise<T> {
    try {
      return await work();
    } finally {
      if (!isKept && this.path !== undefined) await rm(this.path, { recursive: true, force: true });
    }
  }
}
