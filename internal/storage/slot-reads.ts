/** Reads by keys as bytes, for callers that encode values directly into their answer. */
import { type EntryReads, NOT_FOUND, TOO_LONG } from '#model/bulk.ts';
import { isExpired, movedDeadline } from '#model/entry.ts';
import { NO_SLOT, type SlotTable } from '#storage/slot-table.ts';

/** What a read calls in the store. */
export interface ReadHooks {
  /** The slot of a key, or `NO_SLOT`. */
  locate(bytes: Buffer, keyOffset: number, keyBytes: number): number;
  onHit(slot: number): void;
  onMiss(): void;
  prefetch(bytes: Buffer, offsets: Uint32Array, lengths: Uint16Array, from: number, to: number): void;
}

export class SlotReads implements EntryReads {
  readonly #slots: SlotTable;
  readonly #hooks: ReadHooks;
  readonly #nowMs: number;
  readonly #shiftMs: number;
  readonly #onFound: ((key: string) => void) | undefined;

  /** `nowMs` decides which entries have expired; `shiftMs` is added to the deadlines returned. */
  constructor(
    slots: SlotTable,
    hooks: ReadHooks,
    nowMs: number,
    shiftMs: number,
    onFound?: (key: string) => void,
  ) {
    this.#slots = slots;
    this.#hooks = hooks;
    this.#nowMs = nowMs;
    this.#shiftMs = shiftMs;
    this.#onFound = onFound;
  }

  find(bytes: Buffer, keyOffset: number, keyBytes: number): number {
    const slot = this.#hooks.locate(bytes, keyOffset, keyBytes);
    return this.#isHere(slot) ? this.#hit(slot, bytes, keyOffset, keyBytes) : this.#miss();
  }

  findShort(bytes: Buffer, keyOffset: number, keyBytes: number, valueBytesMax: number): number {
    const slot = this.#hooks.locate(bytes, keyOffset, keyBytes);
    if (!this.#isHere(slot)) return this.#miss();
    if (this.#slots.valueBytesOf(slot) > valueBytesMax) return TOO_LONG;
    return this.#hit(slot, bytes, keyOffset, keyBytes);
  }

  #isHere(slot: number): boolean {
    return slot !== NO_SLOT && !isExpired(this.#slots.expireAtMsOf(slot), this.#nowMs);
  }

  #miss(): number {
    this.#hooks.onMiss();
    return NOT_FOUND;
  }

  #hit(slot: number, bytes: Buffer, keyOffset: number, keyBytes: number): number {
    this.#hooks.onHit(slot);
    this.#onFound?.(bytes.toString('utf8', keyOffset, keyOffset + keyBytes));
    return slot;
  }

  prefetch(bytes: Buffer, offsets: Uint32Array, lengths: Uint16Array, from: number, to: number): void {
    this.#hooks.prefetch(bytes, offsets, lengths, from, to);
  }

  storedBytes(bytes: Buffer, keyOffset: number, keyBytes: number): number {
    const slot = this.#hooks.locate(bytes, keyOffset, keyBytes);
    return slot === NO_SLOT ? 0 : this.#slots.valueBytesOf(slot);
  }

  valueBytesOf(slot: number): number {
    return this.#slots.valueBytesOf(slot);
  }

  expireAtMsOf(slot: number): number {
    return movedDeadline(this.#slots.expireAtMsOf(slot), this.#shiftMs);
  }

  epochOf(slot: number): number {
    return this.#slots.epochOf(slot);
  }

  lsnOf(slot: number): number {
    return this.#slots.lsnOf(slot);
  }

  contentTypeOf(slot: number): string {
    return this.#slots.contentTypeOf(slot) ?? '';
  }

  copyValue(slot: number, target: DataView<ArrayBuffer>, at: number): void {
    this.#slots.copyValueTo(slot, target, at);
  }
}
