/**
 * The entries that are there when a watch begins, a page at a time. The watcher gets
 * every change after `startLsn` by itself: an entry with a newer version is left out.
 */
import type { Engine } from '#engine/engine.ts';
import { type Entry, isExpired } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import type { WatchCommand, WatchTarget } from '#model/watch.ts';
import { Change } from '#watch/change.ts';

const PAGE_ENTRIES = 500;

export class InitialWalk {
  readonly #engine: Engine;
  readonly #target: WatchTarget;
  readonly #keysOnly: boolean;
  readonly #startLsn: Lsn;
  #cursor = '';
  #isDone = false;

  constructor(engine: Engine, { target, keysOnly }: WatchCommand, startLsn: Lsn) {
    this.#engine = engine;
    this.#target = target;
    this.#keysOnly = keysOnly;
    this.#startLsn = startLsn;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** The initial events of the next page; of a page without any, none. */
  next(): Change[] {
    const entries = this.#page();
    return entries.filter(({ version }) => version.lsn <= this.#startLsn).map(toChange);
  }

  #page(): readonly Entry[] {
    const { store } = this.#engine;
    const nowMs = this.#engine.readNowMs();
    if (this.#target.kind === 'key') {
      this.#isDone = true;
      const entry = store.peek(this.#target.key);
      return entry === undefined || isExpired(entry.expireAtMs, nowMs) ? [] : [entry];
    }
    const { prefix } = this.#target;
    const command = { prefix, cursor: this.#cursor, limit: PAGE_ENTRIES, keysOnly: this.#keysOnly };
    const { entries, nextCursor } = store.scan(command, nowMs);
    this.#cursor = nextCursor;
    this.#isDone = nextCursor === '';
    return entries;
  }
}

function toChange({ key, value, version, expireAtMs, contentType }: Entry): Change {
  return new Change({
    op: 'set',
    cause: 'client',
    key,
    value,
    contentType,
    version,
    expireAtMs,
    timestampMs: 0,
    previous: undefined,
    isPreviousUnknown: false,
    isInitial: true,
  });
}
