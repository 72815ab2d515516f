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
import type { ScanCommand } from '#model/commands.ts';
import { type Entry, isExpired, type Mutation, type SetMutation, type StoreLimits } from '#model/entry.ts';
import { utf8Length } from '#model/limits.ts';
import type { Position } from '#model/position.ts';
import type { StoreStatus } from '#model/status.ts';
import { assert } from '#platform/assert.ts';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { ExpiryIndex } from '#storage/expiry-index.ts';
import { KeyIndex, ownKey } from '#storage/key-index.ts';
import { LruRecency, NoRecency, type PartitionRecency, RecencyOrder } from '#storage/recency.ts';
import { type ScanPage, scanSlots } from '#storage/slot-scan.ts';
import { NO_SLOT, SLOT_LIVE, SLOT_TAKEN, SlotTable } from '#storage/slot-table.ts';
import type { SnapshotEntry, SnapshotMeta } from '#storage/snapshot-codec.ts';
import { SnapshotScan } from '#storage/snapshot-scan.ts';

/** At 4 million keys a partition has 16,000, and its Maps rehash in one or two milliseconds. */
export const PARTITIONS_DEFAULT = 256;
/**
 * What an entry costs beyond the bytes of its key and value: measured (README.md),
 * so that `bytesMax` is about what the process really uses.
 */
export const ENTRY_OVERHEAD_BYTES = 400;

export interface StoreOptions {
  readonly limits: StoreLimits;
  /** A power of two; `PARTITIONS_DEFAULT` where not given. It changes no answer, only the size of a stall. */
  readonly partitions?: number | undefined;
  /** 32 random bits per process, so that nobody can aim keys at one partition. */
  readonly hashSeed?: number | undefined;
  /** Lower-case hex that names this store in scan cursors; derived from `hashSeed` where not given. */
  readonly incarnation?: string | undefined;
}

export function createStore(options: StoreOptions): Store {
  return new Store(options);
}

/** Bytes that an entry of this key and value counts for. */
export function entryCost(key: string, value: Uint8Array): number {
  return utf8Length(key) + value.length + ENTRY_OVERHEAD_BYTES;
}

export class Store {
  readonly #partitions: number;
  readonly #incarnation: string;
  readonly #keys: KeyIndex;
  readonly #slots = new SlotTable();
  readonly #expiry = new ExpiryIndex(this.#slots);
  readonly #hasher = new EntryHasher();
  readonly #digest = new DigestSum();
  #recency: RecencyOrder;
  #limits: StoreLimits;
  #snapshot: SnapshotScan | undefined;
  #entries = 0;
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evicted = 0;
  #expired = 0;

  constructor(options: StoreOptions) {
    const hashSeed = options.hashSeed ?? 0;
    this.#partitions = options.partitions ?? PARTITIONS_DEFAULT;
    this.#keys = new KeyIndex(this.#partitions, hashSeed);
    this.#limits = options.limits;
    this.#recency = new RecencyOrder(this.#slots, this.#partitions, recencyOf(options.limits));
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

  /**
   * Limits are only kept here; the master enforces them. A change of policy
   * rebuilds the order from the stamps, which are kept under every policy, in one
   * go: about a second per million entries.
   */
  setLimits(limits: StoreLimits): void {
    const isSamePolicy = limits.policy === this.#limits.policy;
    this.#limits = limits;
    if (isSamePolicy) return;
    for (const _ of this.rebuildRecency()) {
      // Each step is one partition; nobody waits in between.
    }
  }

  /** What a Get answers at `nowMs` (log clock). Counts a hit or a miss; a hit touches. */
  get(key: string, nowMs: number): Entry | undefined {
    const partition = this.#keys.partitionOf(key);
    const slot = this.#keys.find(partition, key);
    if (slot === undefined || isExpired(this.#slots.expireAtMsOf(slot), nowMs)) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    if (this.#slots.stateOf(slot) === SLOT_LIVE) this.#recency.touch(partition, slot);
    return this.#slots.entry(slot);
  }

  /** What is stored, expired or not. Neither touches nor counts. */
  peek(key: string): Entry | undefined {
    const slot = this.#keys.find(this.#keys.partitionOf(key), key);
    return slot === undefined ? undefined : this.#slots.entry(slot);
  }

  /** Makes a stored entry the most recently touched; nothing for one that is missing or taken. */
  touch(key: string): void {
    const partition = this.#keys.partitionOf(key);
    const slot = this.#keys.find(partition, key);
    if (slot !== undefined && this.#slots.stateOf(slot) === SLOT_LIVE) this.#recency.touch(partition, slot);
  }

  /**
   * The only way the state changes: `mutation` of the record at `position`. The
   * value is copied. Deleting a missing key does nothing.
   */
  apply(mutation: Mutation, position: Position): void {
    const partition = this.#keys.partitionOf(mutation.key);
    const slot = this.#keys.find(partition, mutation.key);
    if (mutation.op === 'set') {
      this.#set(partition, slot, mutation, position);
      return;
    }
    if (slot === undefined) return;
    if (mutation.cause === 'evicted') this.#evicted++;
    else if (mutation.cause === 'expired') this.#expired++;
    this.#delete(partition, slot, mutation.key);
  }

  /**
   * Chooses the least recently touched entry as a victim: out of the recency
   * order at once, stored and readable until its delete is applied. A set of its
   * key puts it back. Undefined where there is none, or the policy is `none`.
   */
  takeVictim(): Entry | undefined {
    const slot = this.#recency.takeOldest();
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
    const partition = this.#keys.partitionOf(victim.key);
    const slot = this.#keys.find(partition, victim.key);
    if (slot === undefined || this.#slots.stateOf(slot) !== SLOT_TAKEN) return;
    this.#slots.setState(slot, SLOT_LIVE);
    this.#recency.touch(partition, slot);
  }

  /**
   * Up to `max` stored entries that are expired at `nowMs`, from the oldest
   * quarter of a second on. The same ones again until their deletes are applied.
   */
  due(nowMs: number, max: number): Entry[] {
    return this.#expiry.due(nowMs, max).map((slot) => this.#slots.entry(slot));
  }

  /** One piece of a scan; see `slot-scan.ts`. Throws `invalid_argument` for a foreign cursor or a bad limit. */
  scan(command: ScanCommand, nowMs: number): ScanPage {
    return scanSlots(this.#slots, this.#incarnation, command, nowMs);
  }

  entryCost(key: string, value: Uint8Array): number {
    return entryCost(key, value);
  }

  stats(): StoreStatus {
    return {
      entries: this.#entries,
      bytes: this.#bytes,
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

  /**
   * For the snapshot loader: stores an entry under the stamp it had, outside the
   * recency order until `rebuildRecency`. False where the key is there already.
   */
  tryRestore(entry: SnapshotEntry): boolean {
    const partition = this.#keys.partitionOf(entry.key);
    if (this.#keys.find(partition, entry.key) !== undefined) return false;
    const slot = this.#slots.allocate(entry.key);
    this.#keys.add(partition, entry.key, slot);
    this.#write(slot, entry.key, entry.value, entry.expireAtMs, entry.epoch, entry.lsn);
    this.#slots.setStamp(slot, entry.stamp);
    this.#recency.continueFrom(entry.stamp);
    return true;
  }

  /** Builds the recency order anew from the stamps, a partition per step. Nothing may be applied in between. */
  *rebuildRecency(): Generator<undefined, void> {
    const recency = new RecencyOrder(this.#slots, this.#partitions, recencyOf(this.#limits));
    recency.continueFrom(this.#recency.lastStamp);
    for (let partition = 0; partition < this.#partitions; partition++) {
      const slots = Uint32Array.from(this.#keys.slotsOf(partition));
      slots.sort((a, b) => this.#slots.stampOf(a) - this.#slots.stampOf(b));
      for (const slot of slots) {
        if (this.#slots.stateOf(slot) === SLOT_LIVE)
          recency.place(partition, slot, this.#slots.stampOf(slot));
      }
      yield;
    }
    this.#recency = recency;
  }

  #set(partition: number, found: number | undefined, mutation: SetMutation, position: Position): void {
    let slot = found;
    if (slot === undefined) {
      const key = ownKey(mutation.key);
      slot = this.#slots.allocate(key);
      this.#keys.add(partition, key, slot);
      this.#snapshot?.afterAllocate(slot);
    } else {
      this.#snapshot?.beforeChange(slot);
      this.#forget(slot, mutation.key);
      this.#slots.setState(slot, SLOT_LIVE);
    }
    this.#write(slot, mutation.key, mutation.value, mutation.expireAtMs, position.epoch, position.lsn);
    this.#recency.touch(partition, slot);
  }

  #delete(partition: number, slot: number, key: string): void {
    this.#snapshot?.beforeChange(slot);
    this.#forget(slot, key);
    this.#recency.remove(partition, slot);
    this.#keys.remove(partition, key);
    this.#slots.free(slot);
  }

  /** Fills the slot and adds it to every sum and to the expiry index. */
  #write(slot: number, key: string, value: Uint8Array, expireAtMs: number, epoch: number, lsn: number): void {
    this.#slots.write(slot, value, expireAtMs, epoch, lsn);
    this.#expiry.add(slot);
    this.#hash(slot, key);
    this.#digest.add(this.#hasher);
    this.#entries++;
    this.#bytes += this.#hasher.keyBytes + value.length + ENTRY_OVERHEAD_BYTES;
  }

  /** Takes the slot out of every sum and out of the expiry index. */
  #forget(slot: number, key: string): void {
    this.#hash(slot, key);
    this.#digest.subtract(this.#hasher);
    this.#entries--;
    this.#bytes -= this.#hasher.keyBytes + this.#slots.valueOf(slot).length + ENTRY_OVERHEAD_BYTES;
    this.#expiry.remove(slot);
  }

  #hash(slot: number, key: string): void {
    const slots = this.#slots;
    this.#hasher.hashEntry(
      key,
      slots.valueCrcOf(slot),
      slots.expireAtMsOf(slot),
      slots.epochOf(slot),
      slots.lsnOf(slot),
    );
  }
}

function recencyOf(limits: StoreLimits): () => PartitionRecency {
  return limits.policy === 'lru' ? () => new LruRecency() : () => new NoRecency();
}

/** One way, so that a cursor does not tell where keys go. */
function deriveIncarnation(hashSeed: number): string {
  const hasher = new EntryHasher();
  hasher.hashEntry('scan cursor', hashSeed, 0, 0, 0);
  return hasher.hex().slice(0, 12);
}
