/**
 * What a master's log must amount to, kept outside of everything that can fail:
 * the records in LSN order, each with the changes it makes, and from them the
 * state at any LSN. An operation is acknowledged, refused, or unknown; the
 * unknown ones are settled by the next recovery, which must be the fold of an
 * exact prefix that contains everything promised.
 *
 * Conditions, deadlines and previous values are worked out here anew, from the
 * contract, not by the code under test. `fail` throws `ModelViolation`.
 */
import type { Condition, DeleteCommand, Expiry, SetCommand } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';

export class ModelViolation extends Error {
  override readonly name = 'ModelViolation';
}

export function fail(what: string): never {
  throw new ModelViolation(what);
}

export interface ModelEntry {
  readonly value: string;
  /** 0: never. */
  readonly expireAtMs: number;
  readonly lsn: number;
  readonly epoch: number;
}

export interface ModelChange {
  readonly key: string;
  /** Undefined: deleted. */
  readonly entry: ModelEntry | undefined;
}

export interface ModelRecord {
  readonly lsn: number;
  readonly epoch: number;
  /** The log clock when it was accepted; 0 where that is not known. */
  readonly nowMs: number;
  readonly changes: ModelChange[];
}

/** What the answer to one operation must say. */
export interface Expectation {
  readonly applied: boolean;
  readonly previous: ModelEntry | undefined;
  readonly current: ModelEntry | undefined;
  /** The last record that the answer depends on; 0: none in flight. */
  readonly dependsOnLsn: number;
}

export class ReferenceModel {
  /** `records[i]` has LSN i + 1. */
  readonly records: ModelRecord[] = [];
  /** The state that includes every record, those still in flight too. */
  #newest = new Map<string, ModelEntry>();
  /** The newest record of each key that changed it, deletes included. */
  #lastLsn = new Map<string, number>();

  get tailLsn(): number {
    return this.records.length;
  }

  get keys(): string[] {
    return [...this.#newest.keys()];
  }

  newest(key: string): ModelEntry | undefined {
    return this.#newest.get(key);
  }

  /** An EPOCH or CONFIG record: it takes an LSN and changes no key. */
  control(epoch: number): void {
    this.#add({ lsn: this.tailLsn + 1, epoch, nowMs: 0, changes: [] });
  }

  /** Begins a record; it counts once `submit` is called, and not at all where it stays empty. */
  begin(epoch: number, nowMs: number): ModelRecord {
    return { lsn: this.tailLsn + 1, epoch, nowMs, changes: [] };
  }

  submit(record: ModelRecord): void {
    if (record.changes.length === 0) return;
    this.#add(record);
  }

  set(command: SetCommand, record: ModelRecord): Expectation {
    const { nowMs } = record;
    const { stored, live, dependsOnLsn } = this.#look(command.key, record);
    if (!isMet(command.condition, live))
      return { applied: false, previous: undefined, current: live, dependsOnLsn };
    const expireAtMs = deadline(command.expiry, live, nowMs);
    const previous = command.returnPrevious ? live : undefined;
    const value = Buffer.from(command.value).toString();
    if (expireAtMs !== 0 && nowMs >= expireAtMs) {
      if (stored === undefined) return { applied: true, previous, current: undefined, dependsOnLsn };
      record.changes.push({ key: command.key, entry: undefined });
    } else {
      record.changes.push({
        key: command.key,
        entry: { value, expireAtMs, lsn: record.lsn, epoch: record.epoch },
      });
    }
    return { applied: true, previous, current: undefined, dependsOnLsn: record.lsn };
  }

  delete(command: DeleteCommand, record: ModelRecord): Expectation {
    const { live, dependsOnLsn } = this.#look(command.key, record);
    if (live === undefined || !isMet(command.condition, live)) {
      const current = command.condition === undefined ? undefined : live;
      return { applied: false, previous: undefined, current, dependsOnLsn };
    }
    record.changes.push({ key: command.key, entry: undefined });
    const previous = command.returnPrevious ? live : undefined;
    return { applied: true, previous, current: undefined, dependsOnLsn: record.lsn };
  }

  /** Every expired entry is deleted, in one record. Only for a log with nothing in flight. */
  expire(record: ModelRecord): void {
    for (const [key, { expireAtMs }] of this.#newest) {
      if (expireAtMs !== 0 && record.nowMs >= expireAtMs) record.changes.push({ key, entry: undefined });
    }
  }

  /** The state that records 1 .. `lsn` make. */
  stateAt(lsn: number): Map<string, ModelEntry> {
    const state = new Map<string, ModelEntry>();
    for (const { changes } of this.records.slice(0, lsn)) applyChanges(state, changes);
    return state;
  }

  /** Records beyond `lsn` never happened: they were refused, or a crash took them. */
  cutTo(lsn: number): void {
    if (lsn >= this.tailLsn) return;
    this.records.length = lsn;
    this.#newest = this.stateAt(lsn);
    this.#lastLsn = new Map();
    for (const record of this.records)
      for (const { key } of record.changes) this.#lastLsn.set(key, record.lsn);
  }

  #add(record: ModelRecord): void {
    this.records.push(record);
    applyChanges(this.#newest, record.changes);
    for (const { key } of record.changes) this.#lastLsn.set(key, record.lsn);
  }

  /** The newest state of a key, changes earlier in the same record included. */
  #look(key: string, record: ModelRecord) {
    const own = record.changes.findLast((change) => change.key === key);
    const stored = own === undefined ? this.#newest.get(key) : own.entry;
    const dependsOnLsn = own === undefined ? (this.#lastLsn.get(key) ?? 0) : record.lsn;
    const isLive = stored !== undefined && (stored.expireAtMs === 0 || record.nowMs < stored.expireAtMs);
    return { stored, live: isLive ? stored : undefined, dependsOnLsn };
  }
}

function applyChanges(state: Map<string, ModelEntry>, changes: readonly ModelChange[]): void {
  for (const { key, entry } of changes) {
    if (entry === undefined) state.delete(key);
    else state.set(key, entry);
  }
}

function isMet(condition: Condition | undefined, live: ModelEntry | undefined): boolean {
  switch (condition?.kind) {
    case undefined:
      return true;
    case 'absent':
      return live === undefined;
    case 'present':
      return live !== undefined;
    case 'fill_lease':
      return false;
    case 'version':
      return (
        live !== undefined && live.lsn === condition.version.lsn && live.epoch === condition.version.epoch
      );
  }
}

function deadline(expiry: Expiry, live: ModelEntry | undefined, nowMs: number): number {
  switch (expiry.kind) {
    case 'default':
      return 0;
    case 'ttl':
      return nowMs + expiry.ttlMs;
    case 'at':
    case 'logged':
      return expiry.expireAtMs;
    case 'keep':
      return live?.expireAtMs ?? 0;
  }
}

/** True if an entry of the store is exactly the model's. */
export function isSameEntry(actual: Entry | undefined, expected: ModelEntry | undefined): boolean {
  if (actual === undefined || expected === undefined) return actual === expected;
  return (
    Buffer.from(actual.value).toString() === expected.value &&
    actual.expireAtMs === expected.expireAtMs &&
    actual.version.lsn === expected.lsn &&
    actual.version.epoch === expected.epoch
  );
}

export function describeEntry(entry: Entry | ModelEntry | undefined): string {
  if (entry === undefined) return 'nothing';
  const value = typeof entry.value === 'string' ? entry.value : Buffer.from(entry.value).toString();
  const lsn = 'lsn' in entry ? entry.lsn : entry.version.lsn;
  return `${value.slice(0, 24)} (${value.length} bytes, LSN ${lsn}, deadline ${entry.expireAtMs})`;
}
