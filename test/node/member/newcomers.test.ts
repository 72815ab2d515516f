import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { Newcomers } from '#node/member/newcomers.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const LISTED = {
  voters: ['a', 'b', 'c'].map((node) => ({ node, incarnation: 1 })),
  learners: [],
  quorum: 2,
};

function rig() {
  const clock = new VirtualClock();
  const newcomers = new Newcomers(clock);
  const note = (node: string, incarnation: number, durable: number, tail: number): void =>
    newcomers.note({ node, incarnation, isInstalling: false }, toLsn(durable), toLsn(tail), LISTED);
  return {
    clock,
    newcomers,
    note,
    incarnations: () => newcomers.next(LISTED)?.voters.map((one) => one.incarnation),
  };
}

describe('members that come back with another incarnation', () => {
  it('take their place when they have what the master had as they came, and the old one is silent', async () => {
    const { clock, note, incarnations } = rig();
    note('b', 2, 0, 9);
    await clock.advance(6_000);
    expect(incarnations()).toBeUndefined();
    note('b', 2, 8, 20);
    expect(incarnations()).toBeUndefined();
    note('b', 2, 9, 30);
    expect(incarnations()).toEqual([1, 2, 1]);
  });

  it('take no place of one that answers, nor of a name that is not listed', async () => {
    const { clock, note, incarnations } = rig();
    for (let i = 0; i < 20; i++) {
      note('b', 2, 9, 9);
      note('stranger', 2, 9, 9);
      await clock.advance(1_000);
      note('b', 1, 9, 9);
    }
    note('b', 2, 9, 9);
    expect(incarnations()).toBeUndefined();
    await clock.advance(5_000);
    expect(incarnations()).toEqual([1, 2, 1]);
  });

  it('are admitted one at a time', async () => {
    const { clock, note, incarnations } = rig();
    note('b', 2, 9, 9);
    note('c', 3, 9, 9);
    await clock.advance(5_000);
    expect(incarnations()).toEqual([1, 2, 1]);
  });
});
