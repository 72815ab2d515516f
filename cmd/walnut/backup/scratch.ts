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

  async remove(): Promise<void> {
    if (this.path !== undefined) await rm(this.path, { recursive: true, force: true });
  }
}
