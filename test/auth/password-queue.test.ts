/** Who may have a password hashed, how often, and in which order. */
import { describe, expect, it } from 'vitest';
import { GUESS_EVERY_MS, GUESSES_MAX } from '#auth/password-pace.ts';
import { PasswordQueue } from '#auth/password-queue.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const RIGHT = async () => 'ann';
const WRONG = async () => undefined;

function open() {
  const clock = new VirtualClock();
  const queue = new PasswordQueue(clock);
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  /** A wrong password that takes until its turn to end comes. */
  const hold = (address: string) =>
    queue.tryRun(address, () => {
      begun.push(address);
      return new Promise<undefined>((resolve) => ends.push(() => resolve(undefined)));
    });
  const guess = async (address: string) => (await queue.tryRun(address, WRONG)) ?? 'wrong';
  const endNext = async () => {
    ends.shift()?.();
    await clock.settle();
  };
  return { clock, queue, hold, begun, guess, endNext };
}

const addressOf = (i: number): string => `10.0.${i >> 8}.${i & 255}`;

describe('the places', () => {
  it('are two that run, 64 that wait, and four of one network', async () => {
    const { hold, begun } = open();
    const all = Array.from({ length: 70 }, (_, i) => hold(addressOf(i >> 2)));
    expect(all.map((one) => one instanceof Promise).lastIndexOf(true)).toBe(65);
    expect([all[66], hold('10.0.0.0'), begun.length]).toEqual(['busy', 'paced', 2]);
  });

  it('of IPv6 belong to a /64 network, not to each of its addresses', () => {
    const { hold } = open();
    const all = Array.from({ length: 5 }, (_, i) => hold(`2001:db8::${i + 1}`) instanceof Promise);
    expect(all).toEqual([true, true, true, true, false]);
    expect(hold('2001:db8:0:1::1')).toBeInstanceOf(Promise);
  });

  it('are given back where the check fails, which is no guess', async () => {
    const { queue } = open();
    for (let i = 0; i < 3 * GUESSES_MAX; i++) {
      const failed = queue.tryRun('a', () => Promise.reject(new Error('no memory')));
      await expect(failed).rejects.toThrow('no memory');
    }
  });
});

describe('a network from which a right password came', () => {
  it('has places and every other turn, however many strangers wait', async () => {
    const { queue, hold, begun, endNext, clock } = open();
    expect(await queue.tryRun('192.0.2.1', RIGHT)).toBe('ann');
    for (let i = 0; i < 66; i++) void hold(addressOf(i));
    await clock.settle();
    expect([hold(addressOf(99)), hold('192.0.2.2')]).toEqual(['busy', 'busy']);
    expect([hold('192.0.2.1'), hold('192.0.2.1')]).toEqual([expect.any(Promise), expect.any(Promise)]);
    for (let i = 0; i < 4; i++) await endNext();
    expect(begun.slice(2).filter((address) => address === '192.0.2.1').length).toBe(2);
    expect(begun.slice(2).length).toBe(4);
  });

  it('is one of the last 1,024', async () => {
    const { queue, hold, clock } = open();
    for (let i = 0; i <= 1_024; i++) await queue.tryRun(addressOf(i), RIGHT);
    for (let i = 2_000; i < 2_066; i++) void hold(addressOf(i));
    await clock.settle();
    expect([hold(addressOf(0)), hold(addressOf(1))]).toEqual(['busy', expect.any(Promise)]);
  });
});

describe('wrong passwords of one network', () => {
  it(`are checked ${GUESSES_MAX} times at once, and then every ${GUESS_EVERY_MS} ms`, async () => {
    const { guess, clock } = open();
    const answers: string[] = [];
    for (let i = 0; i < GUESSES_MAX + 2; i++) answers.push(await guess('10.0.0.1'));
    expect(answers).toEqual([...Array(GUESSES_MAX).fill('wrong'), 'paced', 'paced']);
    expect(await guess('10.0.0.2')).toBe('wrong');
    await clock.advance(GUESS_EVERY_MS - 1);
    expect(await guess('10.0.0.1')).toBe('paced');
    await clock.advance(1);
    expect([await guess('10.0.0.1'), await guess('10.0.0.1')]).toEqual(['wrong', 'paced']);
    await clock.advance(100 * GUESSES_MAX * GUESS_EVERY_MS);
    for (let i = 0; i < GUESSES_MAX; i++) expect(await guess('10.0.0.1')).toBe('wrong');
    expect(await guess('10.0.0.1')).toBe('paced');
  });

  it('are not forgiven for a right one in between, which costs no guess', async () => {
    const { queue, guess } = open();
    for (let i = 0; i < GUESSES_MAX - 1; i++) await guess('10.0.0.1');
    for (let i = 0; i < 20; i++) expect(await queue.tryRun('10.0.0.1', RIGHT)).toBe('ann');
    expect([await guess('10.0.0.1'), await guess('10.0.0.1')]).toEqual(['wrong', 'paced']);
  });
});
