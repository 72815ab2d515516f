/**
 * Makes the changes of an engine's records, each for the watchers that it is of interest to.
 * Records are matched many at a time, before anyone is told; but where somebody asks for what
 * was there before, each just before it is applied, while the store still has that.
 */
import type { Engine } from '#engine/engine.ts';
import { recordKindOf } from '#engine/records/record-table.ts';
import type { EncodedMutation } from '#model/encoded.ts';
import type { Entry } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { WatchEvent, WatchOp } from '#model/watch.ts';
import type { Frame } from '#wal/frame.ts';
import { Backlog, type KeptRecord } from '#watch/backlog.ts';
import { type Change, changeOf } from '#watch/change.ts';
import { EventBytes } from '#watch/event-bytes.ts';
import { KeyMatcher } from '#watch/key-matcher.ts';
import { pack } from '#watch/packed-change.ts';
import type { Watcher } from '#watch/watcher.ts';

export class RecordIntake {
  readonly #engine: Engine;
  readonly #onOffered: (watcher: Watcher, hadRoom: boolean) => void;
  readonly #matcher: KeyMatcher<Watcher>;
  readonly #backlog = new Backlog();
  /** Watchers that ask for what was there before. */
  #asking = 0;
  /** Those that a change is of interest to, as many as `match` said. */
  readonly #found: (Watcher | undefined)[] = [];
  /** What the record that is being applied left of keys so far, where somebody asks for what was before. */
  readonly #left = new Map<string, Entry | undefined>();
  /** Keys and values of changes that are objects. */
  readonly #kept = new EventBytes();
  readonly #packed = new EventBytes(true);

  /** `seed`: of its matcher. `onOffered` is called for each watcher that gets a change, with what `offer` returned. */
  constructor(engine: Engine, seed: number, onOffered: (watcher: Watcher, hadRoom: boolean) => void) {
    this.#engine = engine;
    this.#onOffered = onOffered;
    this.#matcher = new KeyMatcher(seed);
  }

  /** From the next applied record on the watcher gets what it wants. Returns how to end that. */
  attach(watcher: Watcher): () => void {
    this.settle();
    const remove = this.#matcher.add(watcher.target, watcher);
    if (watcher.withPrevious) this.#asking++;
    this.#engine.witness = this;
    return () => {
      remove();
      if (watcher.withPrevious) this.#asking--;
      if (this.#matcher.size === 0 && this.#engine.witness === this) this.#engine.witness = undefined;
    };
  }

  /** The engine's side: the record is about to be applied. */
  beforeApply(frame: Frame): void {
    if (this.#asking === 0 && this.#backlog.tryAdd(frame)) return;
    this.settle();
    this.#match(frame);
  }

  /** Everything that was applied is in the queues of its watchers then. */
  settle(): void {
    if (this.#backlog.isEmpty) return;
    for (let record = this.#backlog.next(); record !== undefined; record = this.#backlog.next())
      this.#match(record);
  }

  #match(record: KeptRecord): void {
    const mutation = recordKindOf(record).walk(record);
    if (mutation === undefined) return;
    const found = this.#found;
    let version: Position | undefined;
    while (mutation.next()) {
      const { bytes, keyOffset, keyBytes, op } = mutation;
      const count = keepConcerned(found, this.#matcher.match(bytes, keyOffset, keyBytes, found), op);
      if (count === 0) continue;
      const [only] = found;
      if (count > 1 || only?.takesPacked !== true || !this.#offerPacked(only, mutation, record)) {
        version ??= { epoch: record.epoch, lsn: record.lsn };
        this.#offer(this.#changeOf(mutation, record, version, count), count);
      }
      // A watcher that has gone is not kept in memory.
      for (let i = 0; i < count; i++) found[i] = undefined;
    }
    if (this.#left.size > 0) this.#left.clear();
  }

  #changeOf(mutation: EncodedMutation, record: KeptRecord, version: Position, count: number): Change {
    if (!this.#isAsked(count)) return changeOf(mutation, record, version, this.#kept, undefined);
    const { bytes, keyOffset, keyBytes } = mutation;
    const key = bytes.toString('utf8', keyOffset, keyOffset + keyBytes);
    const stored = this.#left.has(key) ? this.#left.get(key) : this.#engine.store.peek(key);
    const change = changeOf(mutation, record, version, this.#kept, stored);
    this.#left.set(key, entryAfter(change));
    return change;
  }

  /** One of those that were found asks for what was there before. */
  #isAsked(count: number): boolean {
    for (let i = 0; i < count; i++) if (this.#found[i]?.withPrevious === true) return true;
    return false;
  }

  /** Returns false where the change is too large to be packed. */
  #offerPacked(watcher: Watcher, mutation: EncodedMutation, record: KeptRecord): boolean {
    const place = pack(mutation, record, this.#packed);
    if (place === undefined) return false;
    this.#onOffered(watcher, watcher.offerPacked(this.#packed.chunk, place));
    return true;
  }

  #offer(change: Change, count: number): void {
    for (let i = 0; i < count; i++) {
      const watcher = this.#found[i] as Watcher;
      this.#onOffered(watcher, watcher.offer(change));
    }
  }
}

/** Leaves those that want the change, or that must know what it left, to be told that with a later one of its record. */
function keepConcerned(found: (Watcher | undefined)[], count: number, op: WatchOp): number {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const watcher = found[i] as Watcher;
    found[i] = undefined;
    if (watcher.withPrevious || watcher.wants(op)) found[kept++] = watcher;
  }
  return kept;
}

function entryAfter(event: WatchEvent): Entry | undefined {
  const { op, key, value, contentType, expireAtMs, version, previous } = event;
  if (op === 'touch') return previous && { ...previous, expireAtMs };
  return op === 'set' ? { key, value, contentType, expireAtMs, version } : undefined;
}
