/** Keys with revisions, in memory: what a store of one process decides by. Synchronous; nothing here waits. */
import type {
  Comparison,
  StoreChanges,
  StoredEntry,
  StoreView,
  Transaction,
} from '#metadata/metadata-store.ts';
import { assert } from '#platform/assert.ts';

/** How many changes are kept for watches. */
const CHANGES_MAX = 1_024;

/** What a transaction changed; `entry` is undefined where the key is gone. */
export interface KeyChange {
  readonly key: string;
  readonly entry: StoredEntry | undefined;
  /** It goes with a lease, so it does not outlive the process that owns it. */
  readonly isLeased: boolean;
}

export class KeySpace {
  readonly #entries = new Map<string, StoredEntry>();
  readonly #kept: { readonly revision: number; readonly changes: readonly KeyChange[] }[] = [];
  #keptChanges = 0;
  /** The first revision of which the changes are kept. */
  #keptFrom: number;
  #revision: number;

  constructor(entries: Iterable<StoredEntry>, revision: number) {
    for (const entry of entries) this.#entries.set(entry.key, entry);
    this.#revision = revision;
    this.#keptFrom = revision + 1;
  }

  get revision(): number {
    return this.#revision;
  }

  view(prefix: string): StoreView {
    const entries = [...this.#entries.values()].filter(({ key }) => key.startsWith(prefix));
    entries.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { revision: this.#revision, entries };
  }

  isTrue(comparison: Comparison): boolean {
    const entry = this.#entries.get(comparison.key);
    if ('createRevision' in comparison) return (entry?.createRevision ?? 0) === comparison.createRevision;
    return (entry?.modRevision ?? 0) === comparison.modRevision;
  }

  /** What the writes would change. Deleting an absent key is no change. */
  plan(writes: Transaction['writes']): KeyChange[] {
    assert(
      new Set(writes.map(({ key }) => key)).size === writes.length,
      'a transaction writes each key once',
    );
    const modRevision = this.#revision + 1;
    return writes
      .filter(({ key, value }) => value !== undefined || this.#entries.has(key))
      .map((write) => {
        const { key, value } = write;
        if (value === undefined) return { key, entry: undefined, isLeased: false };
        const createRevision = this.#entries.get(key)?.createRevision ?? modRevision;
        const entry = { key, value, createRevision, modRevision };
        return { key, entry, isLeased: write.lease !== undefined };
      });
  }

  /** Makes planned changes; the plan must be the newest. */
  apply(changes: readonly KeyChange[]): void {
    if (changes.length === 0) return;
    this.#revision += 1;
    for (const { key, entry } of changes) {
      if (entry === undefined) this.#entries.delete(key);
      else this.#entries.set(key, entry);
    }
    this.#kept.push({ revision: this.#revision, changes });
    this.#keptChanges += changes.length;
    while (this.#keptChanges > CHANGES_MAX && this.#kept.length > 1) {
      const oldest = this.#kept.shift();
      this.#keptChanges -= oldest?.changes.length ?? 0;
      this.#keptFrom = (oldest?.revision ?? 0) + 1;
    }
  }

  /** The changes after a revision, of keys with the prefix; undefined if some of them are no longer kept. */
  changesAfter(revision: number, prefix: string): StoreChanges | undefined {
    if (revision + 1 < this.#keptFrom) return undefined;
    const changes = this.#kept
      .filter((each) => each.revision > revision)
      .flatMap((each) => each.changes)
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key, entry }) => ({ key, value: entry?.value }));
    return { revision: this.#revision, changes };
  }
}
