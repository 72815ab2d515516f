/**
 * The newest frames of the log, in memory, shared by all pushers: a byte-capped
 * window of consecutive LSNs. A pusher that fell out of it reads the log.
 */
import type { Lsn } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import type { Frame } from '#wal/frame.ts';

export class FrameRing {
  /** Undefined before `#head`: what left the window must not be held. */
  #frames: (Frame | undefined)[] = [];
  /** Index of the oldest frame still in the window. */
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest LSN held; undefined where the ring is empty. */
  get oldestLsn(): Lsn | undefined {
    return this.#frames[this.#head]?.lsn;
  }

  /** Adds the frame after the newest one; the oldest go, so that at most `bytesMax` stay, or this one alone. */
  add(frame: Frame, bytesMax: number): void {
    const newest = this.#frames.at(-1);
    assert(newest === undefined || frame.lsn === newest.lsn + 1, 'the ring holds consecutive records');
    this.#frames.push(frame);
    this.#bytes += frame.bytes.length;
    while (this.#bytes > bytesMax && this.#head < this.#frames.length - 1) {
      this.#bytes -= this.#frames[this.#head]?.bytes.length ?? 0;
      this.#frames[this.#head++] = undefined;
    }
    // Dropping the dead half when it is the larger one keeps adding O(1) on average.
    if (this.#head > 1_024 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }

  /**
   * Whole frames from `fromLsn` through `throughLsn`, at least one, about
   * `bytesMax` bytes; undefined where the ring does not hold `fromLsn`.
   */
  read(fromLsn: Lsn, throughLsn: Lsn, bytesMax: number): Frame[] | undefined {
    const oldest = this.oldestLsn;
    const newest = this.#frames.at(-1)?.lsn;
    if (oldest === undefined || newest === undefined || fromLsn < oldest || fromLsn > newest)
      return undefined;
    const frames: Frame[] = [];
    let bytes = 0;
    for (let i = this.#head + (fromLsn - oldest); i < this.#frames.length; i++) {
      const frame = this.#frames[i];
      if (frame === undefined || frame.lsn > throughLsn) break;
      if (frames.length > 0 && bytes + frame.bytes.length > bytesMax) break;
      frames.push(frame);
      bytes += frame.bytes.length;
    }
    return frames.length === 0 ? undefined : frames;
  }

  /** The record at `lsn`, where held. */
  at(lsn: Lsn): Frame | undefined {
    const oldest = this.oldestLsn;
    return oldest === undefined || lsn < oldest ? undefined : this.#frames[this.#head + (lsn - oldest)];
  }

  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
