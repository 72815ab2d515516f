/**
 * Replays real cache accesses read-through and compares with the hits that an
 * exact LRU is known to have. The trace (orm-busy, copyright headissue GmbH, Jens
 * Wilke, from the cache2k project, CC BY 4.0) is not part of this repository: the
 * environment variable WALNUT_TRACES names the folder that has it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { at, newStore, remove, set } from '#test/storage/helpers.ts';

const TRACES = process.env['WALNUT_TRACES'];
const TRACE = join(TRACES ?? '', 'orm-busy.trace.gz');
const isThere = TRACES !== undefined && existsSync(TRACE);
if (!isThere) {
  const why = TRACES === undefined ? 'WALNUT_TRACES names no folder' : `there is no ${TRACE}`;
  process.stderr.write(`SKIPPED: exact LRU hits on real accesses: ${why}\n`);
}

function hitsOf(accesses: Int32Array, entriesMax: number, hashMask: number): number {
  const store = newStore(hashMask);
  const value = Buffer.alloc(1_040, 1);
  let lsn = 0;
  for (const number of accesses) {
    const key = String(number);
    if (store.get(key, 1) !== undefined) continue;
    lsn++;
    if (store.entries === entriesMax) {
      const victim = store.takeVictim();
      if (victim !== undefined) store.apply(remove(victim.key, 'evicted'), at(lsn));
    }
    store.apply(set(key, value.subarray(0, 40 + (((number % 1_000) + 1_000) % 1_000))), at(lsn));
  }
  return store.stats().hits;
}

describe.skipIf(!isThere)('exact LRU on real accesses', () => {
  const bytes = isThere ? gunzipSync(readFileSync(TRACE)) : Buffer.alloc(0);
  const accesses = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);

  it.each([
    [100_000, 1_000, -1, 77_300],
    [100_000, 1_000, 0x3f, 77_300],
    [100_000, 20_000, -1, 84_872],
    [1_000_000, 1_000, -1, 795_726],
    [1_000_000, 5_000, -1, 865_590],
  ])('of %d accesses, %d entries, hash mask %d: %d hits', (count, entriesMax, hashMask, hits) => {
    expect(hitsOf(accesses.subarray(0, count), entriesMax, hashMask)).toBe(hits);
  });
});
