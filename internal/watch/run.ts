/**
 * The changes of one message, in order, out of their queue and not told yet. Where each message
 * is told at once, one run serves all: nothing is made of a packed change then, as one event
 * stands for all of them in turn.
 */
import type { Lsn, Position } from '#model/position.ts';
import type { EventRun, WatchEvent } from '#model/watch.ts';
import type { Change, ChangeForm } from '#watch/change.ts';
import { Chunk } from '#watch/event-bytes.ts';
import { PackedEvent, packedLsn, packedVersion, unpack } from '#watch/packed-change.ts';

const NO_PLACE = -1;
const WHOLE: ChangeForm = { keysOnly: false, withPrevious: true };

export class Run implements EventRun {
  length = 0;
  /** Bytes of memory that its changes kept in the queue. */
  bytes = 0;
  /** The record of the last change goes on in the next message. */
  isFragment = false;
  /** Where the watcher is when it has the message; undefined: where `lastWhole` says. */
  end: Position | undefined;
  #form = WHOLE;
  /** Changes, or chunks with a place in them. */
  readonly #items: (Change | Chunk | undefined)[] = [];
  readonly #places: number[] = [];
  readonly #packed = new PackedEvent();

  begin(form: ChangeForm): void {
    this.clear();
    this.bytes = 0;
    this.isFragment = false;
    this.end = undefined;
    this.#form = form;
  }

  /** Its message is told: large values among its changes are not kept until the next one. */
  clear(): void {
    for (let i = 0; i < this.length; i++) this.#items[i] = undefined;
    this.length = 0;
  }

  add(item: Change | Chunk, place: number, bytes: number): void {
    this.#items[this.length] = item;
    this.#places[this.length] = place;
    this.length++;
    this.bytes += bytes;
  }

  at(index: number): WatchEvent | undefined {
    const item = this.#itemAt(index);
    if (!(item instanceof Chunk)) return item?.as(this.#form);
    return this.#packed.show(item, this.#places[index] as number, this.#form.keysOnly);
  }

  /** The events, each an object that stays. */
  get events(): WatchEvent[] {
    return Array.from({ length: this.length }, (_, index) => this.#changeAt(index).as(this.#form));
  }

  /** The record of the last change; undefined: that is an initial one, which belongs to no record. */
  get lastLsn(): Lsn | undefined {
    return this.#lsnAt(this.length - 1);
  }

  /** The last record of which every change is here or was before; undefined: none ends here. */
  get lastWhole(): Position | undefined {
    const { lastLsn } = this;
    let index = this.length - 1;
    while (index >= 0 && (this.#isInitialAt(index) || (this.isFragment && this.#lsnAt(index) === lastLsn)))
      index--;
    const item = this.#itemAt(index);
    return item instanceof Chunk ? packedVersion(item, this.#places[index] as number) : item?.version;
  }

  /** The same, for a message that waits: this run may serve others. */
  kept(): Run {
    const kept = new Run();
    kept.begin(this.#form);
    for (let i = 0; i < this.length; i++) kept.add(this.#changeAt(i), NO_PLACE, 0);
    return Object.assign(kept, { bytes: this.bytes, isFragment: this.isFragment, end: this.end });
  }

  #changeAt(index: number): Change {
    const item = this.#itemAt(index) as Change | Chunk;
    return item instanceof Chunk ? unpack(item, this.#places[index] as number) : item;
  }

  #itemAt(index: number): Change | Chunk | undefined {
    return index < this.length ? this.#items[index] : undefined;
  }

  #isInitialAt(index: number): boolean {
    return this.#lsnAt(index) === undefined;
  }

  #lsnAt(index: number): Lsn | undefined {
    const item = this.#items[index] as Change | Chunk;
    if (item instanceof Chunk) return packedLsn(item, this.#places[index] as number);
    return item.isInitial ? undefined : item.version.lsn;
  }
}
