import { describe, expect, it } from 'vitest';
import { Master } from '#master/master.ts';
import { ANSWERS_BYTES_MAX } from '#master/recent-answers.ts';
import { REQUEST_WINDOW_MS } from '#storage/request-table.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import {
  clientId,
  deleteOf,
  incrementOf,
  Rig,
  type RigOptions,
  requestId,
  setOf,
  touchOf,
  ttl,
  watch,
} from '#test/engine/rig.ts';

const id = requestId;
const ABSENT = { condition: { kind: 'absent' } } as const;
const MODES = ['logged', 'known to one master'] as const;

async function open(mode: (typeof MODES)[number], options: Partial<RigOptions> = {}): Promise<Rig> {
  const rig = await Rig.open(options);
  if (mode === 'logged') await rig.until(rig.engine.formats.take());
  return rig;
}

describe.each(MODES)('a write with a request id that is %s', (mode) => {
  it('is carried out once, and its repeats have the answer of the first', async () => {
    const rig = await open(mode);
    await rig.set('a', 'old');
    const first = await rig.until(
      rig.master.set(setOf('a', '1', { ...id('r-1'), returnPrevious: true, condition: { kind: 'present' } })),
    );
    await rig.set('a', 'another');
    const again = await rig.until(
      rig.master.set(setOf('a', '1', { ...id('r-1'), returnPrevious: true, condition: { kind: 'present' } })),
    );
    expect(again).toEqual({ ...first, isRepeat: true });
    expect(Buffer.from(again.previous?.value ?? []).toString()).toBe('old');
    expect(rig.get('a')).toBe('another');
    const gone = await rig.until(rig.master.delete(deleteOf('a', id('r-2'))));
    await rig.set('a', 'back');
    expect(await rig.until(rig.master.delete(deleteOf('a', id('r-2'))))).toEqual({ ...gone, isRepeat: true });
    expect(rig.get('a')).toBe('back');
  });

  it('that was not made for its condition is told the same again, from the state it was judged by', async () => {
    const rig = await open(mode);
    await rig.set('a', 'old');
    const first = await rig.until(rig.master.set(setOf('a', '1', { ...id('r'), ...ABSENT })));
    expect(first).toMatchObject({ applied: false, position: rig.engine.position });
    await rig.delete('a');
    expect(await rig.until(rig.master.set(setOf('a', '1', { ...id('r'), ...ABSENT })))).toEqual({
      ...first,
      isRepeat: true,
    });
    expect(rig.get('a')).toBeUndefined();
  });

  it('waits with the first where that is on its way, and for its own durability', async () => {
    const rig = await open(mode, { fsync: 'interval' });
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
    const rig = await open(mode);
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
    const rig = await open(mode);
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
    const rig = await open(mode);
    const set = { kind: 'set', command: setOf('a', '1', { ...id('r'), returnPrevious: true }) } as const;
    const noGet = (): never => {
      throw new Error('no gets here');
    };
    const [first, second] = await rig.until(rig.master.batch([set, set], noGet));
    const repeated = { ...first, answer: { ...(first as { answer: object }).answer, isRepeat: true } };
    expect(second).toEqual(repeated);
    await rig.set('a', 'another');
    expect(await rig.until(rig.master.batch([set], noGet))).toEqual([repeated]);
    expect(rig.get('a')).toBe('another');
  });

  it('keeps the bytes of its answer, and nothing of what they came with', async () => {
    const rig = await open(mode);
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
});

describe('a named write in the log', () => {
  const set = (rig: Rig, changes: Parameters<typeof setOf>[2]) =>
    rig.until(rig.master.set(setOf('a', '1', changes)));

  it.each(['stop', 'kill', 'checkpoint'])('is known after a %s', async (how) => {
    const rig = await open('logged');
    const first = await set(rig, id('r'));
    const unmet = await set(rig, { ...clientId(7, 1), ...ABSENT });
    expect(unmet).toMatchObject({ applied: false, current: { key: 'a' } });
    const sum = await rig.increment('n', { delta: 5n, ...clientId(7, 2) });
    if (how === 'checkpoint') await rig.until(rig.host.checkpoint());
    const digest = rig.engine.store.stateDigest();
    const again = await Rig.open({ fileSystem: how === 'kill' ? rig.kill() : await rig.close() });
    expect(again.engine.store.stateDigest()).toBe(digest);
    await again.delete('a');
    expect(await set(again, id('r'))).toMatchObject({
      applied: true,
      position: first.position,
      isRepeat: true,
    });
    expect(await set(again, { ...clientId(7, 1), ...ABSENT })).toMatchObject({
      applied: false,
      current: undefined,
      position: unmet.position,
      isRepeat: true,
    });
    expect(again.get('a')).toBeUndefined();
    expect(await again.increment('n', { delta: 5n, ...clientId(7, 2) })).toMatchObject({
      value: sum.value,
      position: sum.position,
      isRepeat: true,
    });
    expect(again.get('n')).toBe('5');
  });

  it('that changes nothing has a record of its own, so that a late first attempt does nothing', async () => {
    const rig = await open('logged');
    const lsn = rig.engine.nextLsn;
    const answers = [
      await rig.delete('missing', clientId(7, 1)),
      await rig.until(rig.master.touch(touchOf('missing', ttl(5), clientId(7, 2)))),
      await set(rig, { ...id('r'), condition: { kind: 'present' } }),
    ];
    expect(answers.map(({ applied, position }) => [applied, position.lsn])).toEqual([
      [false, lsn],
      [false, lsn + 1],
      [false, lsn + 2],
    ]);
    await rig.set('missing', 'v');
    expect(await rig.delete('missing', clientId(7, 1))).toMatchObject({ applied: false, isRepeat: true });
    expect(rig.get('missing')).toBe('v');
  });

  it('waits for its durability, also where it changed nothing', async () => {
    const rig = await open('logged', { fsync: 'interval' });
    await rig.clock.advance(5_000);
    rig.fileSystem.holdSyncs();
    const options = { ...clientId(7, 1), durability: 'local', timeoutMs: 60_000 } as const;
    const first = watch(rig.master.delete(deleteOf('a', options)));
    const again = watch(rig.master.delete(deleteOf('a', options)));
    await rig.settle();
    expect([first.value, again.value]).toEqual([undefined, undefined]);
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(first.value).toMatchObject({ applied: false, durabilityReached: 'local' });
    expect(again.value).toEqual({ ...first.value, isRepeat: true });
  });

  it('that waits on a deposed master is not told that it changed nothing, which may be lost', async () => {
    const rig = await open('logged');
    await rig.set('a', 'v');
    const { engine, clock, acks } = rig;
    const whyUnknown = (): string => 'another one leads';
    const parts = { engine, clock, acks, random: new SeededRandom(1), defaultTtlMs: 0 };
    const deposed = new Master({ ...parts, whyUnknown });
    const unmet = { ...ABSENT, returnPrevious: true };
    const answer = await rig.until(deposed.set(setOf('a', '1', unmet)));
    expect(answer.applied).toBe(false);
    await expect(rig.until(deposed.set(setOf('a', '1', { ...unmet, ...clientId(7, 1) })))).rejects.toThrow(
      'another one leads',
    );
  });

  it('is ABORTED where its client has its answer, or where it may have been forgotten', async () => {
    const rig = await open('logged');
    const aborted = { code: 'aborted', details: {} };
    // A position would not help.
    const dropped = { ...aborted, message: expect.not.stringContaining('since') };
    await expect(set(rig, clientId(7, 1, { answeredThrough: 0 }))).resolves.toMatchObject({ applied: true });
    await set(rig, clientId(7, 3, { answeredThrough: 2 }));
    await expect(set(rig, clientId(7, 1))).rejects.toMatchObject(dropped);
    await expect(set(rig, clientId(7, 2))).rejects.toMatchObject(dropped);
    // Its outcome is kept, and so is the right to go on.
    expect(await set(rig, clientId(7, 3, { answeredThrough: 2 }))).toMatchObject({ isRepeat: true });
    const before = rig.engine.position;
    const all = Array.from({ length: 1_025 }, (_, i) => rig.master.set(setOf('a', '1', clientId(7, i + 4))));
    // Judged before the others drop its outcome.
    all.push(rig.master.set(setOf('a', '1', clientId(7, 3))));
    expect((await rig.until(Promise.all(all))).at(-1)).toMatchObject({ isRepeat: true });
    await expect(set(rig, clientId(7, 4, { since: before }))).rejects.toMatchObject(dropped);
    expect(await set(rig, clientId(7, 1_028))).toMatchObject({ isRepeat: true });
    const foreign = { ...before, epoch: before.epoch + 1 };
    await expect(set(rig, clientId(8, 1, { since: foreign }))).rejects.toMatchObject(aborted);
    expect(await set(rig, clientId(8, 1))).toMatchObject({ applied: true });
  });

  it('with since is new only where request ids have been logged since then', async () => {
    const rig = await open('known to one master');
    const early = (await set(rig, id('r'))).position;
    const since = (await rig.set('b', '1')).position;
    await rig.until(rig.engine.formats.take());
    await expect(set(rig, id('s', { ...early, lsn: (early.lsn - 1) as typeof early.lsn }))).rejects.toThrow(
      'is not known',
    );
    expect(await set(rig, id('s', since))).toMatchObject({ applied: true });
    expect(await set(rig, id('r'))).toMatchObject({ position: early, isRepeat: true });
  });

  it('of a divided Batch has an index, so that its parts may share a sequence', async () => {
    const rig = await open('logged');
    const add = (index: number) =>
      ({ kind: 'increment', command: incrementOf('n', clientId(7, 1, { index })) }) as const;
    const noGet = (): never => {
      throw new Error('no gets here');
    };
    const values = async () => {
      const results = await rig.until(rig.master.batch([add(0), add(1), add(1)], noGet));
      return results.map((result) =>
        result.kind === 'increment' ? [result.answer.value, result.answer.isRepeat] : [],
      );
    };
    expect(await values()).toEqual([
      [1n, undefined],
      [2n, undefined],
      [2n, true],
    ]);
    expect(await values()).toEqual([
      [1n, true],
      [2n, true],
      [2n, true],
    ]);
  });

  it('leaves out what only the first master knew', async () => {
    const rig = await open('logged');
    await rig.set('a', 'old');
    const first = await set(rig, { ...id('r'), returnPrevious: true });
    expect(await set(rig, { ...id('r'), returnPrevious: true })).toMatchObject({ previous: { key: 'a' } });
    const again = await Rig.open({ fileSystem: await rig.close() });
    const repeated = await set(again, { ...id('r'), returnPrevious: true });
    expect(repeated).toEqual({ ...first, previous: undefined, isRepeat: true });
  });

  it('takes no room in a record without names', async () => {
    const rig = await open('logged');
    await rig.set('a', '1');
    const plain = (await rig.records()).at(-1)?.frame.payload;
    expect(plain?.[0]).toBe(1);
    expect(rig.engine.store.requests.isUnused).toBe(true);
    expect(rig.engine.store.stateDigest()).toBe(rig.engine.store.entriesDigest());
  });
});

describe('the memory of a master', () => {
  const write = async (rig: Rig, name: string): Promise<number> => {
    const command = setOf('a', '1', { ...id(name), returnPrevious: true });
    return (await rig.until(rig.master.set(command))).position.lsn;
  };

  it.each(MODES)('forgets request ids (%s) after their time', async (mode) => {
    const rig = await open(mode);
    const first = await write(rig, 'r');
    await rig.clock.advance(REQUEST_WINDOW_MS - 1);
    expect(await write(rig, 'r')).toBe(first);
    await rig.clock.advance(2);
    expect(await write(rig, 'r')).toBeGreaterThan(first);
  });

  it('forgets answers where they take more than they may, and the log knows their names all the same', async () => {
    for (const mode of MODES) {
      const rig = await open(mode);
      const first = await write(rig, 'r');
      await rig.set('big', Buffer.alloc(ANSWERS_BYTES_MAX / 4).toString('latin1'));
      const touches = mode === 'logged' ? 2 : 0;
      for (let i = 0; i < 4 - touches; i++) {
        const value = Buffer.alloc(ANSWERS_BYTES_MAX / 4, i + 1);
        await rig.until(rig.master.set(setOf('big', value, { ...id(`big-${i}`), returnPrevious: true })));
      }
      for (let i = 0; i < touches; i++)
        await rig.until(
          rig.master.touch(touchOf('big', ttl(60_000), { ...id(`touch-${i}`), returnValue: true })),
        );
      const again = await rig.until(rig.master.set(setOf('a', '1', { ...id('r'), returnPrevious: true })));
      if (mode === 'logged') expect(again).toMatchObject({ position: { lsn: first }, isRepeat: true });
      else expect(again.position.lsn).toBeGreaterThan(first);
    }
  });

  it('counts the value that a Touch returned', async () => {
    const rig = await open('logged');
    await rig.set('big', Buffer.alloc(ANSWERS_BYTES_MAX / 4).toString('latin1'));
    const touch = (name: string) =>
      rig.until(rig.master.touch(touchOf('big', ttl(60_000), { ...id(name), returnValue: true })));
    await touch('r');
    expect((await touch('r')).entry?.value.length).toBe(ANSWERS_BYTES_MAX / 4);
    for (let i = 0; i < 4; i++) await touch(`big-${i}`);
    expect(await touch('r')).toMatchObject({ isRepeat: true, entry: undefined });
  });
});
