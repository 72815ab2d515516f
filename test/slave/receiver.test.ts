import { describe, expect, it } from 'vitest';
import { makeEpoch } from '#model/position.ts';
import { standingOf } from '#slave/receiver.ts';
import { chainOf, pointOf } from '#test/replication/chain.ts';

const OURS = chainOf([5, 5, 5, 5, 5, 5]);
/** The same records up to 3, then others. */
const FORK = [
  ...OURS.slice(0, 3),
  ...chainOf([6, 6, 6, 6, 6], { firstLsn: 4, prevCrc: OURS[2]?.crc ?? 0, fill: 9 }),
];
const at = (list: typeof OURS, lsn: number) => pointOf(list[lsn - 1]);
const lsns = (frames: readonly { lsn: number }[]) => frames.map((frame) => frame.lsn);

describe('standingOf', () => {
  it('appends what follows the tail', () => {
    const standing = standingOf(at(OURS, 2), at(OURS, 2), OURS.slice(2));
    expect(standing.kind === 'append' && lsns(standing.fresh)).toEqual([3, 4, 5, 6]);
  });

  it('takes a heartbeat at the tail', () => {
    expect(standingOf(at(OURS, 2), at(OURS, 2), [])).toEqual({ kind: 'append', fresh: [] });
  });

  it('begins an empty log', () => {
    const standing = standingOf(pointOf(undefined), pointOf(undefined), OURS.slice(0, 2));
    expect(standing.kind === 'append' && lsns(standing.fresh)).toEqual([1, 2]);
  });

  it('skips what is here already', () => {
    const standing = standingOf(at(OURS, 4), at(OURS, 1), OURS.slice(1));
    expect(standing.kind === 'append' && lsns(standing.fresh)).toEqual([5, 6]);
    expect(standingOf(at(OURS, 4), at(OURS, 1), OURS.slice(1, 4))).toEqual({ kind: 'append', fresh: [] });
  });

  it('compares what ends before the tail', () => {
    expect(standingOf(at(OURS, 5), at(OURS, 1), OURS.slice(1, 3))).toEqual({
      kind: 'compare',
      point: at(OURS, 3),
    });
    expect(standingOf(at(OURS, 5), at(OURS, 2), [])).toEqual({ kind: 'compare', point: at(OURS, 2) });
  });

  it('sees a gap', () => {
    expect(standingOf(at(OURS, 2), at(OURS, 3), OURS.slice(3))).toEqual({ kind: 'gap' });
    expect(standingOf(at(OURS, 2), at(OURS, 3), [])).toEqual({ kind: 'gap' });
  });

  it('sees another record at the tail: as the previous one, and among the frames', () => {
    expect(standingOf(at(OURS, 5), at(FORK, 5), FORK.slice(5))).toEqual({ kind: 'conflict' });
    expect(standingOf(at(OURS, 5), at(FORK, 3), FORK.slice(3))).toEqual({ kind: 'conflict' });
    expect(standingOf(at(OURS, 5), at(FORK, 4), FORK.slice(4))).toEqual({ kind: 'conflict' });
    expect(standingOf({ ...at(OURS, 5), epoch: makeEpoch(1, 2) }, at(OURS, 5), [])).toEqual({
      kind: 'conflict',
    });
  });

  it('refuses frames that do not follow the record they claim to follow', () => {
    // A sender that echoes our own tail and sends what stands behind another one.
    expect(standingOf(at(OURS, 5), at(OURS, 5), FORK.slice(5))).toEqual({ kind: 'conflict' });
    expect(standingOf(at(OURS, 2), at(OURS, 2), OURS.slice(3))).toEqual({ kind: 'conflict' });
    expect(standingOf(at(OURS, 5), at(OURS, 2), FORK.slice(3, 4))).toEqual({ kind: 'conflict' });
  });

  it('refuses a term that falls, takes one that rises, and another nonce of the same term', () => {
    const follow = (epoch: number) => chainOf([5, 5], { firstLsn: 7, prevCrc: OURS[5]?.crc ?? 0, epoch });
    const tail = at(OURS, 6);
    const [tailTerm2] = chainOf([5], { firstLsn: 6, prevCrc: OURS[4]?.crc ?? 0, epoch: makeEpoch(2, 1) });
    const behind = chainOf([5], { firstLsn: 7, prevCrc: tailTerm2?.crc ?? 0, epoch: makeEpoch(1, 9) });
    expect(standingOf(pointOf(tailTerm2), pointOf(tailTerm2), behind)).toEqual({ kind: 'conflict' });
    expect(standingOf(tail, tail, follow(makeEpoch(2, 0))).kind).toBe('append');
    expect(standingOf(tail, tail, follow(makeEpoch(1, 0))).kind).toBe('append');
    const [seven] = follow(makeEpoch(3, 0));
    const falling = chainOf([5], { firstLsn: 8, prevCrc: seven?.crc ?? 0, epoch: makeEpoch(2, 0) });
    expect(standingOf(tail, tail, [...follow(makeEpoch(3, 0)).slice(0, 1), ...falling])).toEqual({
      kind: 'conflict',
    });
  });
});
