/** Changes that wait for one watcher, in the order in which it gets them, and how they are cut into messages. */
import type { Lsn } from '#model/position.ts';
import { WATCH_MESSAGE_BYTES, WATCH_MESSAGE_EVENTS_MAX } from '#model/watch.ts';
import { Fifo } from '#platform/fifo.ts';
import type { Change, ChangeForm } from '#watch/change.ts';
import { CHUNK_BYTES, Chunk } from '#watch/event-bytes.ts';
import { packedBytes, packedLsn, packedValueBytes } from '#watch/packed-change.ts';
import type { Holder } from '#watch/room.ts';
import { Run } from '#watch/run.ts';

export class ChangeQueue {
  readonly #room: Holder;
  readonly #form: ChangeForm;
  /** Two for each change: itself and `NOT_PACKED`, or the chunk that it is packed in and its place there. */
  readonly #slots = new Fifo<Change | Chunk | number>();
  #bytes = 0;
  /** Chunks that its changes lie in. */
  #chunks = 0;

  constructor(room: Holder, form: ChangeForm) {
    this.#room = room;
    this.#form = form;
  }

  get length(): number {
    return this.#slots.length / 2;
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
    this.#push(change, NOT_PACKED, change.bytes);
  }

  /** The change that is packed at `place` of the chunk. */
  pushPacked(chunk: Chunk, place: number): void {
    this.#room.holdPacked(chunk);
    this.#push(chunk, place, packedBytes(chunk, place));
  }

  #push(item: Change | Chunk, place: number, bytes: number): void {
    const chunk = chunkOf(item);
    const { length } = this;
    // Each run of changes in one chunk counts: only a large change among them makes two of one.
    if (chunk !== undefined && (length === 0 || chunkOf(this.#itemAt(length - 1)) !== chunk)) this.#chunks++;
    this.#bytes += bytes;
    this.#slots.push(item);
    this.#slots.push(place);
  }

  /** True if every change that waits belongs to the record at `lsn`, so that less cannot wait. */
  isAllOf(lsn: Lsn): boolean {
    return this.length > 0 && this.#lsnAt(0) === lsn;
  }

  /** True if the oldest change belongs to a record up to `lsn`. */
  hasUpTo(lsn: Lsn): boolean {
    return this.length > 0 && this.#isUpTo(0, lsn);
  }

  /** Takes as many changes of records up to `lsn` as one message has, by what is sent of them, into the run; undefined if there is none. */
  take(lsn: Lsn, run = new Run()): Run | undefined {
    run.begin(this.#form);
    let sentBytes = 0;
    for (let i = 0; i < this.length && i < WATCH_MESSAGE_EVENTS_MAX && this.#isUpTo(i, lsn); i++) {
      const [item, place] = [this.#itemAt(i), this.#placeAt(i)];
      sentBytes += this.#sentBytes(item, place);
      if (i > 0 && sentBytes > WATCH_MESSAGE_BYTES) break;
      run.add(item, place, item instanceof Chunk ? packedBytes(item, place) : item.bytes);
    }
    if (run.length === 0) return undefined;
    this.#drop(run.length, run.bytes);
    const { lastLsn } = run;
    run.isFragment = lastLsn !== undefined && this.isAllOf(lastLsn);
    return run;
  }

  #sentBytes(item: Change | Chunk, place: number): number {
    if (!(item instanceof Chunk)) return item.as(this.#form).bytes;
    return packedBytes(item, place) - (this.#form.keysOnly ? packedValueBytes(item, place) : 0);
  }

  clear(): void {
    for (let i = 0; i < this.length; i++) this.#release(this.#itemAt(i));
    this.#slots.clear();
    this.#bytes = 0;
    this.#chunks = 0;
  }

  #itemAt(index: number): Change | Chunk {
    return this.#slots.at(2 * index) as Change | Chunk;
  }

  #placeAt(index: number): number {
    return this.#slots.at(2 * index + 1) as number;
  }

  /** Undefined: the change is an initial one, which belongs to no record. */
  #lsnAt(index: number): Lsn | undefined {
    const item = this.#itemAt(index);
    if (item instanceof Chunk) return packedLsn(item, this.#placeAt(index));
    return item.isInitial ? undefined : item.version.lsn;
  }

  #isUpTo(index: number, lsn: Lsn): boolean {
    const own = this.#lsnAt(index);
    return own === undefined || own <= lsn;
  }

  #drop(count: number, bytes: number): void {
    for (let i = 0; i < count; i++) {
      const item = this.#itemAt(i);
      const chunk = chunkOf(item);
      this.#release(item);
      if (chunk !== undefined && chunk !== chunkOf(this.#itemAt(i + 1))) this.#chunks--;
    }
    this.#slots.drop(2 * count);
    this.#bytes -= bytes;
  }

  #release(item: Change | Chunk): void {
    if (item instanceof Chunk) this.#room.releasePacked(item);
    else this.#room.release(item);
  }
}

const NOT_PACKED = -1;

function chunkOf(item: Change | Chunk | undefined): Chunk | undefined {
  return item instanceof Chunk ? item : item?.chunk;
}
