/**
 * What a Store promises, in the plainest terms: a Map of entries, a Map whose
 * order is the recency, and sums taken anew each time. The oracle of the
 * property tests.
 */
import type { Entry, Mutation, StoreLimits } from '#model/entry.ts';
import { type Lsn, toLsn } from '#model/position.ts';
import { ENTRY_OVERHEAD_BYTES } from '#storage/store.ts';
import { referenceEntryHash, toHex } from '#test/storage/reference-digest.ts';

export const UNLIMITED: StoreLimits = { entriesMax: 0, bytesMax: 0, policy: 'lru' };
export const EPOCH = 3 * 2 ** 32 + 7;

interface Stored {
  readonly entry: Entry;
  readonly hash: bigint;
}

export class StoreModel {
  readonly stored = new Map<string, Stored>();
  /** Keys of all stored entries, the least recently touched first. */
  readonly order = new Map<string, true>();
  /** Keys of victims that are out of the order for now. */
  readonly taken = new Set<string>();
  policy: StoreLimits['policy'] = 'lru';
  hits = 0;
  misses = 0;
  evicted = 0;
  expired = 0;

  apply(mutation: Mutation, epoch: number, lsn: Lsn): void {
    const { key } = mutation;
    if (mutation.op === 'set') {
      const value = new Uint8Array(mutation.value);
      const { expireAtMs } = mutation;
      const hash = referenceEntryHash({ key, value, expireAtMs, epoch, lsn });
      this.stored.set(key, { entry: { key, value, expireAtMs, version: { epoch, lsn } }, hash });
      this.taken.delete(key);
      this.#renew(key);
      return;
    }
    if (!this.stored.delete(key)) return;
    this.order.delete(key);
    this.taken.delete(key);
    if (mutation.cause === 'evicted') this.evicted++;
    if (mutation.cause === 'expired') this.expired++;
  }

  get(key: string, nowMs: number): Entry | undefined {
    const entry = this.stored.get(key)?.entry;
    if (entry === undefined || (entry.expireAtMs !== 0 && entry.expireAtMs <= nowMs)) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.touch(key);
    return entry;
  }

  touch(key: string): void {
    if (this.stored.has(key) && !this.taken.has(key)) this.#renew(key);
  }

  takeVictim(): Entry | undefined {
    if (this.policy === 'none') return undefined;
    for (const key of this.order.keys()) {
      if (this.taken.has(key)) continue;
      this.taken.add(key);
      return this.stored.get(key)?.entry;
    }
    return undefined;
  }

  returnVictim(key: string): void {
    if (this.taken.delete(key)) this.#renew(key);
  }

  dueAt(nowMs: number): string[] {
    return this.entries()
      .filter(({ expireAtMs }) => expireAtMs !== 0 && expireAtMs <= nowMs)
      .map(({ key }) => key);
  }

  entries(): Entry[] {
    return [...this.stored.values()].map(({ entry }) => entry);
  }

  bytes(): number {
    return this.entries().reduce(
      (sum, { key, value }) => sum + Buffer.byteLength(key) + value.length + ENTRY_OVERHEAD_BYTES,
      0,
    );
  }

  digest(): string {
    return toHex([...this.stored.values()].reduce((sum, { hash }) => sum + hash, 0n));
  }

  #renew(key: string): void {
    this.order.delete(key);
    this.order.set(key, true);
  }
}

export function set(key: string, value: Uint8Array | string = '', expireAtMs = 0): Mutation {
  return { op: 'set', key, value: Buffer.from(value), expireAtMs, cause: 'client' };
}

export function remove(key: string, cause: Mutation['cause'] = 'client'): Mutation {
  return { op: 'delete', key, cause };
}

export function at(lsn: number, epoch: number = EPOCH): { epoch: number; lsn: Lsn } {
  return { epoch, lsn: toLsn(lsn) };
}
