/** Short ways to say what the storage tests do over and over. */
import type { Cause, Mutation, StoreLimits } from '#model/entry.ts';
import { type Position, toLsn } from '#model/position.ts';
import { encodePair } from '#storage/encode-pair.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import type { SlotTable } from '#storage/slot-table.ts';
import type { HeaderMeta, SnapshotMeta } from '#storage/snapshot-header.ts';
import type { SnapshotScan } from '#storage/snapshot-scan.ts';
import { createStore, type Store } from '#storage/store.ts';

export const UNLIMITED: StoreLimits = { entriesMax: 0, bytesMax: 0, policy: 'lru' };
export const EPOCH = 3 * 2 ** 32 + 17;

/** Bits of the hash that are used: all, few, or none, so that every key collides with every other. */
export const HASH_MASKS = [-1, 0, 0x3, 0x7, 0x8000_0001 | 0] as const;

export function newStore(hashMask = -1, limits: StoreLimits = UNLIMITED): Store {
  return createStore({ limits, hashMask, hashSeed: 0x5eed });
}

/** A slot with the key and value, as the store writes it. */
export function addSlot(
  slots: SlotTable,
  key: string,
  value: Uint8Array = new Uint8Array(0),
  expireAtMs = 0,
): number {
  const slot = slots.allocate();
  writeSlot(slots, slot, key, value, expireAtMs);
  return slot;
}

export function writeSlot(
  slots: SlotTable,
  slot: number,
  key: string,
  value: Uint8Array,
  expireAtMs: number,
): void {
  slots.write(slot, keyOf(key), encodePair(key, value, expireAtMs), 1, 1);
}

export function keyOf(text: string, seed = 0, hashMask = -1): KeyBytes {
  const key = new KeyBytes(seed, hashMask);
  if (!key.load(text)) throw new Error('ill-formed');
  return key;
}

export function at(lsn: number, epoch = EPOCH): Position {
  return { epoch, lsn: toLsn(lsn) };
}

export function set(key: string, value: string | Uint8Array = key, expireAtMs = 0): Mutation {
  return { op: 'set', key, value: Buffer.from(value), expireAtMs, cause: 'client' };
}

export function touch(key: string, expireAtMs: number): Mutation {
  return { op: 'touch', key, expireAtMs, cause: 'client' };
}

export function remove(key: string, cause: Cause = 'client'): Mutation {
  return { op: 'delete', key, cause };
}

export function meta(lsn: number, limits: StoreLimits = UNLIMITED): SnapshotMeta {
  return { ...headerMeta(lsn, limits), times: [{ lastLsn: lsn, second: 1_700_000_000 }] };
}

export function headerMeta(lsn: number, limits: StoreLimits = UNLIMITED): HeaderMeta {
  return {
    logId: '00112233445566778899aabbccddeeff',
    position: { ...at(lsn), crc: 0xdeadbeef },
    epochs: [
      { epoch: 1, firstLsn: toLsn(1) },
      { epoch: EPOCH, firstLsn: toLsn(2) },
    ],
    logClockMs: 1_700_000_000_123,
    wallOffsetMs: 0,
    formatLevel: 0,
    limits,
  };
}

/** The whole file of a store that nobody changes meanwhile. */
export function snapshotOf(store: Store, lsn = 1): Buffer {
  return drain(store.beginSnapshot(meta(lsn, store.limits)), 1 << 20);
}

/** The rest of a scan; `between` runs after each slice. */
export function drain(scan: SnapshotScan, bytesMax: number, between: () => void = () => {}): Buffer {
  const parts: Uint8Array[] = [];
  for (let bytes = scan.next(bytesMax); bytes !== undefined; bytes = scan.next(bytesMax)) {
    parts.push(Buffer.from(bytes));
    between();
  }
  return Buffer.concat(parts);
}

/** Every key in the order in which the store would give it up. The store is spent afterwards. */
export function victimsOf(store: Store): string[] {
  const keys: string[] = [];
  for (let victim = store.takeVictim(); victim !== undefined; victim = store.takeVictim())
    keys.push(victim.key);
  return keys;
}
