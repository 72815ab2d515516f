/** Keys and values of events stay as they were, whatever becomes of the records that they came from. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncodedPair } from '#model/encoded.ts';
import { EventBytes } from '#watch/event-bytes.ts';

/** Around where bytes are copied by hand, get a buffer of their own, and fill a chunk. */
const SIZES = [0, 1, 47, 48, 49, 2_000, 2_047, 2_048, 2_049, 8_192, 20_000];

/** A key and a value with other bytes before, between and behind them, as in a record. */
function pairOf(key: Buffer, value: Buffer, changes: Partial<EncodedPair> = {}): EncodedPair {
  const gap = Buffer.from('....');
  const bytes = Buffer.concat([gap, key, gap, value, gap]);
  const lengths = {
    keyBytes: key.length,
    valueBytes: value.length,
    typeOffset: 0,
    typeBytes: 0,
    expireAtMs: 0,
  };
  return { bytes, keyOffset: 4, valueOffset: 8 + key.length, ...lengths, ...changes };
}

function partsOf({ bytes, keyOffset, keyBytes, valueOffset, valueBytes }: ReturnType<EventBytes['keep']>) {
  const [key, value] = [bytes.subarray(keyOffset), bytes.subarray(valueOffset)];
  return [key.toString('latin1', 0, keyBytes), value.toString('latin1', 0, valueBytes)];
}

describe('bytes of events', () => {
  it('are those of their records, also when these are overwritten and others follow', () => {
    const size = fc.constantFrom(...SIZES);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 1_024 }), size), { maxLength: 40 }),
        (sizes) => {
          const kept = new EventBytes();
          const all = sizes.map(([keyBytes, valueBytes], i) => {
            const key = Buffer.alloc(keyBytes, `k${i}`);
            const value = Buffer.alloc(valueBytes, `v${i}`);
            const pair = pairOf(key, value);
            const source = kept.keep(pair);
            pair.bytes.fill('#');
            return { source, expected: [key.toString(), value.toString()] };
          });
          for (const { source, expected } of all) expect(partsOf(source)).toEqual(expected);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('stay in a record that nobody writes to again and that has little else', () => {
    const [key, value] = [Buffer.from('key'), Buffer.alloc(100_000, 'v')];
    const final = pairOf(key, value, { isFinal: true });
    expect(new EventBytes().keep(final).bytes).toBe(final.bytes);
    const shared = pairOf(key, value);
    expect(new EventBytes().keep(shared).bytes).not.toBe(shared.bytes);
    const besides = pairOf(Buffer.alloc(1_000, 'k'), Buffer.alloc(3_000, 'v'), { isFinal: true });
    expect(new EventBytes().keep(besides).bytes).not.toBe(besides.bytes);
  });
});
