import { describe, expect, it } from 'vitest';
import { Later, mapSoon, type Receiver, type Soon } from '#model/later.ts';
import { settled } from '#test/doubles/settled.ts';

class Pending extends Later<number> {
  receiver: Receiver<number> | undefined;

  to(receiver: Receiver<number>): void {
    this.receiver = receiver;
  }
}

const half = (value: number): number => {
  if (value % 2 === 1) throw new Error(`${value} is odd`);
  return value / 2;
};

describe('a value that comes later', () => {
  it('is changed when it comes, as one that is there is changed at once', async () => {
    expect(mapSoon(8 as Soon<number>, half)).toBe(4);
    const pending = new Pending();
    const changed = settled(mapSoon(mapSoon(pending as Soon<number>, half), half));
    pending.receiver?.onValue(8);
    expect(await changed).toBe(2);
  });

  it('fails with what the change throws, and with its own error', async () => {
    const [odd, failing] = [new Pending(), new Pending()];
    const outcomes = [odd.map(half), failing.map(half)].map(settled);
    odd.receiver?.onValue(3);
    failing.receiver?.onError(new Error('the disk'));
    await expect(outcomes[0]).rejects.toThrow('3 is odd');
    await expect(outcomes[1]).rejects.toThrow('the disk');
  });
});
