import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { readSnapshotHeader } from '#storage/snapshot-header.ts';
import { createSnapshotLoader, type LoadedSnapshot } from '#storage/snapshot-loader.ts';
import type { Store } from '#storage/store.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import {
  at,
  drain,
  HASH_MASKS,
  headerMeta,
  meta,
  newStore,
  remove,
  set,
  snapshotOf,
  touch,
  victimsOf,
} from '#test/storage/helpers.ts';

function load(file: Uint8Array, hashMask = -1): LoadedSnapshot {
  const loader = createSnapshotLoader({ hashMask, hashSeed: 99 });
  loader.push(file);
  return loader.finish();
}

/** Everything that a snapshot must bring back, as text to compare. */
function stateOf(store: Store): string {
  const lines: string[] = [];
  let cursor = '';
  do {
    const page = store.scan({ prefix: '', cursor, limit: 1_000, keysOnly: false }, 0);
    for (const { key, value, expireAtMs, version } of page.entries) {
      lines.push(
        `${key} ${Buffer.from(value).toString('hex')} ${expireAtMs} ${version.epoch}-${version.lsn}`,
      );
    }
    cursor = page.nextCursor;
  } while (cursor !== '');
  return lines.sort().join('\n');
}

function randomSet(random: SeededRandom, bytesMax: number): ReturnType<typeof set> {
  const value = Buffer.alloc(random.below(bytesMax), random.below(256));
  return set(`key ${random.below(200)}`, value, random.below(3) === 0 ? 1e6 + random.below(10_000) : 0);
}

describe('snapshot', () => {
  it('brings back entries, meta and victim order, whatever keys collide', () => {
    for (const hashMask of HASH_MASKS) {
      const store = newStore(hashMask, { entriesMax: 7, bytesMax: 2 ** 40, policy: 'lru' });
      for (let i = 0; i < 1_000; i++) store.apply(set(`k${i}`, `v${i}`, i % 5 ? 0 : 1e12 + i), at(i + 1));
      for (let i = 0; i < 500; i++) store.get(`k${(i * 37) % 1_000}`, 1);
      const file = snapshotOf(store, 1_000);
      const loaded = load(file);
      expect(loaded.entries).toBe(1_000);
      expect(loaded.meta).toEqual(meta(1_000, store.limits));
      expect(loaded.store.limits).toEqual(store.limits);
      expect(loaded.store.stateDigest()).toBe(store.stateDigest());
      expect(loaded.store.bytes).toBe(store.bytes);
      expect(stateOf(loaded.store)).toBe(stateOf(store));
      expect(loaded.store.due(2e12, 1_000).length).toBe(200);
      loaded.store.get('k5', 1);
      store.get('k5', 1);
      expect(victimsOf(loaded.store)).toEqual(victimsOf(store));
    }
  });

  it('is exact at its moment while writes, deletes and evictions go on between slices', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new SeededRandom(seed);
      const store = newStore(0x1f);
      let lsn = 1;
      for (let i = random.below(400); i > 0; i--) {
        if (random.below(4) === 0) store.apply(remove(`key ${random.below(200)}`), at(lsn++));
        else store.apply(randomSet(random, 6_000), at(lsn++));
      }
      const twin = load(snapshotOf(store, lsn)).store;
      const state = stateOf(store);
      const digest = store.stateDigest();
      const scan = store.beginSnapshot(meta(lsn));
      const file = drain(scan, random.below(80_000) + 1, () => {
        for (let i = random.below(30); i > 0; i--) {
          const kind = random.below(5);
          const victim = kind === 0 ? store.takeVictim()?.key : undefined;
          if (victim !== undefined) store.apply(remove(victim, 'evicted'), at(++lsn));
          else if (kind === 1) store.apply(remove(`key ${random.below(200)}`), at(++lsn));
          else if (kind === 2) store.apply(set(`new ${random.below(50)}`), at(++lsn));
          else if (kind === 3) store.apply(touch(`key ${random.below(200)}`, random.below(9_000)), at(++lsn));
          else store.apply(randomSet(random, 6_000), at(++lsn));
        }
      });
      const loaded = load(file).store;
      expect(loaded.stateDigest(), `seed ${seed}`).toBe(digest);
      expect(stateOf(loaded), `seed ${seed}`).toBe(state);
      expect(victimsOf(loaded), `seed ${seed}`).toEqual(victimsOf(twin));
    }
  });

  it('contains taken victims, which stay stored until their delete', () => {
    const store = newStore();
    for (let i = 0; i < 10; i++) store.apply(set(`k${i}`), at(i + 1));
    store.takeVictim();
    expect(victimsOf(load(snapshotOf(store)).store)[0]).toBe('k0');
  });

  it('keeps stamps with the policy none, so that a later change to lru has the order', () => {
    const store = newStore(3, { entriesMax: 1, bytesMax: 0, policy: 'none' });
    for (const key of ['a', 'b', 'c']) store.apply(set(key), at(1));
    store.get('a', 1);
    const loaded = load(snapshotOf(store)).store;
    expect(loaded.takeVictim()).toBeUndefined();
    loaded.setLimits({ entriesMax: 1, bytesMax: 0, policy: 'lru' });
    expect(victimsOf(loaded)).toEqual(['b', 'c', 'a']);
  });

  it('takes slices of any size, values larger than a block, and an empty store', () => {
    const store = newStore();
    expect(load(snapshotOf(store)).entries).toBe(0);
    store.apply(set('big', Buffer.alloc(300_000, 5)), at(1));
    store.apply(set('empty', ''), at(2));
    const file = snapshotOf(store);
    const loader = createSnapshotLoader();
    const piece = new Uint8Array(997);
    for (let i = 0; i < file.length; i += 997) {
      const bytes = piece.subarray(0, Math.min(997, file.length - i));
      bytes.set(file.subarray(i, i + 997));
      loader.push(bytes);
      piece.fill(0);
    }
    expect(loader.finish().store.stateDigest()).toBe(store.stateDigest());
  });

  it('looks at a bounded number of slots per slice, however few of them are in use', () => {
    const store = newStore();
    for (let i = 0; i < 60_000; i++) store.apply(set(`k${i}`, ''), at(i + 1));
    for (let i = 0; i < 59_999; i++) store.apply(remove(`k${i}`), at(70_000));
    const scan = store.beginSnapshot(meta(1));
    const slices: Uint8Array[] = [];
    for (let bytes = scan.next(1 << 20); bytes !== undefined; bytes = scan.next(1 << 20)) slices.push(bytes);
    expect(slices.filter((bytes) => bytes.length === 0).length).toBeGreaterThan(1);
    expect(load(Buffer.concat(slices)).store.peek('k59999')?.key).toBe('k59999');
  });

  it('gives one at a time, and another after cancel or completion', () => {
    const store = newStore();
    store.apply(set('a'), at(1));
    const scan = store.beginSnapshot(meta(1));
    expect(() => store.beginSnapshot(meta(1))).toThrow(/one snapshot at a time/);
    scan.cancel();
    expect(() => scan.next(1)).toThrow(/cancelled/);
    expect(load(drain(store.beginSnapshot(meta(1)), 1)).entries).toBe(1);
    expect(load(drain(store.beginSnapshot(meta(1)), 1)).entries).toBe(1);
  });

  it('gives up its header by itself', () => {
    const store = newStore();
    for (let i = 0; i < 5; i++) store.apply(set(`k${i}`), at(i + 1));
    const file = snapshotOf(store, 5);
    const header = readSnapshotHeader(file);
    expect(header.meta).toEqual(headerMeta(5));
    expect(header.entries).toBe(5);
    for (let bytes = 0; bytes < header.headerBytes; bytes++) {
      expect(() => readSnapshotHeader(file.subarray(0, bytes))).toThrow(SnapshotError);
    }
  });
});

describe('a damaged snapshot', () => {
  function small(): Buffer {
    const store = newStore(0);
    for (let i = 0; i < 6; i++) store.apply(set(`key ${i}`, `value ${i}`, i * 1e9), at(i + 1));
    return snapshotOf(store, 6);
  }

  it('is refused for every flipped bit', () => {
    const file = small();
    for (let bit = 0; bit < file.length * 8; bit++) {
      const damaged = Buffer.from(file);
      damaged[bit >>> 3] = (damaged[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(() => load(damaged), `bit ${bit}`).toThrow(SnapshotError);
    }
    expect(load(file).entries).toBe(6);
  });

  it('is refused for every cut, and for anything appended', () => {
    const file = small();
    for (let bytes = 0; bytes < file.length; bytes++) {
      expect(() => load(file.subarray(0, bytes)), `${bytes} bytes`).toThrow(SnapshotError);
    }
    expect(() => load(Buffer.concat([file, Buffer.alloc(1)]))).toThrow(/after the footer/);
  });

  it('is refused where a block is missing, doubled or out of another file', () => {
    const store = newStore();
    for (let i = 0; i < 40; i++) store.apply(set(`key ${i}`, Buffer.alloc(5_000, i)), at(i + 1));
    const scan = store.beginSnapshot(meta(40));
    const blocks: Uint8Array[] = [];
    for (let bytes = scan.next(1); bytes !== undefined; bytes = scan.next(1)) blocks.push(bytes);
    expect(blocks.length).toBeGreaterThan(4);
    expect(load(Buffer.concat(blocks)).entries).toBe(40);
    const without = blocks.filter((_, i) => i !== 2);
    expect(() => load(Buffer.concat(without))).toThrow(/file CRC/);
    const doubled = [...blocks.slice(0, 3), ...blocks.slice(2)];
    expect(() => load(Buffer.concat(doubled))).toThrow(/second time/);
    const swapped = [blocks[0], blocks[2], blocks[1], ...blocks.slice(3)] as Uint8Array[];
    expect(() => load(Buffer.concat(swapped))).toThrow(/file CRC/);
  });

  it('is refused for content that differs from its digest, even where every CRC was made to fit', () => {
    const file = small();
    const { headerBytes } = readSnapshotHeader(file);
    const blockBytes = 20 + file.readUInt32LE(headerBytes + 4);
    const block = file.subarray(headerBytes, headerBytes + blockBytes);
    const at = file.indexOf('value 3');
    file.write('VALUE 3', at);
    block.writeUInt32LE(crc32(block.subarray(20)), 12);
    block.writeUInt32LE(crc32(block.subarray(0, 16)), 16);
    const footer = file.subarray(headerBytes + blockBytes);
    footer.writeUInt32LE(crc32(file.subarray(0, headerBytes + blockBytes)), 20 + 24);
    footer.writeUInt32LE(crc32(footer.subarray(20)), 12);
    footer.writeUInt32LE(crc32(footer.subarray(0, 16)), 16);
    expect(() => load(file)).toThrow(/digest is/);
  });

  it('is refused before its lengths are believed', () => {
    const file = small();
    const { headerBytes } = readSnapshotHeader(file);
    const claim = Buffer.from(file);
    claim.writeUInt32LE(0xffff_fff0, headerBytes + 4);
    expect(() => load(claim.subarray(0, headerBytes + 20))).toThrow(/block header CRC/);
    const header = Buffer.from(file);
    header.writeUInt32LE(0x7fff_ffff, 12);
    expect(() => load(header.subarray(0, 16))).toThrow(/header of 2147483647 bytes/);
  });

  it('says where and why', () => {
    const file = small();
    file[file.length - 1] = (file[file.length - 1] as number) ^ 1;
    try {
      load(file);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SnapshotError);
      expect((error as SnapshotError).offset).toBe(file.length - 28);
      expect((error as SnapshotError).why).toBe('block CRC does not match');
    }
  });
});
