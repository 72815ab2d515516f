/**
 * The newest accepted state: the store, overlaid by writes still on their way
 * to disk. Conditions, previous values and capacity are judged against it, so
 * that what is answered holds whatever the disk's speed; readers never see it.
 *
 * The overlay holds only keys in flight. When a batch is refused (disk full),
 * everything in flight is dropped together, because later writes were judged
 * against it.
 */
import type { DeleteMutation, Entry, Mutation, SetMutation } from '#model/entry.ts';
import type { WalnutError } from '#model/errors.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { Store } from '#storage/store.ts';

/** A record on its way to disk. */
export class RecordInFlight {
  readonly position: Position;
  #outcome: { readonly error: WalnutError | undefined } | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(position: Position) {
    this.position = position;
  }

  /** Rejects where it is refused. Made when asked for: a refusal that nobody waits for is no error. */
  get settled(): Promise<void> {
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      if (this.#outcome !== undefined) this.settle(this.#outcome.error);
    }
    return this.#waiting.promise;
  }

  get isRefused(): boolean {
    return this.#outcome?.error !== undefined;
  }

  /** `error`: why it was refused; undefined: it is visible. */
  settle(error?: WalnutError): void {
    this.#outcome = { error };
    if (error === undefined) this.#waiting?.resolve();
    else this.#waiting?.reject(error);
  }
}

/** What is accepted of a key, and the record in flight, if any, that this knowledge depends on. */
export interface AcceptedEntry {
  /** Undefined: the key is missing. */
  readonly entry: Entry | undefined;
  readonly record: RecordInFlight | undefined;
}

/** Of a key that is missing, where its bytes are asked for. */
export const MISSING = -1;

/** An overlaid key, and what its entry counts for: `MISSING` where there is none. */
interface InFlight extends AcceptedEntry {
  readonly bytes: number;
}

export class AcceptedState {
  readonly #store: Store;
  readonly #inFlight = new Map<string, InFlight>();
  #entries: number;
  #bytes: number;

  constructor(store: Store) {
    this.#store = store;
    this.#entries = store.entries;
    this.#bytes = store.bytes;
  }

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Stored state, expired entries included. */
  lookup(key: string): AcceptedEntry {
    const inFlight = this.#inFlight.size === 0 ? undefined : this.#inFlight.get(key);
    return inFlight ?? { entry: this.#store.peek(key), record: undefined };
  }

  /** Whether a record in flight has the key's newest state. */
  isInFlight(key: string): boolean {
    return this.#inFlight.has(key);
  }

  /** The oldest entry in flight that is not `key`, for when everything stored is on its way out already. */
  oldestInFlight(key: string): Entry | undefined {
    for (const { entry } of this.#inFlight.values()) {
      if (entry !== undefined && entry.key !== key) return entry;
    }
    return undefined;
  }

  /** Touches the key, if it is stored, and gives what its accepted entry counts for, or `MISSING`. */
  touch(key: string): number {
    const stored = this.#store.touch(key) ?? MISSING;
    return this.#inFlight.size === 0 ? stored : (this.#inFlight.get(key)?.bytes ?? stored);
  }

  /** Takes a delete of `record`. */
  acceptDelete({ key }: DeleteMutation, record: RecordInFlight): void {
    this.#forget(this.#inFlight.get(key)?.bytes ?? this.#store.costOf(key) ?? MISSING);
    this.#inFlight.delete(key);
    this.#inFlight.set(key, { entry: undefined, record, bytes: MISSING });
  }

  /** Takes a set of `record`: what `touch` gave for the key, and what the new entry counts for. */
  acceptSet(mutation: SetMutation, record: RecordInFlight, before: number, bytes: number): void {
    const { key, value, expireAtMs } = mutation;
    this.#forget(before);
    this.#entries++;
    this.#bytes += bytes;
    // Deleted first, so that the Map's order stays the order of acceptance.
    this.#inFlight.delete(key);
    this.#inFlight.set(key, { entry: { key, value, expireAtMs, version: record.position }, record, bytes });
  }

  #forget(before: number): void {
    if (before === MISSING) return;
    this.#entries--;
    this.#bytes -= before;
  }

  /** The record at `lsn` is visible: its keys are the store's again, unless written once more since. */
  settle(mutations: readonly Mutation[], lsn: Lsn): void {
    for (const { key } of mutations) {
      if (this.#inFlight.get(key)?.record?.position.lsn === lsn) this.#inFlight.delete(key);
    }
  }

  /** Everything in flight was refused. */
  drop(): void {
    this.#inFlight.clear();
    this.#entries = this.#store.entries;
    this.#bytes = this.#store.bytes;
  }
}
