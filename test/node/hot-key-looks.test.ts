/** Which keys are used most, found by looking at what was used last. */
import { describe, expect, it } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import { HotKeyLooks } from '#node/hot-key-looks.ts';
import { createStore, type Store } from '#storage/store.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { at, newStore, remove, set } from '#test/storage/helpers.ts';

const engineOf = (store: Store) => ({ store }) as unknown as Engine;

function storeWith(...keys: readonly string[]): Store {
  const store = newStore();
  for (const [i, key] of keys.entries()) store.apply(set(key), at(i + 1));
  return store;
}

async function looked(store: Store, ms: number, use: (turn: number) => void, limit = 10) {
  const clock = new VirtualClock();
  const engine = engineOf(store);
  const answer = new HotKeyLooks(() => engine, clock).look({ durationMs: ms, limit });
  // Between two looks, which are 5 ms apart.
  for (let turn = 0; turn < ms / 5; turn++) {
    use(turn);
    await clock.advance(5);
  }
  return answer;
}

describe('looks', () => {
  it('see each key as often as it was the last one used, and count every access', async () => {
    const store = storeWith('hot', 'warm', 'cold');
    const answer = await looked(store, 500, (turn) => {
      store.access('cold');
      store.get(turn % 4 === 0 ? 'warm' : 'hot', 0);
    });
    expect(answer.keys).toEqual([
      { key: 'hot', looks: 75 },
      { key: 'warm', looks: 25 },
    ]);
    expect(answer).toMatchObject({ looks: 100, accesses: 200, durationMs: 500, distinct: 2 });
  });

  it('see nothing where nothing is used, and give no more keys than asked for', async () => {
    const store = storeWith('a', 'b', 'c');
    expect(await looked(store, 100, () => {})).toMatchObject({
      keys: [],
      looks: 0,
      accesses: 0,
      distinct: 0,
    });
    const few = await looked(store, 100, (turn) => store.access('abc'[turn % 3] as string), 2);
    expect([few.keys.length, few.distinct, few.looks]).toEqual([2, 3, 20]);
  });

  it('pass over a key that is gone, and a miss', async () => {
    const store = storeWith('a', 'b');
    const answer = await looked(store, 50, (turn) => {
      store.get('missing', 0);
      if (turn === 3) {
        store.access('b');
        store.apply(remove('b'), at(9));
      }
    });
    expect(answer).toMatchObject({ keys: [], looks: 0, accesses: 1 });
  });

  it('see entries that the eviction scope has taken out of the order', async () => {
    const store = createStore({
      limits: { entriesMax: 0, bytesMax: 0, policy: 'lru', scope: 'with_ttl' },
      hashSeed: 1,
    });
    store.apply(set('kept'), at(1));
    store.apply(set('other', 'x', 1_000_000), at(2));
    // It passes over 'kept', which is no victim in this scope.
    store.takeVictim();
    const answer = await looked(store, 50, () => store.access('kept'));
    expect(answer.keys).toEqual([{ key: 'kept', looks: 10 }]);
  });

  it('begin anew with another engine', async () => {
    const clock = new VirtualClock();
    const stores = [storeWith('a', 'b', 'c'), storeWith('d')];
    const engines = stores.map(engineOf);
    let now = 0;
    const answer = new HotKeyLooks(() => engines[now] as Engine, clock).look({ durationMs: 30, limit: 10 });
    stores[0]?.access('a');
    await clock.advance(5);
    now = 1;
    await clock.advance(5);
    stores[1]?.access('d');
    await clock.advance(20);
    expect(await answer).toMatchObject({ looks: 2, accesses: 2, distinct: 2 });
  });

  it('are refused beside four others, and end with their caller', async () => {
    const clock = new VirtualClock();
    const looks = new HotKeyLooks(() => engineOf(storeWith('a')), clock);
    const callers = Array.from({ length: 4 }, () => new AbortController());
    const running = callers.map(({ signal }) => looks.look({ durationMs: 1_000, limit: 1 }, signal));
    for (const each of running) each.catch(() => {});
    await expect(looks.look({ durationMs: 5, limit: 1 })).rejects.toMatchObject({
      code: 'resource_exhausted',
    });
    for (const caller of callers) caller.abort();
    await clock.advance(5);
    const ended = await Promise.allSettled(running);
    expect(ended.map((each) => each.status === 'rejected' && each.reason.code)).toEqual(
      Array.from({ length: 4 }, () => 'cancelled'),
    );
    const again = looks.look({ durationMs: 5, limit: 1 });
    await clock.advance(5);
    expect(await again).toMatchObject({ looks: 0 });
  });
});
