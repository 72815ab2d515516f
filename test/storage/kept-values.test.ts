/** Long values in bytes that nobody writes to again: kept as they are, and only where that costs little. */
import { expect, it } from 'vitest';
import { encodePair } from '#storage/encode-pair.ts';
import { SlotTable } from '#storage/slot-table.ts';
import { keyOf } from '#test/storage/helpers.ts';

/** The memory of the value in a slot that was written from it. */
function storedFrom(valueBytes: number, bufferBytes: number, isFinal: boolean): boolean {
  const pair = encodePair('key', Buffer.alloc(valueBytes, 'v'), 0);
  const bytes = Buffer.allocUnsafeSlow(bufferBytes);
  pair.bytes.copy(bytes);
  const slots = new SlotTable();
  const slot = slots.allocate();
  slots.write(slot, keyOf('key'), { ...pair, bytes, isFinal }, 1, 1);
  const value = slots.valueOf(slot);
  expect(Buffer.alloc(valueBytes, 'v').equals(value)).toBe(true);
  return value.buffer === bytes.buffer;
}

it.each([
  ['a long one that is most of its buffer', 100_000, 101_000, true, true],
  ['one whose buffer may be written to', 100_000, 101_000, false, false],
  ['one whose buffer has much else', 100_000, 200_000, true, false],
  ['a short one, which has a place in the arena', 16_384, 16_400, true, false],
])('%s', (_, valueBytes, bufferBytes, isFinal, isKept) => {
  expect(storedFrom(valueBytes, bufferBytes, isFinal)).toBe(isKept);
});
