/**
 * A metadata store that remembers why it gave no answer, until it gives one. One that is full
 * answers reads and refuses changes, so the two are kept apart.
 */
import type {
  MetadataStore,
  Outcome,
  StoreChanges,
  StoreLease,
  StoreView,
  Transaction,
} from '#metadata/metadata-store.ts';
import { messageOf } from '#platform/thrown.ts';

/** A change that failed is tried again by then, if it is still wanted. Milliseconds. */
const FORGOTTEN_MS = 90_000;

export class OutageWatch implements MetadataStore {
  readonly #store: MetadataStore;
  readonly #monotonicMs: () => number;
  /** Why the last read failed; empty: it was answered. */
  #whyNoReads = '';
  #refused: { readonly why: string; readonly atMs: number } | undefined;

  constructor(store: MetadataStore, monotonicMs: () => number) {
    this.#store = store;
    this.#monotonicMs = monotonicMs;
  }

  /** Why the store takes no changes while it answers reads; empty where it takes them, or nobody tried. */
  get whyNoChanges(): string {
    const refused = this.#refused;
    if (refused === undefined || this.#monotonicMs() - refused.atMs >= FORGOTTEN_MS) return '';
    return `the metadata store takes no changes: ${refused.why}`;
  }

  /** What is wrong with the store, as the last calls showed; empty: nothing. */
  get problem(): string {
    return this.#whyNoReads === ''
      ? this.whyNoChanges
      : `the metadata store does not answer: ${this.#whyNoReads}`;
  }

  read(prefix: string): Promise<StoreView> {
    return this.#reading(() => this.#store.read(prefix));
  }

  transact(transaction: Transaction): Promise<Outcome> {
    const call = (): Promise<Outcome> => this.#store.transact(transaction);
    return transaction.writes.length === 0 ? this.#reading(call) : this.#changing(call);
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StoreChanges> {
    return this.#store.watch(prefix, afterRevision, signal);
  }

  grantLease(ttlMs: number): Promise<StoreLease> {
    return this.#noteRefusal(() => this.#store.grantLease(ttlMs));
  }

  keepAlive(lease: StoreLease): Promise<number> {
    return this.#reading(() => this.#store.keepAlive(lease));
  }

  revoke(lease: StoreLease): Promise<void> {
    return this.#store.revoke(lease);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #reading<T>(call: () => Promise<T>): Promise<T> {
    try {
      const answer = await call();
      this.#whyNoReads = '';
      return answer;
    } catch (error) {
      this.#whyNoReads = messageOf(error);
      // Nothing more is known of changes than of reads.
      this.#refused = undefined;
      throw error;
    }
  }

  async #changing(call: () => Promise<Outcome>): Promise<Outcome> {
    const outcome = await this.#noteRefusal(call);
    // One whose conditions are false writes nothing: it says nothing of whether there is room.
    if (outcome.isDone) this.#refused = undefined;
    return outcome;
  }

  async #noteRefusal<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.#refused = { why: messageOf(error), atMs: this.#monotonicMs() };
      throw error;
    }
  }
}
