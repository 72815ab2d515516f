/**
 * Decides whether a data directory may contain formats of level 1 (ADR 14). MANIFEST
 * states the level before the first such record is written, because release 0.1.0
 * refuses that MANIFEST by name, and would call the records damage. The level never
 * goes back.
 */
import { amendManifest } from '#engine/manifest-access.ts';
import { orShortage } from '#engine/short-disk.ts';
import { STEP_LEVEL } from '#model/formats.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

export class FormatStep {
  readonly #directory: WalDirectory;
  #isTaken: boolean;
  /** Something of level 1 was read although MANIFEST does not say so: a restored directory. */
  #isMet = false;
  #taking: Promise<void> | undefined;

  constructor(directory: WalDirectory) {
    this.#directory = directory;
    this.#isTaken = directory.manifest?.format === 2;
  }

  /** The level that a reader of this directory needs, from the moment the step is begun. */
  get level(): number {
    return this.#isTaken || this.#isMet || this.#taking !== undefined ? STEP_LEVEL : 0;
  }

  /** True if formats of level 1 may be written now. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** True if formats of `level` may be written now. */
  allows(level: number): boolean {
    return level === 0 || (this.#isTaken && level <= STEP_LEVEL);
  }

  /** True if a start has to take the step, because of what it read. */
  get isDue(): boolean {
    return this.#isMet && !this.#isTaken;
  }

  /** Recovery has read something of level 1. */
  meet(): void {
    this.#isMet = true;
  }

  /** Throws `resource_exhausted` where the disk is short of something; the step is not taken then. */
  take(): Promise<void> {
    if (this.#isTaken) return Promise.resolve();
    this.#taking ??= this.#take();
    return this.#taking;
  }

  async #take(): Promise<void> {
    try {
      await orShortage(amendManifest(this.#directory, { format: 2 }));
      this.#isTaken = true;
    } finally {
      this.#taking = undefined;
    }
  }
}
