/**
 * The port to the store that decides: a few keys with revisions, transactions,
 * watches and leases, as etcd has them.
 *
 * Every promise rejects with `WalnutError` (`unavailable`) where the store gave no
 * answer, for whatever reason: callers treat all errors as no answer. After a
 * transaction without an answer it is unknown whether it was done.
 */

/** A key with its value. Revisions are whole numbers that rise with every change of the store. */
export interface StoredEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** When the key was created last. */
  readonly createRevision: number;
  /** When it was changed last. */
  readonly modRevision: number;
}

/** The entries of one revision, sorted by key. */
export interface StoreView {
  readonly revision: number;
  readonly entries: readonly StoredEntry[];
}

/** A condition on one key; revision 0 means that the key is absent. */
export type Comparison =
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly modRevision: number };

export type StoreWrite =
  /** `lease`: the key is deleted when the lease is over. */
  | { readonly key: string; readonly value: Uint8Array; readonly lease?: StoreLease | undefined }
  | { readonly key: string; readonly value: undefined };

/** All writes are done if all conditions are true, else none is. No two writes have the same key. */
export interface Transaction {
  readonly compare: readonly Comparison[];
  readonly writes: readonly StoreWrite[];
}

export interface Outcome {
  readonly isDone: boolean;
  /** The store's revision after the transaction. */
  readonly revision: number;
}

export interface StoreLease {
  readonly id: string;
  /** Milliseconds without a renewal after which it is over; may be more than was asked for. */
  readonly ttlMs: number;
}

/** Changes of one or more revisions, in order and none of them in parts. */
export interface StoreChanges {
  /** The last revision that is in here. */
  readonly revision: number;
  /** `value` is undefined where the key was deleted. */
  readonly changes: readonly { readonly key: string; readonly value: Uint8Array | undefined }[];
}

export interface MetadataStore {
  /** The entries whose keys begin with `prefix`. Linearizable: everything that was done before the call is in it. */
  read(prefix: string): Promise<StoreView>;
  /** Linearizable, also without writes. */
  transact(transaction: Transaction): Promise<Outcome>;
  /**
   * Every change under `prefix` after the revision. It ends, without an error, where the
   * signal aborts, the store is not reached, or it no longer keeps that revision; the
   * caller then reads anew.
   */
  watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StoreChanges>;
  grantLease(ttlMs: number): Promise<StoreLease>;
  /** Milliseconds that the lease has from now on; 0: it is over. */
  keepAlive(lease: StoreLease): Promise<number>;
  /** Ends the lease and deletes its keys. Ending one that is over does nothing. */
  revoke(lease: StoreLease): Promise<void>;
  /** Frees what the store has open. Leases go on until they are over. */
  close(): Promise<void>;
}
