/**
 * A metadata store inside this process, over a key space and something that keeps it.
 * It serves one process; leases are over by this process's clock. A transaction that
 * could not be kept fails, and so does everything after it, since disk and memory may
 * differ from then on.
 */
import { type KeyChange, KeySpace } from '#metadata/key-space.ts';
import type {
  MetadataStore,
  Outcome,
  StoreChanges,
  StoredEntry,
  StoreLease,
  StoreView,
  StoreWrite,
  Transaction,
} from '#metadata/metadata-store.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import { messageOf } from '#platform/thrown.ts';

/** Keeps what was decided, so that it is there after a restart. */
export interface Keeper {
  /** Durable when it returns; throws if that failed. */
  keep(changes: readonly KeyChange[], revision: number): void;
  close(): void;
}

export interface LocalStoreOptions {
  readonly clock: Clock;
  readonly keeper: Keeper;
  /** What was kept, without keys that had a lease. */
  readonly entries: readonly StoredEntry[];
  readonly revision: number;
}

interface HeldLease extends StoreLease {
  timer: Timer;
  readonly keys: Set<string>;
}

export class LocalStore implements MetadataStore {
  readonly #clock: Clock;
  readonly #keeper: Keeper;
  readonly #keySpace: KeySpace;
  readonly #leases = new Map<string, HeldLease>();
  #leasesGranted = 0;
  #whyClosed: string | undefined;
  /** Resolved at the next change, or when the store closes. */
  #changed = Promise.withResolvers<void>();

  constructor({ clock, keeper, entries, revision }: LocalStoreOptions) {
    this.#clock = clock;
    this.#keeper = keeper;
    this.#keySpace = new KeySpace(entries, revision);
  }

  async read(prefix: string): Promise<StoreView> {
    this.#checkOpen();
    return this.#keySpace.view(prefix);
  }

  async transact({ compare, writes }: Transaction): Promise<Outcome> {
    this.#checkOpen();
    for (const { lease } of writes as readonly { lease?: StoreLease }[]) {
      if (lease !== undefined && !this.#leases.has(lease.id))
        throw unavailable('the metadata store has no such lease: it is over');
    }
    const isDone = compare.every((each) => this.#keySpace.isTrue(each));
    if (isDone) this.#write(writes);
    return { isDone, revision: this.#keySpace.revision };
  }

  async *watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StoreChanges> {
    const aborted = Promise.withResolvers<void>();
    const onAbort = (): void => aborted.resolve();
    signal.addEventListener('abort', onAbort);
    try {
      let revision = afterRevision;
      while (!signal.aborted && this.#whyClosed === undefined) {
        const changed = this.#changed.promise;
        const found = this.#keySpace.changesAfter(revision, prefix);
        if (found === undefined) return;
        revision = found.revision;
        if (found.changes.length > 0) yield found;
        else await Promise.race([changed, aborted.promise]);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async grantLease(ttlMs: number): Promise<StoreLease> {
    this.#checkOpen();
    this.#leasesGranted += 1;
    const id = String(this.#leasesGranted);
    this.#leases.set(id, { id, ttlMs, timer: this.#endAfter(id, ttlMs), keys: new Set() });
    return { id, ttlMs };
  }

  async keepAlive({ id }: StoreLease): Promise<number> {
    this.#checkOpen();
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0;
    lease.timer.cancel();
    lease.timer = this.#endAfter(id, lease.ttlMs);
    return lease.ttlMs;
  }

  async revoke({ id }: StoreLease): Promise<void> {
    this.#checkOpen();
    this.#end(id);
  }

  async close(): Promise<void> {
    if (this.#whyClosed !== undefined) return;
    this.#fail('it is closed');
    this.#keeper.close();
  }

  #endAfter(id: string, ttlMs: number): Timer {
    return this.#clock.after(ttlMs, () => {
      if (this.#whyClosed !== undefined) return;
      try {
        this.#end(id);
      } catch {
        // The store has failed: the next call says so.
      }
    });
  }

  #end(id: string): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.timer.cancel();
    this.#leases.delete(id);
    this.#write([...lease.keys].map((key) => ({ key, value: undefined })));
  }

  #write(writes: readonly StoreWrite[]): void {
    const changes = this.#keySpace.plan(writes);
    if (changes.length === 0) return;
    try {
      this.#keeper.keep(changes, this.#keySpace.revision + 1);
    } catch (error) {
      this.#fail(messageOf(error));
      throw new WalnutError('unavailable', `the metadata store failed: ${messageOf(error)}`, {
        cause: error,
      });
    }
    this.#keySpace.apply(changes);
    for (const write of writes) {
      for (const lease of this.#leases.values()) lease.keys.delete(write.key);
      if (write.value !== undefined && write.lease !== undefined)
        this.#leases.get(write.lease.id)?.keys.add(write.key);
    }
    this.#wake();
  }

  #fail(why: string): void {
    this.#whyClosed = why;
    for (const lease of this.#leases.values()) lease.timer.cancel();
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #checkOpen(): void {
    if (this.#whyClosed !== undefined)
      throw unavailable(`the metadata store is not usable: ${this.#whyClosed}`);
  }
}
