/** Changes that wait for one watcher, in the order in which it gets them, and how they are cut into messages. */
import type { Lsn, Position } from '#model/position.ts';
import { WATCH_MESSAGE_BYTES, WATCH_MESSAGE_EVENTS_MAX } from '#model/watch.ts';
import { Fifo } from '#platform/fifo.ts';
import type { Change } from '#watch/change.ts';
import { CHUNK_BYTES } from '#watch/event-bytes.ts';
import type { Holder } from '#watch/room.ts';

/** The changes of one message. */
export interface Taken {
  readonly changes: readonly Change[];
  readonly bytes: number;
  /** The record of the last change goes on in the next message. */
  readonly isFragment: boolean;
  /** The last record of which every change is here or was before; undefined: none ends here. */
  readonly lastWhole: Position | undefined;
}

export class ChangeQueue {
  readonly #room: Holder;
  readonly #changes = new Fifo<Change>();
  #bytes = 0;
  /** Chunks that its changes lie in. */
  #chunks = 0;

  constructor(room: Holder) {
    this.#room = room;
  }

  get length(): number {
    return this.#changes.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of memory that would be free, about, if nothing waited here. Chunks count whole. */
  get keptBytes(): number {
    return this.#bytes + this.#chunks * CHUNK_BYTES;
  }

  push(change: Change): void {
    this.#room.hold(change);
    const last = this.length === 0 ? undefined : this.#changes.at(this.length - 1);
    // Each run of changes in one chunk counts: only a large change among them makes two of one.
    if (change.chunk !== undefined && change.chunk !== last?.chunk) this.#chunks++;
    this.#bytes += change.bytes;
    this.#changes.push(change);
  }

  /** True if every change that waits belongs to the record at `lsn`, so that less cannot wait. */
  isAllOf(lsn: Lsn): boolean {
    return this.#changes.at(0)?.version.lsn === lsn;
  }

  /** True if the oldest change belongs to a record up to `lsn`. */
  hasUpTo(lsn: Lsn): boolean {
    const oldest = this.#changes.at(0);
    return oldest !== undefined && isUpTo(oldest, lsn);
  }

  /** Takes as many changes of records up to `lsn` as one message has; undefined if there is none. */
  take(lsn: Lsn): Taken | undefined {
    const changes: Change[] = [];
    let bytes = 0;
    for (let next = this.#changes.at(0); next !== undefined; next = this.#changes.at(changes.length)) {
      if (changes.length === WATCH_MESSAGE_EVENTS_MAX || !isUpTo(next, lsn)) break;
      if (changes.length > 0 && bytes + next.bytes > WATCH_MESSAGE_BYTES) break;
      bytes += next.bytes;
      changes.push(next);
    }
    if (changes.length === 0) return undefined;
    this.#drop(changes, bytes);
    const last = changes.at(-1) as Change;
    const next = this.#changes.at(0);
    const isFragment = next !== undefined && isSameRecord(last, next);
    const whole = changes.findLast((one) => !one.isInitial && !(isFragment && isSameRecord(one, last)));
    return { changes, bytes, isFragment, lastWhole: whole?.version };
  }

  clear(): void {
    for (let i = 0; i < this.#changes.length; i++) this.#room.release(this.#changes.at(i) as Change);
    this.#changes.clear();
    this.#bytes = 0;
    this.#chunks = 0;
  }

  #drop(changes: readonly Change[], bytes: number): void {
    for (let i = 0; i < changes.length; i++) {
      const { chunk } = changes[i] as Change;
      this.#room.release(changes[i] as Change);
      if (chunk !== undefined && chunk !== this.#changes.at(i + 1)?.chunk) this.#chunks--;
    }
    this.#changes.drop(changes.length);
    this.#bytes -= bytes;
  }
}

function isUpTo({ isInitial, version }: Change, lsn: Lsn): boolean {
  return isInitial || version.lsn <= lsn;
}

function isSameRecord(a: Change, b: Change): boolean {
  return !a.isInitial && !b.isInitial && a.version.lsn === b.version.lsn;
}
