import { describe, expect, it } from 'vitest';
import { allocateWithRoom, giveRoom, tryTakeRoom } from '#platform/roomy-bytes.ts';

describe('room around bytes', () => {
  it('is their own memory, before and behind them', () => {
    const bytes = giveRoom(allocateWithRoom(3, 10, 5));
    bytes.write('abc');
    const whole = tryTakeRoom(bytes, 4);
    expect(whole?.buffer).toBe(bytes.buffer);
    expect([whole?.length, whole?.toString('latin1', 4, 7)]).toEqual([4 + 3 + 5, 'abc']);
  });

  it('is taken once', () => {
    const bytes = giveRoom(allocateWithRoom(3, 10, 5));
    expect(tryTakeRoom(bytes, 10)).toBeDefined();
    expect(tryTakeRoom(bytes, 10)).toBeUndefined();
  });

  it('is not taken where it is too little, or nobody gave it', () => {
    const bytes = giveRoom(allocateWithRoom(3, 10, 5));
    expect(tryTakeRoom(bytes, 11)).toBeUndefined();
    expect(tryTakeRoom(bytes, 10)).toBeDefined();
    expect(tryTakeRoom(allocateWithRoom(3, 10, 5), 1)).toBeUndefined();
    expect(tryTakeRoom(Buffer.from('pooled, with others before it'), 0)).toBeUndefined();
  });
});
