/**
 * Snapshots under less friendly circumstances than a quiet store and an honest
 * file: any chunking, reads between slices, forged files whose CRCs all hold.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '#platform/crc32.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import {
  BLOCK_BYTES_MAX,
  BLOCK_ENTRIES,
  BLOCK_FOOTER,
  BLOCK_HEADER_BYTES,
  ENTRY_HEADER_BYTES,
  encodeEntryHeader,
  encodeFooter,
  sealBlock,
} from '#storage/snapshot-codec.ts';
import { encodeHeader, HEADER_BYTES_MAX, PREFIX_BYTES } from '#storage/snapshot-header.ts';
import { createSnapshotLoader, type LoadedSnapshot } from '#storage/snapshot-loader.ts';
import { at, drain, meta, newStore, remove, set, snapshotOf, victimsOf } from '#test/storage/helpers.ts';

const MIB = 1_024 * 1_024;

function load(...pieces: Uint8Array[]): LoadedSnapshot {
  const loader = createSnapshotLoader({ hashMask: 2 });
  for (const piece of pieces) loader.push(piece);
  return loader.finish();
}

/** A block with the given payload whose CRCs hold. */
function sealed(type: number, entries: number, payload: Uint8Array): Buffer {
  const block = Buffer.concat([Buffer.alloc(BLOCK_HEADER_BYTES), payload]);
  sealBlock(block, type, entries);
  return block;
}

/** A block header that holds and claims any length. */
function claiming(type: number, payloadBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_HEADER_BYTES);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(payloadBytes, 4);
  header.writeUInt32LE(1, 8);
  header.writeUInt32LE(crc32(header.subarray(0, 16)), 16);
  return header;
}

function entryBytes(key: string, value = 'v'): Buffer {
  const bytes = Buffer.alloc(ENTRY_HEADER_BYTES + Buffer.byteLength(key) + value.length);
  const sizes = { keyBytes: Buffer.byteLength(key), valueBytes: value.length };
  const header = { ...sizes, expireAtMs: 0, epoch: 1, lsn: 1, stamp: 1 };
  const keyAt = encodeEntryHeader(new DataView(bytes.buffer, bytes.byteOffset), 0, header);
  bytes.write(key + value, keyAt);
  return bytes;
}

function headerOf(entries: number): Buffer {
  return Buffer.from(encodeHeader(meta(1), entries));
}

/** A header after `change`, its CRC made to hold again. */
function forgedHeader(change: (bytes: Buffer) => void): Buffer {
  const bytes = headerOf(0);
  change(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

describe('a snapshot', () => {
  it('loads from any chunking, empty pieces and reused buffers included', () => {
    const store = newStore(4);
    for (let i = 0; i < 12; i++) store.apply(set(`key ${i}`, Buffer.alloc(i * 900, i), i * 1_000), at(i + 1));
    for (let i = 0; i < 12; i += 5) store.get(`key ${i}`, 0);
    const file = snapshotOf(store, 12);
    const order = victimsOf(store);
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(60), fc.nat(20_000)), { maxLength: 60 }), (sizes) => {
        const loader = createSnapshotLoader({ hashMask: 2 });
        const buffer = new Uint8Array(20_000);
        let offset = 0;
        for (const size of sizes) {
          const piece = file.subarray(offset, offset + size);
          buffer.set(piece);
          loader.push(buffer.subarray(0, piece.length));
          buffer.fill(0xff);
          offset += piece.length;
        }
        loader.push(file.subarray(offset));
        const loaded = loader.finish();
        expect(loaded.store.stateDigest()).toBe(store.stateDigest());
        expect(victimsOf(loaded.store)).toEqual(order);
      }),
      { numRuns: 40 },
    );
  });

  it('brings back values of 0 bytes and of 1 MiB, whole', () => {
    const store = newStore(4);
    const big = Buffer.alloc(MIB, 'walnut');
    store.apply(set('before', ''), at(1));
    store.apply(set('big', big), at(2));
    store.apply(set('k'.repeat(1_024), ''), at(3));
    const { store: loaded, entries } = load(snapshotOf(store, 3));
    expect(entries).toBe(3);
    expect(Buffer.from(loaded.peek('big')?.value ?? []).equals(big)).toBe(true);
    expect(loaded.peek('before')?.value.length).toBe(0);
    expect(loaded.peek('k'.repeat(1_024))?.version).toEqual(at(3));
    expect(loaded.stateDigest()).toBe(store.stateDigest());
  });

  it('keeps the order of what nobody touched while reads and returned victims go on between slices', () => {
    const keys = fc.array(fc.nat(29), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 8 }), (reads) => {
        const store = newStore(8);
        for (let i = 0; i < 30; i++) store.apply(set(`k${i}`, Buffer.alloc(20_000, i)), at(i + 1));
        const digest = store.stateDigest();
        const touched = new Set<string>();
        let slice = 0;
        const file = drain(store.beginSnapshot(meta(30)), 1, () => {
          for (const i of reads[slice++] ?? []) {
            store.get(`k${i}`, 1);
            touched.add(`k${i}`);
          }
          const victim = store.takeVictim();
          if (victim === undefined) return;
          store.returnVictim(victim);
          touched.add(victim.key);
        });
        const { store: loaded } = load(file);
        expect(loaded.stateDigest()).toBe(digest);
        const order = victimsOf(loaded);
        expect(new Set(order).size).toBe(30);
        const untouched = order.filter((key) => !touched.has(key));
        expect(untouched).toEqual([...untouched].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
      }),
      { numRuns: 30 },
    );
  });

  it('goes on from the highest stamp: what is touched after loading is the newest', () => {
    const store = newStore(4);
    for (const [i, key] of ['a', 'b', 'c'].entries()) store.apply(set(key), at(i + 1));
    const { store: loaded } = load(snapshotOf(store));
    loaded.get('a', 0);
    loaded.apply(set('d'), at(4));
    expect(victimsOf(loaded)).toEqual(['b', 'c', 'a', 'd']);
  });

  it('goes on from the highest stamp where nothing is in the order: all taken, and the policy rebuilt', () => {
    const store = newStore(4);
    for (const [i, key] of ['a', 'b', 'c'].entries()) store.apply(set(key), at(i + 1));
    expect(victimsOf(store)).toEqual(['a', 'b', 'c']);
    store.setLimits({ ...store.limits, policy: 'none' });
    store.setLimits({ ...store.limits, policy: 'lru' });
    store.apply(set('d'), at(4));
    expect(victimsOf(load(snapshotOf(store)).store)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('lets the store alone after a cancel, in whatever slice it comes', () => {
    const store = newStore(4);
    for (let i = 0; i < 20; i++) store.apply(set(`k${i}`, Buffer.alloc(20_000)), at(i + 1));
    for (let slices = 0; slices < 6; slices++) {
      const scan = store.beginSnapshot(meta(1));
      for (let i = 0; i < slices; i++) scan.next(1);
      scan.cancel();
      scan.cancel();
      store.apply(remove(`k${slices}`), at(100));
      store.apply(set(`new ${slices}`), at(101));
    }
    const { store: loaded } = load(snapshotOf(store));
    expect(loaded.stateDigest()).toBe(store.stateDigest());
  });

  it('is not disturbed by a late cancel of the one before it', () => {
    const store = newStore(4);
    for (let i = 0; i < 10; i++) store.apply(set(`k${i}`, Buffer.alloc(20_000, i)), at(i + 1));
    const digest = store.stateDigest();
    const first = store.beginSnapshot(meta(1));
    drain(first, MIB);
    const second = store.beginSnapshot(meta(1));
    first.cancel();
    expect(first.next(1)).toBeUndefined();
    expect(() => store.beginSnapshot(meta(1))).toThrow(/one snapshot at a time/);
    const file = drain(second, 1, () => store.apply(remove(`k${store.entries - 1}`), at(20)));
    expect(load(file).store.stateDigest()).toBe(digest);
  });
});

describe('a forged snapshot whose CRCs are right', () => {
  it('is made right by these helpers', () => {
    const head = Buffer.concat([headerOf(1), sealed(BLOCK_ENTRIES, 1, entryBytes('a'))]);
    const store = newStore();
    store.apply(set('a', 'v'), at(1, 1));
    const footer = { entries: 1, digest: store.stateDigest(), fileCrc: crc32(head) };
    expect(load(head, encodeFooter(footer)).store.peek('a')).toBeDefined();
    for (const wrong of [{ entries: 2 }, { digest: '1'.repeat(32) }, { fileCrc: 1 }]) {
      expect(() => load(head, encodeFooter({ ...footer, ...wrong }))).toThrow(SnapshotError);
    }
  });

  it.each([
    [
      'more entries than the header says',
      [headerOf(0), sealed(BLOCK_ENTRIES, 1, entryBytes('a'))],
      /entry counts/,
    ],
    ['2^53 - 1 entries', [headerOf(Number.MAX_SAFE_INTEGER)], /entry counts/],
    ['an unknown block', [headerOf(0), sealed(0x12345678, 0, Buffer.alloc(4))], /unknown block type/],
    [
      'a footer of another size',
      [headerOf(0), sealed(BLOCK_FOOTER, 0, Buffer.alloc(27))],
      /footer of 27 bytes/,
    ],
    [
      'an entry cut',
      [headerOf(1), sealed(BLOCK_ENTRIES, 1, entryBytes('a').subarray(0, 30))],
      /does not fit/,
    ],
    ['one entry too few', [headerOf(2), sealed(BLOCK_ENTRIES, 2, entryBytes('a'))], /does not fit/],
    [
      'bytes after the entries',
      [headerOf(0), sealed(BLOCK_ENTRIES, 0, entryBytes('a'))],
      /after the last entry/,
    ],
    ['an empty key', [headerOf(1), sealed(BLOCK_ENTRIES, 1, entryBytes(''))], /0 \+ 1 bytes/],
    ['a long key', [headerOf(1), sealed(BLOCK_ENTRIES, 1, entryBytes('k'.repeat(1_025)))], /1025 \+ 1 bytes/],
    ['2^32 - 1 entries', [headerOf(1), sealed(BLOCK_ENTRIES, 2 ** 32 - 1, entryBytes('a'))], /does not fit/],
  ])('is refused with %s', (_, pieces, why) => {
    const head = Buffer.concat(pieces);
    const footer = encodeFooter({ entries: 0, digest: '0'.repeat(32), fileCrc: crc32(head) });
    const attempt = (): LoadedSnapshot => load(head, footer);
    expect(attempt).toThrow(SnapshotError);
    expect(attempt).toThrow(why);
  });

  it('is refused with numbers of 2^53, text that is not UTF-8, an unknown policy, or epochs that do not fit', () => {
    const logIdBytes = headerOf(0)[PREFIX_BYTES] as number;
    const fields = PREFIX_BYTES + 1 + logIdBytes;
    const changes: ((bytes: Buffer) => void)[] = [
      (bytes) => bytes.writeUInt32LE(2 ** 21, fields + 4),
      (bytes) => bytes.writeUInt32LE(2 ** 32 - 1, fields + 12),
      (bytes) => bytes.writeUInt8(0xff, PREFIX_BYTES + 1),
      (bytes) => bytes.writeUInt8(2, fields + 44),
      (bytes) => bytes.writeUInt32LE(2 ** 32 - 1, fields + 53),
      (bytes) => bytes.writeUInt32LE(1, fields + 53),
      (bytes) => bytes.writeUInt8(255, PREFIX_BYTES),
    ];
    expect(() => createSnapshotLoader().push(forgedHeader(() => {}))).not.toThrow();
    for (const change of changes) {
      expect(() => createSnapshotLoader().push(forgedHeader(change)), String(change)).toThrow(SnapshotError);
    }
    const entry = entryBytes('a');
    entry.writeUInt32LE(2 ** 21, 12);
    expect(() => load(headerOf(1), sealed(BLOCK_ENTRIES, 1, entry))).toThrow(/2\^53/);
    const badKey = entryBytes('a');
    badKey[ENTRY_HEADER_BYTES] = 0xff;
    expect(() => load(headerOf(1), sealed(BLOCK_ENTRIES, 1, badKey))).toThrow(/not UTF-8/);
  });

  it('cannot make the loader allocate what it only claims', () => {
    const before = process.memoryUsage().arrayBuffers;
    const prefix = headerOf(0).subarray(0, PREFIX_BYTES);
    const claims = [PREFIX_BYTES, HEADER_BYTES_MAX - PREFIX_BYTES + 1, 2 ** 31, 2 ** 32 - 1];
    for (const bytes of claims) {
      const forged = Buffer.from(prefix);
      forged.writeUInt32LE(bytes, 12);
      expect(() => createSnapshotLoader().push(forged), String(bytes)).toThrow(/expected 62 to/);
    }
    expect(() => load(headerOf(1), claiming(BLOCK_ENTRIES, BLOCK_BYTES_MAX + 1))).toThrow(/expected at most/);
    expect(() => load(headerOf(1), claiming(BLOCK_ENTRIES, 2 ** 32 - 1))).toThrow(/expected at most/);
    // The longest block there may be, of which ten bytes come; and an entry that claims 4 GiB.
    const waiting = Array.from({ length: 20 }, () => {
      const loader = createSnapshotLoader({ hashMask: 1 });
      loader.push(headerOf(1));
      loader.push(claiming(BLOCK_ENTRIES, BLOCK_BYTES_MAX));
      loader.push(new Uint8Array(10));
      return loader;
    });
    const entry = entryBytes('a');
    entry.writeUInt32LE(2 ** 32 - 1, 0);
    expect(() => load(headerOf(1), sealed(BLOCK_ENTRIES, 1, entry))).toThrow(/does not fit its block/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MIB);
    for (const loader of waiting) expect(() => loader.finish()).toThrow(/the file is cut/);
  });

  it('of any bytes gets a SnapshotError and nothing else', () => {
    const file = snapshotOf(newStore(2), 1);
    const noise = fc.tuple(fc.nat(file.length), fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.boolean());
    fc.assert(
      fc.property(noise, ([offset, bytes, isInserted]) => {
        const rest = file.subarray(isInserted ? offset : Math.min(file.length, offset + bytes.length));
        const damaged = Buffer.concat([file.subarray(0, offset), bytes, rest]);
        if (damaged.equals(file)) return;
        expect(() => load(damaged)).toThrow(SnapshotError);
      }),
      { numRuns: 300 },
    );
  });
});
