/** Snapshots of the format versions, byte for byte: every later version must read them. */
import { expect, it } from 'vitest';
import { decodeHeader, encodeHeader } from '#storage/snapshot-header.ts';
import { createSnapshotLoader } from '#storage/snapshot-loader.ts';
import { at, headerMeta, meta, newStore, set, snapshotOf } from '#test/storage/helpers.ts';

const GOLDEN = [
  '57414c4e5554534e010001007e0000002030303131323233333434353536363737383839396161626263636464656566',
  '6611000000030000000200000000000000efbeadde7b68e5cf8b0100000a000000000000000000000002000000010200',
  '000000000000020000000100000000000000010000000000000011000000030000000200000000000000d71771f35745',
  '4e545800000002000000acb17cf77409567803000000010000000068e5cf8b0100001100000003000000010000000000',
  '00000100000000000000616f6e6500000000040000000000000000000000110000000300000002000000000000000200',
  '000000000000f09f979d57454e441c00000000000000593c67f987accaab0200000000000000cfd857f6a4d242243cfb',
  '38f546160504489f49da',
].join('');

it('writes and reads format version 1', () => {
  const store = newStore(1, { entriesMax: 10, bytesMax: 2 ** 33, policy: 'lru' });
  store.apply(set('a', 'one', 1_700_000_000_000), at(1));
  store.apply(set('\u{1f5dd}', ''), at(2));
  expect(snapshotOf(store, 2).toString('hex')).toBe(GOLDEN);

  const loader = createSnapshotLoader();
  loader.push(Buffer.from(GOLDEN, 'hex'));
  const loaded = loader.finish();
  expect(loaded.meta).toEqual(meta(2, store.limits));
  expect(loaded.store.peek('a')).toEqual({
    key: 'a',
    value: new Uint8Array(Buffer.from('one')),
    expireAtMs: 1_700_000_000_000,
    version: at(1),
  });
  expect(loaded.store.peek('\u{1f5dd}')?.value.length).toBe(0);
});

/** The header of one with a policy and an offset of the log clock that version 1 cannot state. */
const GOLDEN_HEADER_2 = [
  '57414c4e5554534e02000100a200000001004500000020303031313232333334343535363637373838393961616262',
  '636364646565666611000000030000000200000000000000efbeadde7b68e5cf8b0100000700000000000000020020',
  '0000000100000000000000010000000000000011000000030000000200000000000000030027000000020100120000',
  '0002010a000000000000000000000002000000020008000000ff471493b6ffffff97262ba8',
].join('');

it('writes and reads the header of format version 2', () => {
  const limits = { entriesMax: 10, bytesMax: 2 ** 33, policy: 'ttl', scope: 'with_ttl' } as const;
  const stated = { ...headerMeta(2, limits), wallOffsetMs: -315_360_000_001, formatLevel: 1 };
  const bytes = Buffer.from(encodeHeader(stated, 7));
  expect(bytes.toString('hex')).toBe(GOLDEN_HEADER_2);
  expect(decodeHeader(Buffer.from(GOLDEN_HEADER_2, 'hex'))).toEqual({
    meta: stated,
    version: 2,
    entries: 7,
    headerBytes: bytes.length,
  });
});
