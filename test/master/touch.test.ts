/** Touch: judged by what is accepted, logged without the value. */
import { describe, expect, it } from 'vitest';
import type { TouchAnswer } from '#model/commands.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { deleteOf, Rig, type RigOptions, requestId, setOf, touchOf, ttl, watch } from '#test/engine/rig.ts';

const NEVER = { kind: 'at', expireAtMs: 0 } as const;

async function open(options: Partial<RigOptions> = {}): Promise<Rig> {
  const rig = await Rig.open(options);
  await rig.until(rig.engine.formats.take());
  return rig;
}

const touch = (rig: Rig, ...args: Parameters<typeof touchOf>): Promise<TouchAnswer> =>
  rig.until(rig.master.touch(touchOf(...args)));

describe('a touch', () => {
  it('changes the deadline alone, and its record has no value', async () => {
    const rig = await open();
    const { position: version } = await rig.set('k', 'x'.repeat(10_000));
    const nowMs = rig.engine.logClock.nowMs();
    const answer = await touch(rig, 'k', ttl(5_000));
    expect(answer).toMatchObject({ applied: true, expireAtMs: nowMs + 5_000 });
    expect(answer.entry).toMatchObject({ key: 'k', version, expireAtMs: nowMs + 5_000 });
    const { frame, mutations, position } = (await rig.records()).at(-1) as never as {
      frame: { payloadBytes: number };
      mutations: unknown[];
      position: unknown;
    };
    expect(mutations).toEqual([{ op: 'touch', key: 'k', expireAtMs: nowMs + 5_000, cause: 'client' }]);
    expect(frame.payloadBytes).toBeLessThan(30);
    expect(answer.position).toEqual(position);
    await rig.clock.advance(4_999);
    expect(rig.get('k')?.length).toBe(10_000);
    await rig.clock.advance(1);
    expect(rig.get('k')).toBeUndefined();
  });

  it('of a missing key, or of one that has expired, writes nothing', async () => {
    const rig = await open();
    await rig.set('old', 'v', { expiry: ttl(1_000) });
    await rig.clock.advance(1_000);
    const { lsn } = rig.engine.position;
    for (const key of ['none', 'old'])
      expect(await touch(rig, key, NEVER)).toMatchObject({ applied: false, entry: undefined, expireAtMs: 0 });
    expect(rig.engine.position.lsn).toBe(lsn);
  });

  it('removes a deadline, and deletes with one that has passed', async () => {
    const rig = await open();
    await rig.set('k', 'v', { expiry: ttl(1_000) });
    expect(await touch(rig, 'k', NEVER)).toMatchObject({ applied: true, expireAtMs: 0 });
    await rig.clock.advance(5_000);
    expect(rig.get('k')).toBe('v');
    await touch(rig, 'k', { kind: 'at', expireAtMs: 1 });
    expect([rig.get('k'), rig.engine.store.entries]).toEqual([undefined, 0]);
  });

  it('sees writes in flight, and later ones see it', async () => {
    const rig = await open({ fsync: 'always' });
    await rig.set('stored', 'before', { expiry: ttl(1_000) });
    rig.fileSystem.holdSyncs();
    const calls = [
      rig.master.set(setOf('k', 'first')),
      rig.master.touch(touchOf('k', ttl(9_000))),
      rig.master.touch(touchOf('k', ttl(7_000))),
      rig.master.touch(touchOf('stored', NEVER)),
      rig.master.set(setOf('k', 'second', { expiry: { kind: 'keep' }, returnPrevious: true })),
      rig.master.set(setOf('stored', 'after', { expiry: { kind: 'keep' }, returnPrevious: true })),
      rig.master.delete(deleteOf('k', { returnPrevious: true })),
      rig.master.touch(touchOf('k', ttl(1_000))),
    ].map((call) => watch(call as Promise<unknown>));
    await rig.settle();
    rig.fileSystem.releaseSyncs();
    await rig.until(Promise.all(calls.map(({ promise }) => promise)));
    const nowMs = rig.engine.logClock.nowMs();
    const near = (ms: number) => expect.toSatisfy((at: number) => Math.abs(at - nowMs - ms) < 1_000);
    const text = (value: string) =>
      expect.toSatisfy((bytes: Uint8Array) => Buffer.from(bytes).equals(Buffer.from(value)));
    expect(calls.map(({ value }) => value)).toMatchObject([
      { applied: true },
      { applied: true, entry: { value: text('first'), expireAtMs: near(9_000) } },
      { applied: true, entry: { value: text('first'), expireAtMs: near(7_000) } },
      { applied: true, entry: { value: text('before'), expireAtMs: 0 } },
      { previous: { value: text('first'), expireAtMs: near(7_000) } },
      { previous: { value: text('before'), expireAtMs: 0 } },
      { previous: { value: text('second'), expireAtMs: near(7_000) } },
      { applied: false },
    ]);
    expect(rig.engine.store.peek('stored')).toMatchObject({ expireAtMs: 0 });
  });

  it('in a batch has the answer of the record, with a deadline of its own, and is refused with it', async () => {
    const rig = await open();
    await rig.set('a', 'v');
    await rig.set('b', 'v');
    const operations = ['a', 'b', 'none'].map((key, i) => ({
      kind: 'touch' as const,
      command: touchOf(key, ttl(1_000 * (i + 1))),
    }));
    const read = () => {
      throw new Error('there are no gets');
    };
    const nowMs = rig.engine.logClock.nowMs();
    const results = await rig.until(rig.master.batch(operations, read));
    const { position } = rig.engine;
    expect(results).toMatchObject([
      { kind: 'touch', answer: { applied: true, position, expireAtMs: nowMs + 1_000, entry: { key: 'a' } } },
      { kind: 'touch', answer: { applied: true, position, expireAtMs: nowMs + 2_000, entry: { key: 'b' } } },
      { kind: 'touch', answer: { applied: false, expireAtMs: 0, entry: undefined } },
    ]);
    rig.fileSystem.bytesMax = rig.fileSystem.usedBytes + 10;
    const refused = await rig.until(rig.master.batch(operations.slice(0, 2), read));
    expect(refused).toMatchObject([
      { kind: 'error', error: { code: 'resource_exhausted' } },
      { kind: 'error', error: { code: 'resource_exhausted' } },
    ]);
    rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
  });

  it('is carried out once for each request id', async () => {
    const rig = await open();
    await rig.set('k', 'v');
    const first = await touch(rig, 'k', ttl(5_000), requestId('r'));
    await rig.clock.advance(1_000);
    const again = await touch(rig, 'k', ttl(5_000), requestId('r'));
    expect([again.position, again.expireAtMs]).toEqual([first.position, first.expireAtMs]);
    await expect(touch(rig, 'k', ttl(6_000), requestId('r'))).rejects.toThrow('another write');
  });

  it.each(['stop', 'kill', 'checkpoint'])('outlives a %s', async (how) => {
    const rig = await open();
    const { position: version } = await rig.set('k', 'v');
    await touch(rig, 'k', { kind: 'at', expireAtMs: 4_102_444_800_000 });
    const digest = rig.engine.store.stateDigest();
    if (how === 'checkpoint') await rig.until(rig.host.checkpoint());
    const disk: MemoryFileSystem = how === 'kill' ? rig.kill() : await rig.close();
    const { engine } = await Rig.open({ fileSystem: disk, clock: rig.clock });
    expect(engine.store.peek('k')).toMatchObject({ version, expireAtMs: 4_102_444_800_000 });
    expect(engine.store.stateDigest()).toBe(digest);
  });
});
