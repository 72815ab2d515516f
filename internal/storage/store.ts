/**
 * The state of one node: every stored entry, who was touched last, what is due
 * to expire, and the digest of it all. Synchronous and in memory; state changes
 * by `apply` alone, in the order of the log, so equal logs give equal stores.
 *
 * The store obeys: it neither evicts nor expires nor refuses by itself. The
 * master asks it for victims and due entries, logs their deletion, and the
 * deletion comes back through `apply`. Broken invariants throw; nothing else does
 * except a bad scan command (`invalid_argument`).
 */

import type { EntryReads } from '#model/bulk.ts';
import type { ScanCommand } from '#model/commands.ts';
import {
  type EncodedMutation,
  type EncodedPair,
  type Entry,
  isExpired,
  type Mutation,
  type StoreLimits,
} from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { StoreStatus } from '#model/status.ts';
import { assert } from '#platform/assert.ts';
import { encodeMutation } from '#storage/encode-pair.ts';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { ExpiryIndex } from '#storage/expiry-index.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { KeyIndex } from '#storage/key-index.ts';
import { Prefetcher } from '#storage/prefetch.ts';
import { RecencyList } from '#storage/recency.ts';
import { ScrubScan } from '#storage/scrub-scan.ts';
import { type ReadHooks, SlotReads } from '#storage/slot-reads.ts';
import { type ScanPage, scanSlots } from '#storage/slot-scan.ts';
import { NO_SLOT, SLOT_LIVE, SLOT_TAKEN, SlotTable } from '#storage/slot-table.ts';
import type { SnapshotEntry, SnapshotMeta } from '#storage/snapshot-codec.ts';
import { SnapshotScan } from '#storage/snapshot-scan.ts';

/**
 * What an entry costs beyond the bytes of its key and value: measured (README.md),
 * so that `bytesMax` is about what the process really uses. A constant, because
 * every node must count the same.
 */
export const ENTRY_OVERHEAD_BYTES = 80;

/** What a key that is not stored counts for. */
export const NOT_STORED = -1;

export interface StoreOptions {
  readonly limits: StoreLimits;
  /** 32 random bits per process, so that nobody can make keys collide. */
  readonly hashSeed?: number | undefined;
  /** For tests, which want collisions: the bits of the hash that are used; all where not given. */
  readonly hashMask?: number | undefined;
  /** Lower-case hex that names this store in scan cursors; derived from `hashSeed` where not given. */
  readonly incarnation?: string | undefined;
}

export function createStore(options: StoreOptions): Store {
  return new Store(options);
}

/** Bytes that an entry of so many bytes of key and value counts for. */
export function entryCost(keyBytes: number, valueBytes: number): number {
  return keyBytes + valueBytes + ENTRY_OVERHEAD_BYTES;
}

export class Store {
  readonly #incarnation: string;
  /** The key at hand: that of the last operation, or one that a caller loads for the next. */
  readonly key: KeyBytes;
  readonly #slots = new SlotTable();
  readonly #index = new KeyIndex(this.#slots);
  readonly #expiry = new ExpiryIndex(this.#slots);
  readonly #recency = new RecencyList(this.#slots);
  readonly #hasher = new EntryHasher();
  readonly #digest = new DigestSum();
  readonly #readHooks: ReadHooks = {
    locate: (bytes, keyOffset, keyBytes) => {
      this.key.loadBytes(bytes, keyOffset, keyBytes);
      return this.#index.find(this.key);
    },
    onHit: (slot) => this.#onHit(slot),
    onMiss: () => {
      this.#misses++;
    },
    prefetch: (bytes, offsets, lengths, from, to) => this.prefetch(bytes, offsets, lengths, from, to),
  };
  readonly #prefetcher: Prefetcher;
  #limits: StoreLimits;
  #snapshot: SnapshotScan | undefined;
  #scrub: ScrubScan | undefined;
  #entries = 0;
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evicted = 0;
  #expired = 0;

  constructor(options: StoreOptions) {
    const hashSeed = options.hashSeed ?? 0;
    this.key = new KeyBytes(hashSeed, options.hashMask);
    this.#prefetcher = new Prefetcher(this.key, this.#index, this.#slots);
    this.#limits = options.limits;
    this.#incarnation = options.incarnation ?? deriveIncarnation(hashSeed);
  }

  /** Entries stored, expired-but-not-yet-deleted included. */
  get entries(): number {
    return this.#entries;
  }

  /** The sum of `entryCost` over what is stored. */
  get bytes(): number {
    return this.#bytes;
  }

  get limits(): StoreLimits {
    return this.#limits;
  }

  /** Limits are only kept here; the master enforces them. The order is kept under every policy. */
  setLimits(limits: StoreLimits): void {
    this.#limits = limits;
  }

  /** What a Get answers at `nowMs` (log clock). Counts a hit or a miss; a hit touches. */
  get(key: string, nowMs: number): Entry | undefined {
    const slot = this.#find(key);
    if (slot === NO_SLOT || isExpired(this.#slots.expireAtMsOf(slot), nowMs)) {
      this.#misses++;
      return undefined;
    }
    this.#onHit(slot);
    return this.#slots.entry(slot, key);
  }

  /** Gets at `nowMs` by keys as bytes. `shiftMs`: added to the deadlines that are told. `onFound`: told the key of each hit. */
  reads(nowMs: number, shiftMs: number, onFound?: (key: string) => void): EntryReads {
    return new SlotReads(this.#slots, this.#readHooks, nowMs, shiftMs, onFound);
  }

  /** Brings near what is stored of keys that are looked at next; see `prefetch.ts`. The key at hand is another one then. */
  prefetch(bytes: Buffer, offsets: Uint32Array, lengths: Uint16Array, from: number, to: number): void {
    this.#prefetcher.run(bytes, offsets, lengths, from, to, this.#entries);
  }

  #onHit(slot: number): void {
    this.#hits++;
    if (this.#slots.stateOf(slot) === SLOT_LIVE) this.#recency.touch(slot);
  }

  /** What is stored, expired or not. Neither touches nor counts. */
  peek(key: string): Entry | undefined {
    const slot = this.#find(key);
    return slot === NO_SLOT ? undefined : this.#slots.entry(slot, key);
  }

  /** Makes a stored entry the most recently touched, unless it is taken. */
  touch(key: string): void {
    if (this.key.load(key)) this.touchAtHand();
  }

  /** As `touch`, of the key at hand; returns what `costAtHand` would. */
  touchAtHand(): number {
    const slot = this.#index.find(this.key);
    if (slot === NO_SLOT) return NOT_STORED;
    if (this.#slots.stateOf(slot) === SLOT_LIVE) this.#recency.touch(slot);
    return this.#costAt(slot);
  }

  /** What the stored entry of the key at hand counts for, as `entryCost` would, or `NOT_STORED`. */
  costAtHand(): number {
    const slot = this.#index.find(this.key);
    return slot === NO_SLOT ? NOT_STORED : this.#costAt(slot);
  }

  /**
   * The only way the state changes: `mutation` of the record at `position`. Key
   * and value are copied. Deleting a missing key does nothing.
   */
  applyEncoded(mutation: EncodedMutation, position: Position): void {
    const slot = this.#findEncoded(mutation);
    if (mutation.op === 'set') {
      this.#set(slot, mutation, position);
      return;
    }
    if (slot === NO_SLOT) return;
    if (mutation.cause === 'evicted') this.#evicted++;
    else if (mutation.cause === 'expired') this.#expired++;
    this.#delete(slot);
  }

  /** `applyEncoded` for callers that have the mutation as values. */
  apply(mutation: Mutation, position: Position): void {
    this.applyEncoded(encodeMutation(mutation), position);
  }

  /**
   * Chooses the least recently touched entry as a victim: out of the recency
   * order at once, stored and readable until its delete is applied. A set of its
   * key puts it back. Undefined where there is none, or the policy is `none`.
   */
  takeVictim(): Entry | undefined {
    const slot = this.#limits.policy === 'lru' ? this.#recency.takeOldest() : NO_SLOT;
    if (slot === NO_SLOT) return undefined;
    this.#slots.setState(slot, SLOT_TAKEN);
    return this.#slots.entry(slot);
  }

  /**
   * Gives a victim back whose write was refused. It becomes the most recently
   * touched entry: the order has no other place to put it back into. Nothing
   * where it is no longer stored or no longer taken.
   */
  returnVictim(victim: Entry): void {
    const slot = this.#find(victim.key);
    if (slot === NO_SLOT || this.#slots.stateOf(slot) !== SLOT_TAKEN) return;
    this.#slots.setState(slot, SLOT_LIVE);
    this.#recency.add(slot);
  }

  /**
   * Up to `max` stored entries that are expired at `nowMs`, the oldest first and
   * the others in no order. The same ones again until their deletes are applied.
   */
  due(nowMs: number, max: number): Entry[] {
    return this.#expiry.due(nowMs, max).map((slot) => this.#slots.entry(slot));
  }

  /** One piece of a scan; see `slot-scan.ts`. Throws `invalid_argument` for a foreign cursor or a bad limit. */
  scan(command: ScanCommand, nowMs: number): ScanPage {
    return scanSlots(this.#slots, this.#incarnation, command, nowMs);
  }

  stats(): StoreStatus {
    return {
      entries: this.#entries,
      bytes: this.#bytes,
      entriesMax: this.limits.entriesMax,
      bytesMax: this.limits.bytesMax,
      hits: this.#hits,
      misses: this.#misses,
      evicted: this.#evicted,
      expired: this.#expired,
    };
  }

  /** The sum of all entry hashes: 32 lower-case hex digits, kept up to date by every apply. */
  digest(): string {
    return this.#digest.hex();
  }

  /** The digest as four numbers, into `target` from `at` on; `formatDigest` makes text of them. */
  copyDigest(target: Uint32Array, at: number): void {
    this.#digest.copyTo(target, at);
  }

  /**
   * Begins a snapshot of exactly the present state, which the caller says is that
   * of `meta.position`. Throws where one is under way. See `snapshot-scan.ts`.
   */
  beginSnapshot(meta: SnapshotMeta): SnapshotScan {
    assert(this.#snapshot === undefined, 'one snapshot at a time');
    const onEnd = (): void => {
      this.#snapshot = undefined;
    };
    const source = { slots: this.#slots, entries: this.#entries, digest: this.digest(), onEnd };
    this.#snapshot = new SnapshotScan(source, meta);
    return this.#snapshot;
  }

  /** Begins to re-hash what is stored. Throws where a scrub is under way. See `scrub-scan.ts`. */
  beginScrub(): ScrubScan {
    assert(this.#scrub === undefined, 'one scrub at a time');
    this.#scrub = new ScrubScan({
      slots: this.#slots,
      entries: () => this.#entries,
      digest: () => this.digest(),
      isFoundAt: (slot) => {
        this.#slots.loadKey(slot, this.key);
        return this.#index.find(this.key) === slot;
      },
      onEnd: () => {
        this.#scrub = undefined;
      },
    });
    return this.#scrub;
  }

  /** For the snapshot loader: stores an entry under the stamp it had. False where the key is there already. */
  tryRestore(entry: SnapshotEntry): boolean {
    if (this.#findEncoded(entry) !== NO_SLOT) return false;
    const slot = this.#slots.allocate();
    this.#index.add(this.key.hash, slot);
    this.#write(slot, entry, entry.epoch, entry.lsn);
    this.#recency.restore(slot, entry.stamp);
    return true;
  }

  /** To be driven to its end after the last `tryRestore`: the order by stamps. Nothing may be applied in between. */
  rebuildRecency(): Generator<undefined, void> {
    return this.#recency.rebuild(this.#entries);
  }

  /** Makes `key` the one at hand; its slot, or `NO_SLOT`. Nothing is stored under an ill-formed string. */
  #find(key: string): number {
    return this.key.load(key) ? this.#index.find(this.key) : NO_SLOT;
  }

  /** As `#find`, of a key that is known to be well-formed. */
  #findEncoded({ bytes, keyOffset, keyBytes }: EncodedPair): number {
    this.key.loadBytes(bytes, keyOffset, keyBytes);
    return this.#index.find(this.key);
  }

  /** Of the slot whose key is at hand. */
  #costAt(slot: number): number {
    return entryCost(this.key.length, this.#slots.valueBytesOf(slot));
  }

  #set(found: number, pair: EncodedPair, position: Position): void {
    let slot = found;
    if (slot === NO_SLOT) {
      slot = this.#slots.allocate();
      this.#index.add(this.key.hash, slot);
      this.#snapshot?.afterAllocate(slot);
    } else {
      this.#snapshot?.beforeChange(slot);
      this.#forget(slot);
    }
    this.#write(slot, pair, position.epoch, position.lsn);
    if (found !== NO_SLOT && this.#slots.stateOf(slot) === SLOT_LIVE) {
      this.#recency.touch(slot);
    } else {
      this.#slots.setState(slot, SLOT_LIVE);
      this.#recency.add(slot);
    }
  }

  #delete(slot: number): void {
    this.#snapshot?.beforeChange(slot);
    this.#forget(slot);
    if (this.#slots.stateOf(slot) === SLOT_LIVE) this.#recency.remove(slot);
    this.#index.remove(this.key.hash, slot);
    this.#slots.free(slot);
  }

  /** Fills the slot with the key at hand and the rest, and adds it to every sum and to the expiry index. */
  #write(slot: number, pair: EncodedPair, epoch: number, lsn: number): void {
    this.#slots.write(slot, this.key, pair, epoch, lsn);
    this.#expiry.add(slot);
    this.#hasher.hashKey(this.key, this.#slots.valueCrcOf(slot), pair.expireAtMs, epoch, lsn);
    this.#digest.add(this.#hasher);
    this.#scrub?.added(slot, this.#hasher);
    this.#entries++;
    this.#bytes += entryCost(this.key.length, pair.valueBytes);
  }

  /** Takes the slot, whose key is at hand, out of every sum and out of the expiry index. */
  #forget(slot: number): void {
    const slots = this.#slots;
    this.#hasher.hashKey(
      this.key,
      slots.valueCrcOf(slot),
      slots.expireAtMsOf(slot),
      slots.epochOf(slot),
      slots.lsnOf(slot),
    );
    this.#digest.subtract(this.#hasher);
    this.#scrub?.removed(slot, this.#hasher);
    this.#entries--;
    this.#bytes -= this.#costAt(slot);
    this.#expiry.remove(slot);
  }
}

/** One way, so that a cursor does not tell where keys go. */
function deriveIncarnation(hashSeed: number): string {
  const hasher = new EntryHasher();
  hasher.hashEntry('scan cursor', hashSeed, 0, 0, 0);
  return hasher.hex().slice(0, 12);
}
