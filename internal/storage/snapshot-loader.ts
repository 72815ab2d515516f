/**
 * Builds a store from the bytes of a snapshot file, pushed in pieces of any size.
 * It needs memory for the store and at most one block. A file that is damaged, cut
 * or too long throws `SnapshotError`; the loader must not be used after that.
 */
import { crc32 } from '#platform/crc32.ts';
import { checkRequests, restoreRequests } from '#storage/request-blocks.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import {
  BLOCK_ENTRIES,
  BLOCK_FOOTER,
  BLOCK_HEADER_BYTES,
  BLOCK_REQUESTS,
  BLOCK_TIMES,
  type BlockHeader,
  checkBlockType,
  decodeBlockHeader,
  decodeEntries,
  decodeFooter,
  type SnapshotFooter,
} from '#storage/snapshot-codec.ts';
import {
  decodeHeader,
  decodePrefix,
  type HeaderMeta,
  headerCut,
  PREFIX_BYTES,
  type SnapshotHeader,
  type SnapshotMeta,
} from '#storage/snapshot-header.ts';
import { createStore, type Store } from '#storage/store.ts';
import type { StoreOptions } from '#storage/store-options.ts';
import { decodeTimes, type TimeRow } from '#storage/time-table.ts';

/** Options for the store, without the limits: they come from the snapshot. */
export type LoaderOptions = Omit<StoreOptions, 'limits'>;

export interface LoadedSnapshot {
  readonly store: Store;
  readonly meta: SnapshotMeta;
  readonly entries: number;
}

/** The piece of the file that the loader is collecting. */
type Piece =
  | { readonly kind: 'prefix' }
  | { readonly kind: 'header'; readonly prefix: Uint8Array }
  | { readonly kind: 'block header' }
  | { readonly kind: 'block'; readonly header: BlockHeader }
  | { readonly kind: 'end' };

export function createSnapshotLoader(options: LoaderOptions = {}): SnapshotLoader {
  return new SnapshotLoader(options);
}

class SnapshotLoader {
  readonly #options: LoaderOptions;
  #piece: Piece = { kind: 'prefix' };
  #pieceBytes = PREFIX_BYTES;
  /** Parts of the current piece, copied because callers may reuse their buffers. Reused for every piece. */
  #held = Buffer.alloc(0);
  #heldBytes = 0;
  /** The offset in the file at which the piece begins. */
  #offset = 0;
  /** The CRC of the file before the current piece, and before the last block header. */
  #fileCrc = 0;
  #fileCrcBeforeBlock = 0;
  #header: SnapshotHeader | undefined;
  #store: Store | undefined;
  #times: readonly TimeRow[] | undefined;
  #footer: SnapshotFooter | undefined;

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** Takes the next bytes of the file. Throws `SnapshotError` on damage. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#piece.kind === 'end') throw new SnapshotError(this.#offset, 'bytes after the footer');
      const part = bytes.subarray(at, at + this.#pieceBytes - this.#heldBytes);
      at += part.length;
      const isWhole = this.#heldBytes + part.length === this.#pieceBytes;
      if (isWhole && this.#heldBytes === 0) {
        this.#takePiece(part);
      } else {
        this.#hold(part);
        if (isWhole) this.#takePiece(this.#held.subarray(0, this.#pieceBytes));
      }
    }
  }

  #hold(part: Uint8Array): void {
    const bytes = this.#heldBytes + part.length;
    if (bytes > this.#held.length) {
      // Allocate no more than twice what has arrived, whatever length a header claims.
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#pieceBytes, bytes * 2));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    this.#held.set(part, this.#heldBytes);
    this.#heldBytes = bytes;
  }

  /** Must be called after the last push: checks counts and digest, then restores the recency order. */
  finish(): LoadedSnapshot {
    const slices = this.finishSlices();
    for (;;) {
      const step = slices.next();
      if (step.done === true) return step.value;
    }
  }

  /** `finish` in slices of a few milliseconds, for callers that must not stall the event loop. */
  *finishSlices(): Generator<undefined, LoadedSnapshot> {
    const { header, store, footer } = this.#complete();
    if (store.entries !== header.entries || footer.entries !== header.entries) {
      const counts = `${header.entries} in the header, ${footer.entries} in the footer, ${store.entries} in the file`;
      throw new SnapshotError(this.#offset, `entry counts differ: ${counts}`);
    }
    if (store.entriesDigest() !== footer.digest) {
      throw new SnapshotError(this.#offset, `digest is ${store.entriesDigest()}: expected ${footer.digest}`);
    }
    checkRequests(store.requests, header.requests, this.#offset);
    yield* store.rebuildRecency();
    const meta = { ...header.meta, times: this.#times ?? timesWithoutTable(header.meta) };
    return { store, meta, entries: store.entries };
  }

  #complete(): { header: SnapshotHeader; store: Store; footer: SnapshotFooter } {
    if (this.#piece.kind === 'header') throw headerCut();
    if (this.#header === undefined || this.#store === undefined || this.#footer === undefined) {
      throw new SnapshotError(this.#offset + this.#heldBytes, 'the file is cut: there is no footer');
    }
    return { header: this.#header, store: this.#store, footer: this.#footer };
  }

  #takePiece(bytes: Uint8Array): void {
    const piece = this.#piece;
    const offset = this.#offset;
    this.#heldBytes = 0;
    this.#offset += bytes.length;
    if (piece.kind === 'block header') this.#fileCrcBeforeBlock = this.#fileCrc;
    this.#fileCrc = crc32(bytes, this.#fileCrc);
    switch (piece.kind) {
      case 'prefix':
        this.#expect({ kind: 'header', prefix: new Uint8Array(bytes) }, decodePrefix(bytes));
        return;
      case 'header':
        this.#header = decodeHeader(Buffer.concat([piece.prefix, bytes]));
        this.#store = createStore({ ...this.#options, limits: this.#header.meta.limits });
        if (this.#header.requests !== undefined)
          this.#store.requests.restoreMarks(this.#header.requests.marks);
        this.#expect({ kind: 'block header' }, BLOCK_HEADER_BYTES);
        return;
      case 'block header': {
        const header = decodeBlockHeader(bytes, offset);
        checkBlockType(header.type, this.#header?.version ?? 0, offset);
        this.#expect({ kind: 'block', header }, header.payloadBytes);
        return;
      }
      case 'block':
        this.#takeBlock(piece.header, bytes, offset);
        return;
      case 'end':
        return;
    }
  }

  #expect(piece: Piece, bytes: number): void {
    this.#piece = piece;
    this.#pieceBytes = bytes;
  }

  #takeBlock(header: BlockHeader, payload: Uint8Array, offset: number): void {
    if (crc32(payload) !== header.payloadCrc) throw new SnapshotError(offset, 'block CRC does not match');
    if (header.type === BLOCK_FOOTER) {
      const footer = decodeFooter(payload, offset);
      if (footer.fileCrc !== this.#fileCrcBeforeBlock)
        throw new SnapshotError(offset, 'file CRC does not match');
      this.#footer = footer;
      this.#expect({ kind: 'end' }, 0);
      return;
    }
    if (header.type === BLOCK_ENTRIES) this.#takeEntries(header.entries, payload, offset);
    else if (header.type === BLOCK_REQUESTS)
      restoreRequests(payload, header.entries, offset, (this.#store as Store).requests);
    else if (header.type === BLOCK_TIMES) this.#takeTimes(payload, offset);
    this.#expect({ kind: 'block header' }, BLOCK_HEADER_BYTES);
  }

  #takeEntries(entries: number, payload: Uint8Array, offset: number): void {
    const store = this.#store as Store;
    decodeEntries(payload, entries, offset, (entry, entryOffset) => {
      if (!store.tryRestore(entry)) throw new SnapshotError(entryOffset, 'a key for the second time');
    });
  }

  #takeTimes(payload: Uint8Array, offset: number): void {
    if (this.#times !== undefined) throw new SnapshotError(offset, 'a second time table');
    this.#times = decodeTimes(payload, offset);
  }
}

/** What the file contains counts as made when it was written, at the latest. */
function timesWithoutTable({ position, logClockMs }: HeaderMeta): TimeRow[] {
  return position.lsn === 0 ? [] : [{ lastLsn: position.lsn, second: Math.floor(logClockMs / 1_000) }];
}
