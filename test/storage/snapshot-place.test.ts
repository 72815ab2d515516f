/** The byte that the refusal of a damaged snapshot names: never one behind the damage. */
import { describe, expect, it } from 'vitest';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { readSnapshotHeader } from '#storage/snapshot-header.ts';
import { createSnapshotLoader } from '#storage/snapshot-loader.ts';
import { at, drain, meta, newStore } from '#test/storage/helpers.ts';

/** With content types and the time table at format level 1, which is format version 2. */
function snapshotAt(formatLevel: number): Buffer {
  const store = newStore(0);
  for (let i = 0; i < 4; i++) {
    const value = Buffer.from(`value ${i}`);
    const plain = { op: 'set', key: `key ${i}`, value, expireAtMs: i * 1e9, cause: 'client' } as const;
    store.apply(formatLevel > 0 ? { ...plain, contentType: 'text/plain' } : plain, at(i + 1));
  }
  return drain(store.beginSnapshot({ ...meta(4), formatLevel }), 1 << 20);
}

/** The byte at which reading fails; undefined if it does not. */
function placeOf(read: () => unknown): number | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    return error.offset;
  }
}

function load(bytes: Uint8Array): void {
  const loader = createSnapshotLoader();
  loader.push(bytes);
  loader.finish();
}

describe.each([0, 1])('the byte that a refused snapshot names, at format level %i', (formatLevel) => {
  const file = snapshotAt(formatLevel);
  const { headerBytes, version } = readSnapshotHeader(file);

  it('is not behind a flipped bit, wherever it is', () => {
    expect(version).toBe(formatLevel + 1);
    for (let bit = 0; bit < file.length * 8; bit++) {
      const byte = bit >>> 3;
      const damaged = Buffer.from(file);
      damaged[byte] = (damaged[byte] as number) ^ (1 << (bit & 7));
      expect(
        placeOf(() => load(damaged)),
        `bit ${bit}`,
      ).toBeLessThanOrEqual(byte);
      if (byte < headerBytes)
        expect(
          placeOf(() => readSnapshotHeader(damaged)),
          `header, bit ${bit}`,
        ).toBeLessThanOrEqual(byte);
    }
    expect(placeOf(() => load(file))).toBeUndefined();
  });

  it('is not behind the end of a file that is cut', () => {
    for (let bytes = 0; bytes < file.length; bytes++) {
      const cut = file.subarray(0, bytes);
      expect(
        placeOf(() => load(cut)),
        `${bytes} bytes`,
      ).toBeLessThanOrEqual(bytes);
      if (bytes < headerBytes)
        expect(
          placeOf(() => readSnapshotHeader(cut)),
          `header, ${bytes} bytes`,
        ).toBeLessThanOrEqual(bytes);
    }
  });
});
