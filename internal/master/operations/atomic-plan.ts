/**
 * What the operations of an atomic batch come to before any of them is in a record:
 * each sees the accepted state as the earlier ones leave it. `commit` then puts all
 * of them into the record, or throws and leaves the record empty.
 */

import type { Accepted } from '#master/accepted.ts';
import { MISSING } from '#master/accepted-state.ts';
import { type RecordBuilder, typedBytes } from '#master/record-builder.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { Looked, WriteTarget } from '#master/write-target.ts';
import { type Entry, isExpired } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import { ATOMIC_BYTES_MAX, utf8Length } from '#model/limits.ts';
import { assert } from '#platform/assert.ts';
import { entryCost } from '#storage/entry-cost.ts';

/** A write of the plan; `value` undefined: a delete. */
interface Planned {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly expireAtMs: number;
  readonly contentType?: string | undefined;
  /** The entry that a touch makes; undefined: it is no touch. */
  readonly touched?: Entry;
}

export class AtomicPlan implements WriteTarget {
  readonly nowMs: number;
  readonly record: RecordInFlight;
  readonly written: Accepted;
  readonly #builder: RecordBuilder;
  readonly #planned: Planned[] = [];
  /** The newest planned write of each key. */
  readonly #newest = new Map<string, Planned>();
  /** Keys whose fill leases the plan ends. */
  readonly #ended = new Set<string>();

  constructor(builder: RecordBuilder) {
    this.#builder = builder;
    this.nowMs = builder.nowMs;
    this.record = builder.record;
    this.written = builder.written;
  }

  get isEmpty(): boolean {
    return this.#planned.length === 0;
  }

  look(key: string): Looked {
    const planned = this.#newest.get(key);
    if (planned === undefined) return this.#builder.look(key);
    const { record } = this;
    const { value, expireAtMs, contentType, touched } = planned;
    if (touched !== undefined) return { live: touched, stored: true, record };
    if (value === undefined) return { live: undefined, stored: false, record };
    // The value is a view of the request, and answers outlive the request.
    const plain: Entry = { key, value: Uint8Array.from(value), expireAtMs, version: record.position };
    const entry = contentType === undefined ? plain : { ...plain, contentType };
    return { live: isExpired(expireAtMs, this.nowMs) ? undefined : entry, stored: true, record };
  }

  /** The entry of the key without the plan: what is there if it is not committed. */
  lookWithoutPlan(key: string): Entry | undefined {
    return this.#builder.look(key).live;
  }

  isLeased(key: string, token: string): boolean {
    return !this.#ended.has(key) && this.#builder.isLeased(key, token);
  }

  endLease(key: string): void {
    this.#ended.add(key);
  }

  set(key: string, value: Uint8Array, expireAtMs: number, contentType?: string): void {
    this.#ended.add(key);
    this.#plan({ key, value, expireAtMs, contentType });
  }

  delete(key: string): void {
    this.#ended.add(key);
    this.#plan({ key, value: undefined, expireAtMs: 0 });
  }

  touch(key: string, expireAtMs: number): void {
    const { live } = this.look(key);
    assert(live !== undefined, 'a key that is touched is there');
    const { value, contentType } = live;
    this.#plan({ key, value, expireAtMs, contentType, touched: { ...live, expireAtMs } });
  }

  commit(): void {
    checkBytes(this.#planned);
    const changes = new Map<string, number>();
    for (const [key, { value, contentType = '' }] of this.#newest) {
      const bytes = (value?.length ?? 0) + contentType.length;
      changes.set(key, value === undefined ? MISSING : entryCost(utf8Length(key), bytes));
    }
    this.#builder.makeRoomFor(changes);
    for (const { key, value, expireAtMs, contentType, touched } of this.#planned) {
      if (touched !== undefined) this.#builder.touch(key, expireAtMs);
      else if (value === undefined) this.#builder.delete(key);
      else this.#builder.setInRoom(key, value, expireAtMs, contentType);
    }
    for (const key of this.#ended) this.#builder.endLease(key);
  }

  #plan(planned: Planned): void {
    this.#planned.push(planned);
    this.#newest.set(planned.key, planned);
  }
}

/** Throws `resource_exhausted` if the plan sets too many bytes for one turn of the event loop. */
function checkBytes(planned: readonly Planned[]): void {
  let sets = 0;
  let bytes = 0;
  for (const { value, contentType, touched } of planned) {
    if (value === undefined || touched !== undefined) continue;
    sets++;
    bytes += typedBytes(value, contentType);
  }
  if (sets <= 1 || bytes <= ATOMIC_BYTES_MAX) return;
  throw new WalnutError(
    'resource_exhausted',
    `the values of this atomic batch have ${bytes} bytes: expected at most ${ATOMIC_BYTES_MAX}. ` +
      'Make the batch smaller, or send it without atomic',
  );
}
