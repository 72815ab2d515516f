/** Reads beside the recency order, as a program makes them that has the store in its process. */
import { describe, expect, it } from 'vitest';
import { createStore } from '#storage/store.ts';
import { at, newStore, remove, set, UNLIMITED, victimsOf } from '#test/storage/helpers.ts';

const clockAt = (nowMs: number) => ({ readNowMs: () => nowMs });
const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value.buffer, value.byteOffset, value.length).toString();

describe('side reads', () => {
  it('find what is stored and not expired, and count both', () => {
    const store = newStore();
    const reads = store.sideReads();
    store.apply(set('kept', 'one'), at(1));
    store.apply(set('mortal', 'two', 1_000), at(2));
    store.apply(set('ключ', 'three'), at(3));
    expect(text(reads.value('kept', clockAt(5_000)))).toBe('one');
    expect(text(reads.value('mortal', clockAt(999)))).toBe('two');
    expect(reads.value('mortal', clockAt(1_000))).toBeUndefined();
    expect(reads.has('mortal', clockAt(1_000))).toBe(false);
    expect(reads.view('mortal', clockAt(1_000))).toBeUndefined();
    expect(reads.entry('mortal', clockAt(1_000))).toBeUndefined();
    expect(text(reads.view('ключ', clockAt(1)))).toBe('three');
    expect(reads.entry('kept', clockAt(1))).toMatchObject({
      key: 'kept',
      version: { lsn: 1 },
      expireAtMs: 0,
    });
    expect(reads.value('\ud800', clockAt(1))).toBeUndefined();
    expect(reads.value('', clockAt(1))).toBeUndefined();
    store.apply(remove('kept', 'client'), at(4));
    expect(reads.has('kept', clockAt(1))).toBe(false);
    expect([reads.hits, reads.misses]).toEqual([4, 7]);
    expect(store.stats()).toMatchObject({ hits: 0, misses: 0 });
  });

  it('ask for the time only where an entry has a deadline', () => {
    const store = newStore();
    const reads = store.sideReads();
    store.apply(set('kept', 'one'), at(1));
    const never = {
      readNowMs: (): number => {
        throw new Error('nobody needs the time');
      },
    };
    expect(text(reads.value('kept', never))).toBe('one');
    expect(reads.value('missing', never)).toBeUndefined();
  });

  it('find a key wherever it lies now, though what it was read from before is released', () => {
    const store = createStore({ limits: UNLIMITED, sharesValues: true });
    const reads = store.sideReads();
    // More than a chunk of the arena.
    const keys = Array.from({ length: 80 }, (_, i) => `key ${i}`);
    let lsn = 0;
    for (const value of ['first', 'second', 'third']) {
      for (const key of keys) store.apply(set(key, value.padEnd(16_000, '.')), at(++lsn));
      for (let round = 0; round < 2; round++)
        for (const key of keys) expect(text(reads.value(key, clockAt(1)))?.startsWith(value)).toBe(true);
    }
  });

  it('order nothing: the next victim stays the one that was used least recently', () => {
    const store = newStore();
    const reads = store.sideReads();
    for (const [i, key] of ['a', 'b', 'c'].entries()) store.apply(set(key, key), at(i + 1));
    reads.value('a', clockAt(1));
    expect(victimsOf(store)[0]).toBe('a');
  });

  it('copy nothing of a store that shares its values, and what was read stays', () => {
    const store = createStore({ limits: UNLIMITED, sharesValues: true });
    const reads = store.sideReads();
    store.apply(set('small', 'before'), at(1));
    const before = reads.value('small', clockAt(1));
    const again = reads.entry('small', clockAt(1))?.value;
    expect([again?.buffer === before?.buffer, again?.byteOffset]).toEqual([true, before?.byteOffset]);
    store.apply(set('small', 'behind'), at(2));
    expect([text(before), text(reads.value('small', clockAt(1)))]).toEqual(['before', 'behind']);
    store.apply(remove('small', 'client'), at(3));
    store.apply(set('other', 'another'), at(4));
    expect(text(before)).toBe('before');
  });

  it('copy small values, and share what is never written again', () => {
    const store = newStore();
    const reads = store.sideReads();
    store.apply(set('small', 'before'), at(1));
    const long = 'x'.repeat(20_000);
    store.apply(set('long', long), at(2));
    const [copied, shared] = [reads.value('small', clockAt(1)), reads.value('long', clockAt(1))];
    const view = reads.view('small', clockAt(1));
    expect(reads.value('long', clockAt(1))).toBe(shared);
    store.apply(set('small', 'behind'), at(3));
    store.apply(set('long', 'short'), at(4));
    expect(text(copied)).toBe('before');
    expect(text(shared)).toBe(long);
    expect(text(view)).toBe('behind');
  });
});
