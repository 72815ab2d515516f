import { describe, expect, it } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import { encodeEpochParent } from '#engine/records/epoch-record.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { FsyncPolicy } from '#model/fsync-policy.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import type { ReplicateVerdict } from '#model/replication.ts';
import { PIECE_BYTES, PIECE_RECORDS, Receiver, standingOf } from '#slave/receiver.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import { LOG_ID, openBareHost, settled } from '#test/engine/rig.ts';
import { chainOf, EPOCH_ONE, pointOf } from '#test/replication/chain.ts';
import { frameAfter } from '#test/wal/append-record.ts';
import { encodeFrame, type Frame } from '#wal/frame.ts';

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

const START = pointOf(undefined);
const NO_MUTATIONS = { type: RECORD_TYPE.data, payload: Buffer.from([1, 0, 0, 0, 0]) };

/** A record whose frame takes some more than so many bytes. */
function recordOf(bytes: number) {
  const value = Buffer.alloc(bytes);
  const set = { op: 'set', key: 'a', value, expireAtMs: 0, cause: 'client' } as const;
  const header = { lsn: toLsn(1), epoch: EPOCH_ONE, prevCrc: 0, flags: 0, timestampMs: 1_000 };
  const { payload } = payloadOf([set]).toFrame({ ...header, type: RECORD_TYPE.data });
  return { type: RECORD_TYPE.data, payload };
}

/** So many records that an empty replica can apply. */
function history(records: number): Frame[] {
  const parent = encodeEpochParent(START);
  const header = { lsn: toLsn(1), epoch: EPOCH_ONE, prevCrc: 0, flags: 0, timestampMs: 1_000 };
  const first = encodeFrame({ ...header, type: RECORD_TYPE.epoch }, parent.length, (target, offset) =>
    target.set(parent, offset),
  );
  const frames = [first];
  while (frames.length < records) frames.push(frameAfter(frames.at(-1) ?? first, NO_MUTATIONS));
  return frames;
}

/** An empty replica, and how many records were applied in each turn of the event loop. */
async function emptyReplica(fsync: FsyncPolicy) {
  const clock = new VirtualClock();
  const host = await openBareHost({ clock, role: 'replica', fsync });
  const engine: Engine = await settled(clock, host.adopt(LOG_ID, 1));
  const inTurns: number[] = [];
  let isSameTurn = false;
  engine.appliedFrames.subscribe(() => {
    if (!isSameTurn) {
      isSameTurn = true;
      setImmediate(() => {
        isSameTurn = false;
      });
      inTurns.push(0);
    }
    inTurns[inTurns.length - 1] = (inTurns.at(-1) ?? 0) + 1;
  });
  const receiver = new Receiver(
    () => engine,
    () => 1,
    clock,
  );
  const take = (frames: readonly Frame[], refusal?: () => ReplicateVerdict | undefined) =>
    settled(clock, receiver.take(START, frames, false, refusal));
  return { engine, inTurns, take };
}

describe('a push of many records', () => {
  it('is applied in pieces, in turns of the event loop of their own', async () => {
    const { engine, inTurns, take } = await emptyReplica('interval');
    expect(await take(history(2 * PIECE_RECORDS + 9))).toEqual({ kind: 'ok' });
    expect(inTurns).toEqual([PIECE_RECORDS, PIECE_RECORDS, 9]);
    expect(engine.applied.lsn).toBe(2 * PIECE_RECORDS + 9);
  });

  it('has pieces of fewer records where these are large, and never divides one', async () => {
    const { inTurns, take } = await emptyReplica('interval');
    const [first] = history(1) as [Frame];
    const sizes = [PIECE_BYTES / 2, PIECE_BYTES / 2 - 1_000, 4_000, 2 * PIECE_BYTES, 10];
    const frames = [first];
    for (const bytes of sizes) frames.push(frameAfter(frames.at(-1) ?? first, recordOf(bytes)));
    expect(await take(frames)).toEqual({ kind: 'ok' });
    expect(inTurns).toEqual([3, 1, 1, 1]);
  });

  it('waits for one fdatasync where each batch has one', async () => {
    const { inTurns, take } = await emptyReplica('always');
    expect(await take(history(PIECE_RECORDS + 1))).toEqual({ kind: 'ok' });
    expect(inTurns).toEqual([PIECE_RECORDS + 1]);
  });

  it('ends where a higher term is granted between two pieces', async () => {
    const { engine, take } = await emptyReplica('interval');
    const fenced: ReplicateVerdict = { kind: 'fenced', term: 9 };
    const refusal = () => (engine.log.tail.lsn > 0 ? fenced : undefined);
    expect(await take(history(2 * PIECE_RECORDS), refusal)).toEqual(fenced);
    expect(engine.log.tail.lsn).toBe(PIECE_RECORDS);
    // What is here already is compared when the push comes again.
    expect(await take(history(2 * PIECE_RECORDS))).toEqual({ kind: 'ok' });
    expect(engine.log.tail.lsn).toBe(2 * PIECE_RECORDS);
  });

  it('is not appended at all where one of the last cannot be applied', async () => {
    const { engine, take } = await emptyReplica('interval');
    const good = history(PIECE_RECORDS + 1);
    const bad = frameAfter(good.at(-1) as Frame, { ...NO_MUTATIONS, payload: Buffer.from([1, 9, 0, 0, 0]) });
    await expect(take([...good, bad])).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(engine.log.tail.lsn).toBe(0);
  });
});
