/** Rows are hashed as their bytes are, of whatever length and wherever the buffer grows. */
import { expect, it } from 'vitest';
import { EntryHasher } from '#storage/entry-hash.ts';
import { RowWriter } from '#storage/row-bytes.ts';

const LENGTHS = [
  ...Array(40).keys(),
  1_000,
  1_018,
  1_019,
  1_020,
  1_021,
  1_022,
  1_023,
  1_024,
  1_025,
  2_045,
  5_000,
];

it('hashes what was written, by a buffer that is new, used before, or just large enough', () => {
  const used = new RowWriter();
  for (let i = 0; i < 900; i++) used.uint8(0xff);
  used.take();
  for (const length of LENGTHS) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + 11) & 0xff));
    const expected = new EntryHasher();
    expected.hashBytes(bytes);
    for (const writer of [new RowWriter(), used]) {
      const hasher = new EntryHasher();
      for (const byte of bytes) writer.uint8(byte);
      writer.hashWith(hasher);
      expect([length, hasher.hex(), writer.length]).toEqual([length, expected.hex(), 0]);
    }
  }
});
