/** The metadata store as one coordinator reaches it: slow, cut off, or without the answer to what it did. */
import type {
  MetadataStore,
  Outcome,
  StoreChanges,
  StoreLease,
  StoreView,
  Transaction,
} from '#metadata/metadata-store.ts';
import type { Clock } from '#platform/clock.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';

const CALL_MS = 1_000;

export class SimulatedStore implements MetadataStore {
  /** Nothing is answered, and nothing done. */
  isCut = false;
  /** Reads are answered, and changes refused. */
  isFull = false;
  /** How much longer each call takes, milliseconds. */
  slowMs = 0;
  /** The chance that a transaction is done without an answer, at once or only after the caller gave up. */
  lossChance = 0;
  readonly #store: MetadataStore;
  readonly #clock: Clock;
  readonly #random: SeededRandom;

  constructor(store: MetadataStore, clock: Clock, random: SeededRandom) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
  }

  read(prefix: string): Promise<StoreView> {
    return this.#do(() => this.#store.read(prefix));
  }

  async transact(transaction: Transaction): Promise<Outcome> {
    if (!this.isCut && transaction.writes.length > 0 && this.#random.chance(this.lossChance)) {
      const isLate = this.#random.chance(0.5);
      const doneMs = isLate ? CALL_MS + this.#random.below(2_000) : 1;
      this.#clock.after(doneMs, () => this.#store.transact(transaction).catch(() => {}));
      await this.#clock.sleep(CALL_MS);
      throw new Error('the answer of the store was lost');
    }
    return this.#do(() => {
      if (this.isFull && transaction.writes.length > 0) throw new Error('no space');
      return this.#store.transact(transaction);
    });
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StoreChanges> {
    return this.#store.watch(prefix, afterRevision, signal);
  }

  grantLease(ttlMs: number): Promise<StoreLease> {
    return this.#do(() => this.#store.grantLease(ttlMs));
  }

  keepAlive(lease: StoreLease): Promise<number> {
    return this.#do(() => this.#store.keepAlive(lease));
  }

  revoke(lease: StoreLease): Promise<void> {
    return this.#do(() => this.#store.revoke(lease));
  }

  async close(): Promise<void> {}

  async #do<T>(call: () => Promise<T>): Promise<T> {
    await this.#clock.sleep(1 + this.#random.below(8) + this.slowMs);
    if (this.isCut) {
      await this.#clock.sleep(CALL_MS);
      throw new Error('the store does not answer');
    }
    const answer = await call();
    await this.#clock.sleep(1 + this.#random.below(8));
    return answer;
  }
}
