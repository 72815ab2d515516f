/** Frames that were appended and are not yet in the file, oldest first, and the tail that the next one must follow. */
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import { Fifo } from '#platform/fifo.ts';
import { type Frame, whyNotNext } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';

export class WriteQueue {
  readonly frames = new Fifo<Frame>();
  #bytes = 0;
  /** Made when it is asked for: of thousands of frames of a push only the last is. */
  #tail: ChainPoint | undefined;

  constructor(tail: ChainPoint) {
    this.#tail = tail;
  }

  /** The last record that was appended, written or not. */
  get tail(): ChainPoint {
    this.#tail ??= pointOf(this.#newest as Frame);
    return this.#tail;
  }

  /** Undefined if none is queued. */
  get #newest(): Frame | undefined {
    return this.frames.at(this.frames.length - 1);
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Frame): void {
    const why = whyNotNext(this.#tail ?? (this.#newest as Frame), frame);
    assert(why === undefined, why ?? '');
    this.frames.push(frame);
    this.#bytes += frame.frameBytes;
    this.#tail = undefined;
  }

  find(lsn: number): Frame | undefined {
    const first = this.frames.at(0);
    return first === undefined || lsn < first.lsn ? undefined : this.frames.at(lsn - first.lsn);
  }

  /** Removes the oldest `count` frames, which are written. */
  drop(count: number): void {
    // It outlives its frame.
    this.#tail = this.tail;
    for (let i = 0; i < count; i++) this.#bytes -= (this.frames.at(i) as Frame).frameBytes;
    this.frames.drop(count);
  }

  /** Removes all frames, which are refused. The next frame follows `end`, so their LSNs are used again. */
  clear(end: ChainPoint): void {
    this.frames.clear();
    this.#bytes = 0;
    this.#tail = end;
  }
}
