/** What key slots hold, against a plain count, whatever happens while the walk is under way. */
import { describe, expect, it } from 'vitest';
import { slotOf, slotOfKey } from '#cluster/slot-hash.ts';
import { entryCost } from '#storage/entry-cost.ts';
import { createStore, type Store } from '#storage/store.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';

const RUNS = Number(process.env['WALNUT_SLOT_RUNS'] ?? 20);
const UNLIMITED = { entriesMax: 0, bytesMax: 0, policy: 'lru' } as const;

function sizesOf(store: Store): Map<number, [number, number]> {
  const sizes = new Map<number, [number, number]>();
  const keySlots = store.keySlots(slotOf);
  for (let slot = 0; slot < 16_384; slot++)
    if (keySlots.entriesOf(slot) !== 0 || keySlots.bytesOf(slot) !== 0)
      sizes.set(slot, [keySlots.entriesOf(slot), keySlots.bytesOf(slot)]);
  return sizes;
}

/** By a scan of everything. */
function counted(store: Store): Map<number, [number, number]> {
  const sizes = new Map<number, [number, number]>();
  const { entries } = store.scan({ prefix: '', cursor: '', limit: 10_000, keysOnly: false }, 0);
  for (const { key, value, contentType = '' } of entries) {
    const slot = slotOfKey(key);
    const [count, bytes] = sizes.get(slot) ?? [0, 0];
    const cost = entryCost(Buffer.byteLength(key), value.length + Buffer.byteLength(contentType));
    sizes.set(slot, [count + 1, bytes + cost]);
  }
  return new Map([...sizes].sort(([a], [b]) => a - b));
}

class Workload {
  readonly store = createStore({ limits: UNLIMITED });
  readonly #random: SeededRandom;
  #lsn = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  step(): void {
    const random = this.#random;
    // Few slots by tags, and some keys that are not ASCII.
    const key = `{${random.below(6)}}${random.chance(0.2) ? 'é' : ''}${random.below(30)}`;
    const position = { epoch: 1, lsn: ++this.#lsn } as never;
    if (random.chance(0.1)) this.#evict(position);
    else if (random.chance(0.25)) this.store.apply({ op: 'delete', key, cause: 'expired' }, position);
    else if (random.chance(0.2))
      this.store.apply({ op: 'touch', key, expireAtMs: 7, cause: 'client' }, position);
    else {
      const value = Buffer.alloc(random.below(300));
      const contentType = random.chance(0.3) ? 'text/plain' : '';
      this.store.apply({ op: 'set', key, value, expireAtMs: 0, cause: 'client', contentType }, position);
    }
  }

  #evict(position: never): void {
    const victim = this.store.takeVictim();
    if (victim !== undefined) this.store.apply({ op: 'delete', key: victim.key, cause: 'evicted' }, position);
  }
}

describe('key slots', () => {
  it('are counted exactly, with changes before, during and after the walk', () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const work = new Workload(seed);
      const random = new SeededRandom(seed + 1_000);
      for (let i = 0; i < 100; i++) work.step();
      const keySlots = work.store.keySlots(slotOf);
      while (keySlots.next(random.between(1, 9))) for (let i = random.below(6); i > 0; i--) work.step();
      expect(sizesOf(work.store), `seed ${seed}`).toEqual(counted(work.store));
      for (let i = 0; i < 100; i++) work.step();
      expect(sizesOf(work.store), `seed ${seed}`).toEqual(counted(work.store));
    }
  });

  it('cost nothing before somebody asks', () => {
    const work = new Workload(1);
    for (let i = 0; i < 50; i++) work.step();
    let hashed = 0;
    const keySlots = work.store.keySlots((bytes, from, to) => {
      hashed++;
      return slotOf(bytes, from, to);
    });
    work.step();
    expect(hashed).toBe(0);
    expect(keySlots.next(10_000)).toBe(false);
    expect(hashed).toBe(work.store.entries);
  });
});
