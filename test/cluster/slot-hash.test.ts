import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOfOneSlot, slotOf, slotOfKey } from '#cluster/slot-hash.ts';
import { SLOTS } from '#model/slots.ts';

const slot = (key: string): number => slotOf(new TextEncoder().encode(key));

describe('the slot of a key', () => {
  it.each([
    // CRC-16/XMODEM's check value is 0x31c3 for 123456789.
    ['123456789', 0x31c3 % SLOTS],
    // A Redis Cluster answers these to CLUSTER KEYSLOT.
    ['', 0],
    ['foo', 12_182],
    ['bar', 5_061],
    ['hello', 866],
    ['somekey', 11_058],
    ['foo{hash_tag}', 2_515],
    ['bar{hash_tag}', 2_515],
  ])('of %j is %i', (key, expected) => {
    expect(slot(key)).toBe(expected);
  });

  it.each([
    ['{user1000}.following', 'user1000'],
    ['foo{{bar}}zap', '{bar'],
    ['foo{bar}{zap}', 'bar'],
    ['a}b{c}', 'c'],
    ['ключ{ü}', 'ü'],
  ])('of %j is that of its tag %j', (key, tag) => {
    expect(slot(key)).toBe(slot(tag));
  });

  it.each(['foo{}{bar}', 'foo{bar', 'foo}bar', '{}x'])('of %j is that of all its bytes', (key) => {
    const bytes = new TextEncoder().encode(key);
    expect(slotOf(bytes)).toBe(crcBitByBit(bytes) % SLOTS);
  });

  it('agrees with CRC-16 computed bit by bit', () => {
    const noBrace = fc.uint8Array({ maxLength: 40 }).filter((bytes) => !bytes.includes(0x7b));
    fc.assert(fc.property(noBrace, (bytes) => slotOf(bytes) === crcBitByBit(bytes) % SLOTS));
  });

  it('is the same amid other bytes, whatever stands around it', () => {
    const text = fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b'), maxLength: 6 });
    fc.assert(
      fc.property(text, text, text, (key, before, after) => {
        const bytes = Buffer.from(before + key + after);
        return slotOf(bytes, before.length, before.length + key.length) === slot(key);
      }),
    );
  });

  it.each(['', 'foo', 'ключ{ü}', '{a}b', `${'x'.repeat(1_023)}y`, 'ü'.repeat(4_000)])(
    'is the same as a string (%#)',
    (key) => expect(slotOfKey(key)).toBe(slot(key)),
  );
});

describe('a prefix', () => {
  const text = fc.string({ unit: fc.constantFrom('{', '}', 'a', 'ü'), maxLength: 7 });

  it('with a whole tag has the slot of every key that begins with it', () => {
    const tagged = text.filter(isOfOneSlot);
    fc.assert(fc.property(tagged, text, (prefix, rest) => slotOfKey(prefix + rest) === slotOfKey(prefix)));
  });

  it('without one has keys of other slots', () => {
    const others = ['a', '}a', '{a}', 'b}{b}'];
    const untagged = text.filter((prefix) => !isOfOneSlot(prefix));
    fc.assert(
      fc.property(untagged, (prefix) =>
        others.some((rest) => slotOfKey(prefix + rest) !== slotOfKey(prefix)),
      ),
    );
  });
});

/** The long division itself, without a table. */
function crcBitByBit(bytes: Uint8Array): number {
  let remainder = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const isOut = (remainder >>> 15) ^ ((byte >>> bit) & 1);
      remainder = (remainder << 1) & 0xffff;
      if (isOut === 1) remainder ^= 0x1021;
    }
  }
  return remainder;
}
