import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { describeSet, RETRY_BYTES_MAX, RETRY_WINDOW_MS, RetryWindow } from '#master/retry-window.ts';
import { toLsn } from '#model/position.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { deleteOf, Rig, setOf, touchOf, ttl, watch } from '#test/engine/rig.ts';

const id = (requestId: string) => ({ requestId });
const ABSENT = { condition: { kind: 'absent' } } as const;

describe('a write that names itself', () => {
  it('is carried out once, and its repeats have the answer of the first', async () => {
    const rig = await Rig.open();
    await rig.set('a', 'old');
    const first = await rig.until(
      rig.master.set(setOf('a', '1', { ...id('r-1'), returnPrevious: true, condition: { kind: 'present' } })),
    );
    await rig.set('a', 'another');
    const again = await rig.until(
      rig.master.set(setOf('a', '1', { ...id('r-1'), returnPrevious: true, condition: { kind: 'present' } })),
    );
    expect(again).toEqual(first);
    expect(Buffer.from(again.previous?.value ?? []).toString()).toBe('old');
    expect(rig.get('a')).toBe('another');
    const gone = await rig.until(rig.master.delete(deleteOf('a', id('r-2'))));
    await rig.set('a', 'back');
    expect(await rig.until(rig.master.delete(deleteOf('a', id('r-2'))))).toEqual(gone);
    expect(rig.get('a')).toBe('back');
  });

  it('that was not made for its condition is told the same again, from the state it was judged by', async () => {
    const rig = await Rig.open();
    await rig.set('a', 'old');
    const first = await rig.until(rig.master.set(setOf('a', '1', { ...id('r'), ...ABSENT })));
    expect(first).toMatchObject({ applied: false, position: rig.engine.position });
    await rig.delete('a');
    expect(await rig.until(rig.master.set(setOf('a', '1', { ...id('r'), ...ABSENT })))).toEqual(first);
    expect(rig.get('a')).toBeUndefined();
  });

  it('waits with the first where that is on its way, and for its own durability', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    await rig.clock.advance(5_000);
    rig.fileSystem.holdSyncs();
    const lsn = rig.engine.nextLsn;
    const first = watch(rig.master.set(setOf('a', '1', { ...id('r'), ...ABSENT })));
    const again = watch(rig.master.set(setOf('a', '1', { ...id('r'), ...ABSENT, durability: 'local' })));
    await rig.settle();
    expect(first.value).toMatchObject({ applied: true, position: { lsn }, durabilityReached: 'accepted' });
    expect(again.value).toBeUndefined();
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(again.value).toMatchObject({ applied: true, position: { lsn }, durabilityReached: 'local' });
    expect(rig.engine.nextLsn).toBe(lsn + 1);
  });

  it('is carried out anew where the disk had no room for the first', async () => {
    const rig = await Rig.open();
    await rig.set('a', 'old');
    rig.fileSystem.bytesMax = rig.fileSystem.usedBytes + 20;
    const refused = watch(rig.master.set(setOf('a', '1', id('r'))));
    const joined = watch(rig.master.set(setOf('a', '1', id('r'))));
    await rig.settle();
    for (const { error } of [refused, joined]) expect(error).toMatchObject({ code: 'resource_exhausted' });
    rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await rig.clock.advance(2_000);
    expect(await rig.until(rig.master.set(setOf('a', '1', id('r'))))).toMatchObject({ applied: true });
    expect(rig.get('a')).toBe('1');
  });

  it('is refused where its name stands for another write', async () => {
    const rig = await Rig.open();
    await rig.until(rig.master.set(setOf('a', '1', id('r'))));
    const others = [
      rig.master.set(setOf('a', '2', id('r'))),
      rig.master.set(setOf('b', '1', id('r'))),
      rig.master.set(setOf('a', '1', { ...id('r'), expiry: { kind: 'ttl', ttlMs: 5 } })),
      rig.master.set(setOf('a', '1', { ...id('r'), ...ABSENT })),
      rig.master.delete(deleteOf('a', id('r'))),
    ].map(watch);
    await rig.settle();
    for (const { error } of others) expect(error).toMatchObject({ code: 'invalid_argument' });
    expect(rig.get('a')).toBe('1');
  });

  it('is known in batches, within one and from one to another', async () => {
    const rig = await Rig.open();
    const set = { kind: 'set', command: setOf('a', '1', { ...id('r'), returnPrevious: true }) } as const;
    const noGet = (): never => {
      throw new Error('no gets here');
    };
    const [first, second] = await rig.until(rig.master.batch([set, set], noGet));
    expect(second).toEqual(first);
    await rig.set('a', 'another');
    expect(await rig.until(rig.master.batch([set], noGet))).toEqual([first]);
    expect(rig.get('a')).toBe('another');
  });

  it('keeps the bytes of its answer, and nothing of what they came with', async () => {
    const rig = await Rig.open();
    const body = Buffer.alloc(1 << 20, 7);
    const again = { ...id('r'), returnPrevious: true };
    // Judged while the other one is on its way: its value is a part of a request still.
    const [, answer] = await rig.until(
      Promise.all([rig.master.set(setOf('a', body.subarray(0, 10))), rig.master.set(setOf('a', '1', again))]),
    );
    expect(answer.previous?.value).toEqual(new Uint8Array(10).fill(7));
    expect(answer.previous?.value.buffer.byteLength).toBe(10);
    const current = { ...id('s'), ...ABSENT };
    const failed = await rig.until(rig.master.set(setOf('a', '2', current)));
    expect(failed.current?.value.buffer.byteLength).toBe(1);
  });

  it('is forgotten after its time, and where answers take more memory than they may', async () => {
    const rig = await Rig.open();
    const write = async (requestId: string): Promise<number> =>
      (await rig.until(rig.master.set(setOf('a', '1', { requestId, returnPrevious: true })))).position.lsn;
    const first = await write('r');
    await rig.clock.advance(RETRY_WINDOW_MS - 1);
    expect(await write('r')).toBe(first);
    await rig.clock.advance(2);
    const anew = await write('r');
    expect(anew).toBeGreaterThan(first);

    await rig.set('big', Buffer.alloc(RETRY_BYTES_MAX / 4).toString('latin1'));
    for (let i = 0; i < 4; i++) {
      const command = setOf('big', Buffer.alloc(RETRY_BYTES_MAX / 4, i + 1), {
        ...id(`big-${i}`),
        returnPrevious: true,
      });
      await rig.until(rig.master.set(command));
    }
    expect(await write('r')).toBeGreaterThan(anew);
  });

  it('counts the value that a Touch returned', async () => {
    const rig = await Rig.open();
    await rig.until(rig.engine.formats.take());
    await rig.set('big', Buffer.alloc(RETRY_BYTES_MAX / 4).toString('latin1'));
    const touch = async (requestId: string): Promise<number> => {
      const command = { ...touchOf('big', ttl(60_000)), requestId, returnValue: true };
      return (await rig.until(rig.master.touch(command))).position.lsn;
    };
    const first = await touch('r');
    expect(await touch('r')).toBe(first);
    for (let i = 0; i < 4; i++) await touch(`big-${i}`);
    expect(await touch('r')).toBeGreaterThan(first);
  });

  it('is known among the newest 20,000 of small ones, and not among ten times as many', () => {
    const window = new RetryWindow(new VirtualClock());
    const request = describeSet(setOf('key:000000000001', 'v'.repeat(100)));
    const remembered = {
      applied: true,
      previous: undefined,
      current: undefined,
      dependsOn: undefined,
      position: { epoch: 2 ** 32, lsn: toLsn(1) },
    };
    let carriedOut = 0;
    const send = (requestId: string): number => {
      window.once(requestId, request, () => {
        carriedOut++;
        return remembered;
      });
      return carriedOut;
    };
    const ids = Array.from({ length: 200_000 }, () => randomUUID());
    expect(ids.map(send).at(-1)).toBe(ids.length);
    for (const id of ids.slice(-20_000)) send(id);
    expect(carriedOut).toBe(ids.length);
    expect(send(ids[0] as string)).toBe(ids.length + 1);
  });
});
