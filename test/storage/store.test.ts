import { describe, expect, it } from 'vitest';
import { ENTRY_OVERHEAD_BYTES, entryCost } from '#storage/entry-cost.ts';
import { createSnapshotLoader } from '#storage/snapshot-loader.ts';
import { NOT_STORED } from '#storage/store.ts';
import { at, newStore, remove, set, snapshotOf, victimsOf } from '#test/storage/helpers.ts';

describe('store', () => {
  it('copies values: the mutation may view a buffer that is used again', () => {
    const store = newStore();
    const buffer = Buffer.from('....hello....');
    const view = buffer.subarray(4, 9);
    store.apply({ op: 'set', key: 'k', value: view, expireAtMs: 0, cause: 'client' }, at(1));
    buffer.fill('x');
    const value = store.get('k', 1)?.value as Uint8Array;
    expect(Buffer.from(value).toString()).toBe('hello');
    expect(value.buffer).not.toBe(buffer.buffer);
  });

  it('finds an entry until the millisecond of its deadline, and counts it until its delete', () => {
    const store = newStore();
    store.apply(set('k', 'v', 1_000), at(1));
    expect(store.get('k', 999)?.expireAtMs).toBe(1_000);
    expect(store.due(999, 10)).toEqual([]);
    expect(store.get('k', 1_000)).toBeUndefined();
    expect(store.peek('k')?.key).toBe('k');
    expect(store.entries).toBe(1);
    expect(store.due(1_000, 10).map((entry) => entry.key)).toEqual(['k']);
    store.apply(remove('k', 'expired'), at(2));
    expect(store.due(1_000, 10)).toEqual([]);
    expect(store.stats()).toMatchObject({ entries: 0, bytes: 0, hits: 1, misses: 1, evicted: 0, expired: 1 });
    expect(store.stateDigest()).toBe('0'.repeat(32));
  });

  it('leaves a deadline behind when an entry is set anew', () => {
    const store = newStore();
    store.apply(set('k', 'v', 1_000), at(1));
    store.apply(set('k', 'v', 5_000), at(2));
    expect(store.due(4_999, 10)).toEqual([]);
    store.apply(set('k', 'v'), at(3));
    expect(store.due(1e15, 10)).toEqual([]);
  });

  it('names the oldest deadlines first and never more than asked for', () => {
    const store = newStore();
    for (let i = 0; i < 3_000; i++)
      store.apply(set(`k${i}`, 'v', ((i * 7_919) % 3_000) * 100 + 1), at(i + 1));
    const seen: number[] = [];
    for (let due = store.due(300_000, 64); due.length > 0; due = store.due(300_000, 64)) {
      expect(due.length).toBeLessThanOrEqual(64);
      seen.push(Math.min(...due.map((entry) => entry.expireAtMs)));
      for (const { key } of due) store.apply(remove(key, 'expired'), at(9_999));
    }
    expect(store.entries).toBe(0);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('finds what is due among very many in the same quarter of a second once that is past', () => {
    const store = newStore();
    for (let i = 0; i < 20_000; i++) store.apply(set(`k${i}`, '', 1_000 + (i === 0 ? 0 : 200)), at(i + 1));
    expect(store.due(1_250, 20_001).length).toBe(20_000);
  });

  it('keeps a taken victim readable, lets nothing touch it, and takes a set as a new life', () => {
    const store = newStore();
    for (const key of ['a', 'b', 'c']) store.apply(set(key), at(1));
    const victim = store.takeVictim();
    expect(victim?.key).toBe('a');
    expect(store.get('a', 1)?.key).toBe('a');
    store.access('a');
    expect(store.takeVictim()?.key).toBe('b');
    store.apply(set('a', 'again'), at(2));
    expect(victimsOf(store)).toEqual(['c', 'a']);
    if (victim !== undefined) store.returnVictim(victim);
    expect(victimsOf(store)).toEqual(['a']);
  });

  it('counts keys in UTF-8 and values, and an overhead', () => {
    const store = newStore();
    store.apply(set('🗝é', 'four'), at(1));
    expect(store.bytes).toBe(6 + 4 + ENTRY_OVERHEAD_BYTES);
    expect(entryCost(Buffer.byteLength('🗝é'), 'four'.length)).toBe(store.bytes);
    const key = store.createKey();
    key.load('🗝é');
    expect(store.costOf(key)).toBe(store.bytes);
    expect(store.accessKey(key)).toBe(store.bytes);
    key.load('é');
    expect([store.costOf(key), store.accessKey(key)]).toEqual([NOT_STORED, NOT_STORED]);
    store.apply(set('🗝é', ''), at(2));
    expect(store.bytes).toBe(6 + ENTRY_OVERHEAD_BYTES);
    store.apply(remove('🗝é'), at(3));
    expect(store.bytes).toBe(0);
  });

  it('deletes what is missing without a trace', () => {
    const store = newStore();
    store.apply(remove('missing', 'evicted'), at(1));
    expect(store.stats()).toMatchObject({ entries: 0, bytes: 0, hits: 0, misses: 0, evicted: 0, expired: 0 });
  });
});

describe('hostile keys', () => {
  const keys = [
    '__proto__',
    'constructor',
    'hasOwnProperty',
    '\0',
    '\0\0',
    'a\0b',
    'line\r\nSET x',
    '../../etc/passwd',
    '\u{1f5dd}',
    '\u{1f5dd}\u{fe0f}',
    'é',
    'e\u0301',
    '\ufeffbom',
    'bom',
    ' ',
    '\uffff',
    'k'.repeat(1_024),
    'k'.repeat(1_023),
    'é'.repeat(512),
    '\u{1f5dd}'.repeat(256),
  ];

  it('are data: each its own entry, through scan and snapshot too', () => {
    const store = newStore();
    for (const [i, key] of keys.entries()) store.apply(set(key, `value ${i}`), at(i + 1));
    expect(store.entries).toBe(keys.length);
    const loader = createSnapshotLoader({ hashMask: 2 });
    loader.push(snapshotOf(store));
    for (const loaded of [store, loader.finish().store]) {
      for (const [i, key] of keys.entries()) {
        expect(Buffer.from(loaded.get(key, 1)?.value ?? []).toString()).toBe(`value ${i}`);
      }
      const page = loaded.scan({ prefix: '', cursor: '', limit: 100, keysOnly: true }, 1);
      expect(page.entries.map((entry) => entry.key).sort()).toEqual([...keys].sort());
    }
    expect(store.scan({ prefix: '__', cursor: '', limit: 100, keysOnly: true }, 1).entries.length).toBe(1);
  });
});
