/**
 * The memory of all watchers of a node: changes that wait, each counted once however
 * many queues it is in, the chunks that they lie in, each whole as long as one change of
 * it waits, and messages that are handed over and not taken yet.
 */
import { WATCH_MESSAGE_BYTES, WATCH_QUEUE_BYTES_MAX } from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { Change } from '#watch/change.ts';
import { CHUNK_BYTES, type Chunk } from '#watch/event-bytes.ts';

/** How often one that waits for room looks again. */
export const LOOK_MS = 20;

/** Counts the changes in queues. */
export interface Holder {
  hold(change: Change): void;
  release(change: Change): void;
  /** The same for one more, or one less, packed change of the chunk. */
  holdPacked(chunk: Chunk): void;
  releasePacked(chunk: Chunk): void;
}

export class Room implements Holder {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  #waitingBytes = 0;
  #sentBytes = 0;
  #pastBytes = 0;
  /** Changes that some watchers have taken since the last `dropCopies`, and others have not. */
  readonly #partlyTaken = new Set<Change>();

  /** `bytesMax`: changes that may wait, and messages that may be under way. */
  constructor(clock: Clock, bytesMax: number) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  /** Bytes of memory that changes keep that wait. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Bytes of changes that may wait for one watcher, unless one record has more. */
  get queueBytesMax(): number {
    return Math.min(WATCH_QUEUE_BYTES_MAX, this.#bytesMax / 4);
  }

  get isFull(): boolean {
    return this.#waitingBytes > this.#bytesMax;
  }

  /** The change is in one more queue. */
  hold(change: Change): void {
    if (change.holders++ > 0) return;
    const { chunk } = change;
    this.#waitingBytes += change.ownBytes;
    if (chunk !== undefined) this.holdPacked(chunk);
  }

  /** The change is in one queue less. */
  release(change: Change): void {
    if (--change.holders > 0) {
      if (!change.isPartlyTaken) this.#partlyTaken.add(change);
      change.isPartlyTaken = true;
      return;
    }
    if (change.isPartlyTaken) this.#partlyTaken.delete(change);
    const { chunk } = change;
    this.#waitingBytes -= change.ownBytes;
    if (chunk !== undefined) this.releasePacked(chunk);
  }

  holdPacked(chunk: Chunk): void {
    if (chunk.holders++ === 0) this.#waitingBytes += CHUNK_BYTES;
  }

  releasePacked(chunk: Chunk): void {
    if (--chunk.holders === 0) this.#waitingBytes -= CHUNK_BYTES;
  }

  /**
   * Drops what was made of changes for those that have taken them. Called from time to time:
   * those that keep up have had theirs by then, and only slow watchers keep the change.
   */
  dropCopies(): void {
    for (const change of this.#partlyTaken) {
      change.dropCopies();
      // A large message may wait for room before it is encoded: such changes are few, and stay in the set.
      if (change.bytes > WATCH_MESSAGE_BYTES) continue;
      change.isPartlyTaken = false;
      this.#partlyTaken.delete(change);
    }
  }

  /** The part of it for what was logged before or was there; such a change is in one queue, and its chunk has no change of another. */
  readonly past: Holder = {
    hold: (change) => {
      const before = this.#waitingBytes;
      this.hold(change);
      this.#pastBytes += this.#waitingBytes - before;
    },
    release: (change) => {
      const before = this.#waitingBytes;
      this.release(change);
      this.#pastBytes += this.#waitingBytes - before;
    },
    holdPacked: (chunk) => {
      const before = this.#waitingBytes;
      this.holdPacked(chunk);
      this.#pastBytes += this.#waitingBytes - before;
    },
    releasePacked: (chunk) => {
      const before = this.#waitingBytes;
      this.releasePacked(chunk);
      this.#pastBytes += this.#waitingBytes - before;
    },
  };

  /**
   * More of what was logged before may be read. It has half of the room, whatever the
   * changes take that happen now: watchers that read those slowly delay nobody here.
   */
  get hasRoomForPast(): boolean {
    return this.#pastBytes <= this.#bytesMax / 2;
  }

  /** A message of so many bytes is handed over. */
  send(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** A message of so many bytes was taken. */
  taken(bytes: number): void {
    this.#sentBytes -= bytes;
  }

  /** True if a message may be handed over now. Large ones wait until few bytes are under way. */
  maySend(bytes: number): boolean {
    if (bytes <= WATCH_MESSAGE_BYTES || this.#sentBytes === 0) return true;
    return this.#sentBytes + bytes <= this.#bytesMax;
  }

  async untilMaySend(bytes: number, signal: AbortSignal): Promise<void> {
    while (!this.maySend(bytes) && !signal.aborted) await this.#clock.sleep(LOOK_MS, signal);
  }
}
