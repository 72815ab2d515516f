/**
 * Writes the exact state at the moment when the scan began, in slices, while the
 * store changes. The scan walks the slots in order. Before the store changes or
 * deletes an entry that is not written yet, it reports the slot, and the scan
 * writes the entry as it still is: its pre-image. One bit per slot marks entries
 * as written, new entries too, so the file contains each entry of that moment once
 * and nothing newer.
 *
 * The scan hashes every entry again. An entry that was altered in memory fails the
 * scan with `AlteredStateError`: a load would refuse a file with it, when the log
 * that the file replaces is already deleted.
 *
 * The scan needs memory for one bit per slot, one open block, and the pre-images
 * that `next` has not returned yet, with small values copied and long ones
 * referenced. `pendingBytes` is their size, so that the caller can delay writes.
 */
import type { Position } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import { crc32 } from '#platform/crc32.ts';
import { AlteredStateError, describeAltered, describeCrc } from '#storage/altered-state.ts';
import { beginContentType, fieldsBytesOf } from '#storage/entry-fields.ts';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { encodeRequestBlocks, summaryOf } from '#storage/request-blocks.ts';
import type { RequestTable } from '#storage/request-table.ts';
import { SLOT_FREE, type SlotTable } from '#storage/slot-table.ts';
import {
  BLOCK_BYTES_TARGET,
  BLOCK_ENTRIES,
  BLOCK_HEADER_BYTES,
  ENTRY_HEADER_BYTES,
  encodeEntryHeader,
  encodeFooter,
  encodeTimesBlock,
  sealBlock,
} from '#storage/snapshot-codec.ts';
import { encodeHeader, type SnapshotMeta } from '#storage/snapshot-header.ts';

/** Most slots that one call of `next` looks at: about 0.1 ms if all are free. */
const SLOTS_PER_SLICE_MAX = 16_384;

const NOTHING_YET = new Uint8Array(0);

type State = 'scanning' | 'complete' | 'cancelled';

/** What the scan needs from the store, as of the moment when it begins. */
export interface ScanSource {
  readonly slots: SlotTable;
  readonly entries: number;
  readonly requests: RequestTable;
  readonly digest: string;
  /** Called once, when the scan is complete or cancelled and needs no more pre-images. */
  readonly onEnd: () => void;
}

export class SnapshotScan {
  readonly #slots: SlotTable;
  readonly #source: ScanSource;
  /** Slots from here on were not in use when the scan began. */
  readonly #end: number;
  readonly #isWritten: Uint8Array;
  /** The rest of the blocks with named writes, which come before the entries. */
  readonly #requests: Iterator<Uint8Array>;
  readonly #blocks = new BlockWriter();
  readonly #hasher = new EntryHasher();
  readonly #key = new KeyBytes();
  readonly #sum = new DigestSum();
  /** Describes the first altered entry; empty if there is none. */
  #altered = '';
  #state: State = 'scanning';
  #cursor = 0;
  #entries = 0;
  #fileCrc = 0;

  constructor(source: ScanSource, meta: SnapshotMeta) {
    this.#source = source;
    this.#slots = source.slots;
    this.#end = source.slots.end;
    this.#isWritten = new Uint8Array(Math.ceil(this.#end / 8));
    const { requests } = source;
    this.#requests = encodeRequestBlocks(requests);
    this.#blocks.push(encodeHeader(meta, source.entries, summaryOf(requests)));
    if (meta.formatLevel > 0) this.#blocks.push(encodeTimesBlock(meta.times));
  }

  /**
   * Returns the next bytes of the file: whole blocks of about `bytesMax` in total.
   * An empty result means that this call's slots filled no block: call again.
   * Undefined means that the file is complete. Throws after `cancel`, and
   * `AlteredStateError` if memory differs from what was stored.
   */
  next(bytesMax: number): Uint8Array | undefined {
    assert(this.#state !== 'cancelled', 'the snapshot was cancelled');
    if (this.#state === 'complete') return undefined;
    const requests = this.#requests.next();
    if (requests.done !== true) this.#blocks.push(requests.value);
    const end = Math.min(this.#end, this.#cursor + SLOTS_PER_SLICE_MAX);
    while (this.#cursor < end && this.#blocks.readyBytes < bytesMax) {
      if (this.#isDue(this.#cursor)) this.#write(this.#cursor);
      this.#cursor++;
    }
    if (this.#altered !== '') throw new AlteredStateError(`memory was altered: ${this.#altered}`);
    const isOver = this.#cursor === this.#end && requests.done === true;
    if (isOver) this.#blocks.flush();
    const bytes = this.#blocks.take(bytesMax);
    if (bytes === undefined) return isOver ? this.#complete() : NOTHING_YET;
    this.#fileCrc = crc32(bytes, this.#fileCrc);
    return bytes;
  }

  /** Bytes of finished blocks that `next` has not returned yet. */
  get pendingBytes(): number {
    return this.#blocks.readyBytes;
  }

  /** Ends the scan early; the caller must discard the unfinished file. */
  cancel(): void {
    if (this.#state !== 'scanning') return;
    this.#state = 'cancelled';
    this.#source.onEnd();
  }

  /** Must be called before the store changes or deletes the entry in `slot`. */
  beforeChange(slot: number): void {
    if (slot < this.#end && this.#isDue(slot)) this.#write(slot);
  }

  /** Must be called after the store allocated `slot` for a new entry, which the file must not contain. */
  afterAllocate(slot: number): void {
    if (slot < this.#end) this.#markWritten(slot);
  }

  #isDue(slot: number): boolean {
    if (this.#slots.stateOf(slot) === SLOT_FREE) return false;
    return ((this.#isWritten[slot >>> 3] as number) & (1 << (slot & 7))) === 0;
  }

  #write(slot: number): void {
    this.#blocks.add(this.#slots, slot);
    this.#hash(slot);
    this.#markWritten(slot);
    this.#entries++;
  }

  #hash(slot: number): void {
    const slots = this.#slots;
    const epoch = slots.epochOf(slot);
    const lsn = slots.lsnOf(slot);
    const stored = slots.valueCrcOf(slot);
    const found = slots.presentCrcOf(slot);
    if (found >>> 0 !== stored >>> 0 && this.#altered === '') {
      const version = { epoch, lsn } as Position;
      this.#altered = describeAltered({ key: slots.keyOf(slot), version, why: describeCrc(found, stored) });
    }
    slots.loadKey(slot, this.#key);
    this.#hasher.hashKey(
      this.#key,
      stored,
      slots.expireAtMsOf(slot),
      epoch,
      lsn,
      slots.typeBytesOf(slot),
      slots.typeCrcOf(slot),
    );
    this.#sum.add(this.#hasher);
  }

  #markWritten(slot: number): void {
    this.#isWritten[slot >>> 3] = (this.#isWritten[slot >>> 3] as number) | (1 << (slot & 7));
  }

  #complete(): Uint8Array {
    const { entries, digest } = this.#source;
    assert(this.#entries === entries, `snapshot wrote ${this.#entries} of ${entries} entries`);
    const sum = this.#sum.hex();
    if (sum !== digest) {
      throw new AlteredStateError(
        `memory was altered: the entries have the digest ${sum}, kept was ${digest}`,
      );
    }
    this.#state = 'complete';
    this.#source.onEnd();
    return encodeFooter({ entries, digest, fileCrc: this.#fileCrc });
  }
}

/** Packs entries into blocks of about 64 KiB and queues the finished ones. */
class BlockWriter {
  readyBytes = 0;
  readonly #ready: Uint8Array[] = [];
  #block = Buffer.alloc(0);
  #view = new DataView(this.#block.buffer);
  #used = BLOCK_HEADER_BYTES;
  #entries = 0;

  add(slots: SlotTable, slot: number): void {
    const keyBytes = slots.keyBytesOf(slot);
    const valueBytes = slots.valueBytesOf(slot);
    const own = slots.tryOwnValueOf(slot);
    const typeBytes = slots.typeBytesOf(slot);
    const fieldsBytes = fieldsBytesOf(typeBytes);
    const bytes = ENTRY_HEADER_BYTES + keyBytes + fieldsBytes + (own === undefined ? valueBytes : 0);
    // A value with a buffer of its own is appended as a tail instead of copied, so its entry has a block of its own.
    if (own !== undefined) this.flush();
    if (this.#used + bytes > this.#block.length) {
      this.flush();
      const room = own === undefined ? Math.max(BLOCK_BYTES_TARGET, bytes) : bytes;
      this.#block = Buffer.allocUnsafeSlow(BLOCK_HEADER_BYTES + room);
      this.#view = new DataView(this.#block.buffer);
    }
    const keyAt = encodeEntryHeader(this.#view, this.#used, {
      keyBytes,
      valueBytes,
      fieldsBytes,
      expireAtMs: slots.expireAtMsOf(slot),
      epoch: slots.epochOf(slot),
      lsn: slots.lsnOf(slot),
      stamp: slots.stampOf(slot),
    });
    slots.copyTo(slot, this.#block, keyAt, fieldsBytes);
    if (typeBytes > 0)
      slots.copyTypeTo(slot, this.#block, beginContentType(this.#block, keyAt + keyBytes, typeBytes));
    this.#used += bytes;
    this.#entries++;
    if (own !== undefined) this.flush(own);
  }

  /** Finishes the block; `tail` is the value of its last entry if that was not copied. */
  flush(tail?: Uint8Array): void {
    if (this.#entries === 0) return;
    const block = this.#block.subarray(0, this.#used);
    sealBlock(block, BLOCK_ENTRIES, this.#entries, tail);
    this.push(block);
    if (tail !== undefined) this.push(tail);
    this.#block = Buffer.alloc(0);
    this.#used = BLOCK_HEADER_BYTES;
    this.#entries = 0;
  }

  push(block: Uint8Array): void {
    this.#ready.push(block);
    this.readyBytes += block.length;
  }

  /** Removes and returns the oldest finished blocks: at most `bytesMax` in total, or one larger block. */
  take(bytesMax: number): Uint8Array | undefined {
    let bytes = 0;
    let count = 0;
    for (const block of this.#ready) {
      if (count > 0 && bytes + block.length > bytesMax) break;
      bytes += block.length;
      count++;
    }
    if (count === 0) return undefined;
    const taken = this.#ready.splice(0, count);
    this.readyBytes -= bytes;
    return taken.length === 1 ? taken[0] : Buffer.concat(taken, bytes);
  }
}
