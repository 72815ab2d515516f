/**
 * The state of one node: every stored entry, the recency order, the deadlines, what became of
 * named writes, and the digest. It is synchronous and in memory. Entries change only through `apply`
 * and `applyEncoded`, in the order of the log, so equal logs give equal entries and digests.
 *
 * The store never evicts, expires or refuses by itself. The master asks it for
 * victims and due entries, logs their deletion, and applies that record. The store
 * throws on a broken invariant and on a bad scan command (`invalid_argument`).
 */

import type { EntryReads } from '#model/bulk.ts';
import type { ScanCommand } from '#model/commands.ts';
import type { EncodedMutation, EncodedPair } from '#model/encoded.ts';
import { type Entry, isExpired, type Mutation, type StoreLimits } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { StoreStatus } from '#model/status.ts';
import { assert } from '#platform/assert.ts';
import { encodeMutation } from '#storage/encode-pair.ts';
import { entryCost } from '#storage/entry-cost.ts';
import { DigestSum, EntryHasher, formatDigest } from '#storage/entry-hash.ts';
import { ExpiryIndex } from '#storage/expiry-index.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { KeyIndex } from '#storage/key-index.ts';
import { type KeySlotOf, KeySlotSizes } from '#storage/key-slot-sizes.ts';
import { createMemberList } from '#storage/logged-members.ts';
import { createOwnership } from '#storage/logged-ownership.ts';
import { Prefetcher } from '#storage/prefetch.ts';
import { RecencyList } from '#storage/recency.ts';
import { RequestTable } from '#storage/request-table.ts';
import { ScrubScan } from '#storage/scrub-scan.ts';
import { SideReads } from '#storage/side-reads.ts';
import { type ReadHooks, SlotReads } from '#storage/slot-reads.ts';
import {
  type CountCommand,
  type CountPage,
  countSlots,
  deriveIncarnation,
  type ScanPage,
  scanSlots,
} from '#storage/slot-scan.ts';
import { NO_SLOT, SLOT_LIVE, SLOT_TAKEN, SLOT_UNLISTED, SlotTable } from '#storage/slot-table.ts';
import type { SnapshotEntry } from '#storage/snapshot-codec.ts';
import type { SnapshotMeta } from '#storage/snapshot-header.ts';
import { SnapshotScan } from '#storage/snapshot-scan.ts';
import type { StoreOptions } from '#storage/store-options.ts';
import { chooseVictims, type VictimChoice, type VictimParts } from '#storage/victims.ts';

/** Returned instead of a cost for a key that is not stored. */
export const NOT_STORED = -1;

export function createStore(options: StoreOptions): Store {
  return new Store(options);
}

export class Store {
  /** What became of writes that have names. */
  readonly requests = new RequestTable();
  /** The member list of the group; empty in the log of a plain one. */
  readonly members = createMemberList();
  /** The slots that the group owns; undefined in the log of a plain one. */
  readonly ownership = createOwnership();
  readonly #incarnation: string;
  readonly #hashSeed: number;
  readonly #hashMask: number | undefined;
  /** The key of the current operation. */
  readonly #key: KeyBytes;
  readonly #slots: SlotTable;
  readonly #index: KeyIndex;
  readonly #expiry: ExpiryIndex;
  readonly #recency: RecencyList;
  readonly #hasher = new EntryHasher();
  readonly #digest = new DigestSum();
  readonly #readHooks: ReadHooks = {
    locate: (bytes, keyOffset, keyBytes) => {
      this.#key.loadBytes(bytes, keyOffset, keyBytes);
      return this.#index.find(this.#key);
    },
    onHit: (slot) => this.#onHit(slot),
    onMiss: () => void this.#misses++,
    prefetch: (bytes, offsets, lengths, from, to) => this.prefetch(bytes, offsets, lengths, from, to),
  };
  readonly #prefetcher: Prefetcher;
  readonly #victimParts: VictimParts;
  #limits: StoreLimits;
  #victims: VictimChoice;
  #snapshot: SnapshotScan | undefined;
  #scrub: ScrubScan | undefined;
  #keySlots: KeySlotSizes | undefined;
  #entries = 0;
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  /** What was deleted for room or on time, and the sets that the master refused for want of room. */
  readonly counts = { evicted: 0, expired: 0, refused: 0 };

  constructor(options: StoreOptions) {
    this.#slots = new SlotTable(options.sharesValues);
    this.#index = new KeyIndex(this.#slots, this.#slots.peeks);
    this.#expiry = new ExpiryIndex(this.#slots);
    this.#recency = new RecencyList(this.#slots);
    this.#victimParts = { slots: this.#slots, recency: this.#recency, expiry: this.#expiry };
    this.#hashSeed = options.hashSeed ?? 0;
    this.#hashMask = options.hashMask;
    this.#key = this.createKey();
    this.#prefetcher = new Prefetcher(this.#key, this.#index, this.#slots);
    this.#limits = options.limits;
    this.#victims = chooseVictims(options.limits, this.#victimParts);
    this.#incarnation = options.incarnation ?? deriveIncarnation(this.#hashSeed);
  }

  /** Entries stored, including expired ones that are not deleted yet. */
  get entries(): number {
    return this.#entries;
  }

  /** The sum of `entryCost` over all stored entries. */
  get bytes(): number {
    return this.#bytes;
  }

  get limits(): StoreLimits {
    return this.#limits;
  }

  /** Sets the limits. The master enforces them, not the store, which keeps the recency order under every policy. */
  setLimits(limits: StoreLimits): void {
    const wasRestricted = this.#limits.scope === 'with_ttl';
    this.#limits = limits;
    this.#victims = chooseVictims(limits, this.#victimParts);
    if (wasRestricted && limits.scope !== 'with_ttl') this.#relist();
  }

  /** Puts entries that the scope `with_ttl` removed from the recency order back, because every entry may be a victim now. */
  #relist(): void {
    const slots = this.#slots;
    for (let slot = 0; slot < slots.end; slot++)
      if (slots.stateOf(slot) === SLOT_UNLISTED) slots.setState(slot, SLOT_LIVE);
    this.#recency.relist(this.#entries);
  }

  /** The entry that a Get returns at `nowMs` (log clock). Counts a hit or a miss; a hit accesses the entry. */
  get(key: string, nowMs: number): Entry | undefined {
    const slot = this.#find(key);
    if (slot === NO_SLOT || isExpired(this.#slots.expireAtMsOf(slot), nowMs)) {
      this.#misses++;
      return undefined;
    }
    this.#onHit(slot);
    return this.#slots.entry(slot, key);
  }

  /** Gets at `nowMs` by keys as bytes. `shiftMs` is added to returned deadlines; `onFound` is called with the key of each hit. */
  reads(nowMs: number, shiftMs: number, onFound?: (key: string) => void): EntryReads {
    return new SlotReads(this.#slots, this.#readHooks, nowMs, shiftMs, onFound);
  }

  /** Reads of a program that has this store in its own process. */
  sideReads(): SideReads {
    return new SideReads(this.#slots, this.#index, this.createKey());
  }

  /** Prefetches the entries of keys that are looked up next; see `prefetch.ts`. */
  prefetch(bytes: Buffer, offsets: Uint32Array, lengths: Uint16Array, from: number, to: number): void {
    this.#prefetcher.run(bytes, offsets, lengths, from, to, this.#entries);
  }

  #onHit(slot: number): void {
    this.#hits++;
    this.#accessSlot(slot);
  }

  /** A taken victim stays one. */
  #accessSlot(slot: number): void {
    const state = this.#slots.stateOf(slot);
    if (state === SLOT_LIVE) this.#recency.access(slot);
    else if (state === SLOT_UNLISTED) this.#recency.stamp(slot);
  }

  /** The stored entry, expired or not. Neither accesses it nor counts a hit or miss. */
  peek(key: string): Entry | undefined {
    const slot = this.#find(key);
    return slot === NO_SLOT ? undefined : this.#slots.entry(slot, key);
  }

  /** The stamp of the newest access of any entry. */
  get lastStamp(): number {
    return this.#recency.lastStamp;
  }

  /** The stamp of the last access of an entry, or `NOT_STORED`. */
  stampOf(key: string): number {
    const slot = this.#find(key);
    return slot === NO_SLOT ? NOT_STORED : this.#slots.stampOf(slot);
  }

  /** Makes stored entries the most recently accessed, unless they are taken victims. */
  access(...keys: readonly string[]): void {
    for (const key of keys) if (this.#key.load(key)) this.accessKey(this.#key);
  }

  /** How many accesses there were, of which only differences mean anything, and the key of the last; undefined if it is gone. */
  lastAccess(): { readonly accesses: number; readonly key: string | undefined } {
    const { lastStamp: accesses, last } = this.#recency;
    return { accesses, key: last === NO_SLOT ? undefined : this.#slots.keyOf(last) };
  }

  /** A buffer for keys, hashed as this store does: the caller's own, to ask for several things of one key. */
  createKey(): KeyBytes {
    return new KeyBytes(this.#hashSeed, this.#hashMask);
  }

  /** Counts as an access of the entry of a key from `createKey` and returns its cost, or `NOT_STORED`. */
  accessKey(key: KeyBytes): number {
    const slot = this.#index.find(key);
    if (slot === NO_SLOT) return NOT_STORED;
    this.#accessSlot(slot);
    return this.#costAt(slot, key);
  }

  /** The cost of the entry of a key from `createKey`, or `NOT_STORED`. */
  costOf(key: KeyBytes): number {
    const slot = this.#index.find(key);
    return slot === NO_SLOT ? NOT_STORED : this.#costAt(slot, key);
  }

  /** The deadline of the entry of a key from `createKey`, or `NOT_STORED`. */
  deadlineOf(key: KeyBytes): number {
    const slot = this.#index.find(key);
    return slot === NO_SLOT ? NOT_STORED : this.#slots.expireAtMsOf(slot);
  }

  /**
   * Applies a mutation of the record at `position`: the only way entries change.
   * Copies key and value; a long value in bytes that are final may be kept as it is.
   * Deleting a missing key does nothing.
   */
  applyEncoded(mutation: EncodedMutation, position: Position): void {
    const slot = this.#findEncoded(mutation);
    if (mutation.op === 'set') {
      this.#set(slot, mutation, position);
      return;
    }
    if (slot === NO_SLOT) return;
    if (mutation.op === 'touch') {
      this.#touch(slot, mutation.expireAtMs);
      return;
    }
    if (mutation.cause === 'evicted') this.counts.evicted++;
    else if (mutation.cause === 'expired') this.counts.expired++;
    this.#delete(slot);
  }

  /** `applyEncoded` for callers that have key and value unencoded. */
  apply(mutation: Mutation, position: Position): void {
    this.applyEncoded(encodeMutation(mutation), position);
  }

  /**
   * Takes the entry that the policy chooses as a victim. It leaves the recency order
   * at once, and stays stored and readable until its deletion is applied. A Set of
   * its key puts it back. Undefined if the policy allows none.
   */
  takeVictim(): Entry | undefined {
    const slot = this.#victims.take();
    if (slot === NO_SLOT) return undefined;
    this.#slots.setState(slot, SLOT_TAKEN);
    return this.#slots.entry(slot);
  }

  /**
   * Puts a victim back whose write was refused, as the most recently accessed entry,
   * because its former place is lost. Does nothing if it is no longer stored or no
   * longer taken.
   */
  returnVictim(victim: Entry): void {
    const slot = this.#find(victim.key);
    if (slot === NO_SLOT || this.#slots.stateOf(slot) !== SLOT_TAKEN) return;
    this.#slots.setState(slot, SLOT_LIVE);
    this.#recency.add(slot);
    this.#expiry.putBack(slot);
  }

  /**
   * Up to `max` stored entries that are expired at `nowMs`: the earliest first, the
   * rest in no order. Returns the same ones again until their deletion is applied.
   */
  due(nowMs: number, max: number): Entry[] {
    return this.#expiry.due(nowMs, max).map((slot) => this.#slots.entry(slot));
  }

  /** One page of a scan; see `slot-scan.ts`. Throws `invalid_argument` for a foreign cursor or a bad limit. */
  scan(command: ScanCommand, nowMs: number): ScanPage {
    return scanSlots(this.#slots, this.#incarnation, command, nowMs);
  }

  /** How many entries one page of a scan has; see `slot-scan.ts`. */
  count(command: CountCommand, nowMs: number): CountPage {
    return countSlots(this.#slots, this.#incarnation, command, nowMs);
  }

  stats(): StoreStatus {
    return {
      entries: this.#entries,
      bytes: this.#bytes,
      entriesMax: this.limits.entriesMax,
      bytesMax: this.limits.bytesMax,
      hits: this.#hits,
      misses: this.#misses,
      ...this.counts,
    };
  }

  /** The digest of the entries as 32 lower-case hex digits, as a snapshot's footer has it. Every change keeps it up to date. */
  entriesDigest(): string {
    return this.#digest.hex();
  }

  /** The digest of the node's state, by which nodes are compared: those of the entries, of named writes, of the member list and of the ownership. */
  stateDigest(): string {
    const lanes = new Uint32Array(4);
    this.copyStateDigest(lanes, 0);
    return formatDigest(lanes, 0);
  }

  /** Writes the state digest as four numbers to `target` from `at` on; `formatDigest` formats them. */
  copyStateDigest(target: Uint32Array, at: number): void {
    this.#digest.copyTo(target, at);
    this.requests.addDigestTo(target, at);
    this.members.addDigestTo(target, at);
    this.ownership.addDigestTo(target, at);
  }

  /**
   * Begins a snapshot of exactly the present state. `meta.position` must be the last
   * applied record. Throws if a snapshot is under way. See `snapshot-scan.ts`.
   */
  beginSnapshot(meta: SnapshotMeta): SnapshotScan {
    assert(this.#snapshot === undefined, 'one snapshot at a time');
    const onEnd = (): void => {
      this.#snapshot = undefined;
    };
    const parts = { slots: this.#slots, entries: this.#entries, requests: this.requests };
    this.#snapshot = new SnapshotScan({ ...parts, digest: this.entriesDigest(), onEnd }, meta);
    return this.#snapshot;
  }

  /** Begins a scrub. Throws if one is under way. See `scrub-scan.ts`. */
  beginScrub(): ScrubScan {
    assert(this.#scrub === undefined, 'one scrub at a time');
    this.#scrub = new ScrubScan({
      slots: this.#slots,
      entries: () => this.#entries,
      digest: () => this.entriesDigest(),
      isFoundAt: (slot) => {
        this.#slots.loadKey(slot, this.#key);
        return this.#index.find(this.#key) === slot;
      },
      onEnd: () => {
        this.#scrub = undefined;
      },
    });
    return this.#scrub;
  }

  /** Entries and bytes of each key slot, kept from the first call on; complete once its `next` has returned false. */
  keySlots(slotOf: KeySlotOf): KeySlotSizes {
    this.#keySlots ??= new KeySlotSizes(this.#slots, slotOf, (slot, key) => this.#costAt(slot, key));
    return this.#keySlots;
  }

  /** For the snapshot loader: stores an entry with the stamp it had. Returns false if the key is already stored. */
  tryRestore(entry: SnapshotEntry): boolean {
    if (this.#findEncoded(entry) !== NO_SLOT) return false;
    const slot = this.#slots.allocate();
    this.#index.add(this.#key.hash, slot);
    this.#write(slot, entry, entry.epoch, entry.lsn);
    this.#recency.restore(slot, entry.stamp);
    return true;
  }

  /** Sorts the recency order after the last `tryRestore`. Must run to its end before anything is applied. */
  rebuildRecency(): Generator<undefined, void> {
    return this.#recency.rebuild(this.#entries);
  }

  /** Loads `key` as the current key and returns its slot, or `NO_SLOT`, also for an ill-formed string. */
  #find(key: string): number {
    return this.#key.load(key) ? this.#index.find(this.#key) : NO_SLOT;
  }

  /** `#find` for a key as bytes that are known to be well-formed UTF-8. */
  #findEncoded({ bytes, keyOffset, keyBytes }: EncodedPair): number {
    this.#key.loadBytes(bytes, keyOffset, keyBytes);
    return this.#index.find(this.#key);
  }

  #costAt(slot: number, key: KeyBytes): number {
    return entryCost(key.length, this.#slots.valueBytesOf(slot) + this.#slots.typeBytesOf(slot));
  }

  #set(found: number, pair: EncodedPair, position: Position): void {
    let slot = found;
    if (slot === NO_SLOT) {
      slot = this.#slots.allocate();
      this.#index.add(this.#key.hash, slot);
      this.#snapshot?.afterAllocate(slot);
    } else {
      this.#snapshot?.beforeChange(slot);
      this.#forget(slot);
    }
    this.#write(slot, pair, position.epoch, position.lsn);
    if (found !== NO_SLOT && this.#slots.stateOf(slot) === SLOT_LIVE) {
      this.#recency.access(slot);
    } else {
      this.#slots.setState(slot, SLOT_LIVE);
      this.#recency.add(slot);
    }
  }

  /** The entry keeps value and version. A taken victim stays one. */
  #touch(slot: number, expireAtMs: number): void {
    this.#snapshot?.beforeChange(slot);
    this.#forget(slot);
    this.#slots.setExpireAtMs(slot, expireAtMs);
    this.#count(slot, expireAtMs, this.#slots.epochOf(slot), this.#slots.lsnOf(slot));
    const state = this.#slots.stateOf(slot);
    if (state === SLOT_LIVE) {
      this.#recency.access(slot);
    } else if (state === SLOT_UNLISTED) {
      this.#slots.setState(slot, SLOT_LIVE);
      this.#recency.add(slot);
    }
  }

  #delete(slot: number): void {
    this.#snapshot?.beforeChange(slot);
    this.#forget(slot);
    if (this.#slots.stateOf(slot) === SLOT_LIVE) this.#recency.remove(slot);
    this.#recency.forget(slot);
    this.#index.remove(this.#key.hash, slot);
    this.#slots.free(slot);
  }

  /** Writes the entry of the current key into the slot, and adds it to every sum and to the expiry index. */
  #write(slot: number, pair: EncodedPair, epoch: number, lsn: number): void {
    this.#slots.write(slot, this.#key, pair, epoch, lsn);
    this.#count(slot, pair.expireAtMs, epoch, lsn);
  }

  /** Adds the entry of the current key to every sum and to the expiry index. */
  #count(slot: number, expireAtMs: number, epoch: number, lsn: number): void {
    this.#expiry.add(slot);
    this.#hash(slot, expireAtMs, epoch, lsn);
    this.#digest.add(this.#hasher);
    this.#scrub?.added(slot, this.#hasher);
    this.#entries++;
    this.#bytes += this.#costAt(slot, this.#key);
    this.#keySlots?.added(slot, this.#key);
  }

  /** Removes the slot from every sum and from the expiry index. Its key must be the current key. */
  #forget(slot: number): void {
    const slots = this.#slots;
    this.#hash(slot, slots.expireAtMsOf(slot), slots.epochOf(slot), slots.lsnOf(slot));
    this.#digest.subtract(this.#hasher);
    this.#scrub?.removed(slot, this.#hasher);
    this.#entries--;
    this.#bytes -= this.#costAt(slot, this.#key);
    this.#keySlots?.removed(slot, this.#key);
    this.#expiry.remove(slot);
  }

  #hash(slot: number, expireAtMs: number, epoch: number, lsn: number): void {
    const slots = this.#slots;
    const valueCrc = slots.valueCrcOf(slot);
    const typeBytes = slots.typeBytesOf(slot);
    this.#hasher.hashKey(this.#key, valueCrc, expireAtMs, epoch, lsn, typeBytes, slots.typeCrcOf(slot));
  }
}
