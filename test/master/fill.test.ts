/** Fill leases on a master: who gets one, what ends it, and what becomes of those that wait. */
import { describe, expect, it } from 'vitest';
import { FillLeases, WAKES_PER_TURN } from '#master/fill-leases.ts';
import { type MixedBatch, PLAIN_EXPIRY, PLAIN_KIND } from '#model/bulk.ts';
import type { FillWish, GetAnswer, SetCommand } from '#model/commands.ts';
import { FILL_LEASE_BYTES_MAX } from '#model/limits.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { deleteOf, incrementOf, Rig, type RigOptions, setOf, touchOf, ttl, watch } from '#test/engine/rig.ts';

const WISH: FillWish = { leaseMs: 1_000, refreshBeforeMs: 0 };
const mayGoOn = (): void => undefined;

function ask(rig: Rig, key: string, waitMs = 0, wish: Partial<FillWish> = {}, signal?: AbortSignal) {
  return rig.master.fill({ key, waitMs }, { ...WISH, ...wish }, mayGoOn, signal);
}

async function tokenOf(answer: Promise<GetAnswer>): Promise<string> {
  const { fill } = await answer;
  if (fill?.kind !== 'lease') throw new Error(`no lease: ${JSON.stringify(fill)}`);
  return fill.token;
}

function fillOf(key: string, value: string, token: string, changes: Partial<SetCommand> = {}): SetCommand {
  return setOf(key, value, { ...changes, condition: { kind: 'fill_lease', token } });
}

/** One operation on `k`. */
function byteBatch(kind: number): MixedBatch {
  return {
    bytes: Buffer.from('k'),
    count: 1,
    kinds: Uint8Array.of(kind),
    keyOffsets: Uint32Array.of(0),
    keyBytes: Uint16Array.of(1),
    valueOffsets: Uint32Array.of(1),
    valueBytes: Uint32Array.of(0),
    expiries: Uint8Array.of(PLAIN_EXPIRY.default),
    expiryMs: Float64Array.of(0),
  };
}

const textOf = ({ entry }: GetAnswer): string | undefined => entry && Buffer.from(entry.value).toString();

describe('a fill lease', () => {
  it('is given to one caller of a missing key, and fills it once', async () => {
    const rig = await Rig.open();
    const token = await tokenOf(rig.until(ask(rig, 'k')));
    expect(token).toMatch(/^[0-9a-f]{32}$/);
    expect((await rig.until(ask(rig, 'k'))).fill).toEqual({ kind: 'wait', waitMs: 1_000 });
    await rig.clock.advance(400);
    expect((await rig.until(ask(rig, 'k'))).fill).toEqual({ kind: 'wait', waitMs: 600 });
    const other = await tokenOf(rig.until(ask(rig, 'other')));
    expect(await rig.until(rig.master.set(fillOf('k', 'wrong', other)))).toMatchObject({ applied: false });
    expect(await rig.until(rig.master.set(fillOf('k', 'v', token)))).toMatchObject({ applied: true });
    const again = await rig.until(rig.master.set(fillOf('k', 'again', token)));
    expect([again.applied, Buffer.from(again.current?.value ?? []).toString()]).toEqual([false, 'v']);
    const answer = await rig.until(ask(rig, 'k'));
    expect([textOf(answer), answer.fill, answer.asOf]).toEqual(['v', undefined, rig.engine.position]);
  });

  it('ends when its time is over, and its filler is refused', async () => {
    const rig = await Rig.open();
    const token = await tokenOf(rig.until(ask(rig, 'k')));
    await rig.clock.advance(1_000);
    expect(await rig.until(rig.master.set(fillOf('k', 'late', token)))).toMatchObject({ applied: false });
    expect(await tokenOf(rig.until(ask(rig, 'k')))).not.toBe(token);
    expect(rig.master.fillStatus).toMatchObject({ leases: 1, granted: 2, expired: 1 });
  });

  it('is over at its time, also where its timer is late', async () => {
    const rig = await Rig.open();
    let nowMs = 0;
    const late = { ...rig.clock, monotonicMs: () => nowMs, after: () => ({ cancel: () => undefined }) };
    const leases = new FillLeases(late as never, new SeededRandom(1), rig.engine.store.createKey());
    const token = leases.grant('k', 10);
    nowMs = 9.5;
    expect([leases.isValid('k', token), leases.leftMs('k')]).toEqual([true, 1]);
    nowMs = 10;
    expect([leases.isValid('k', token), leases.leftMs('k')]).toEqual([false, undefined]);
  });

  const read = () => ({ entry: undefined, asOf: { epoch: 0, lsn: 0 }, stalenessMs: 0 }) as GetAnswer;
  const operations = [{ kind: 'delete', command: deleteOf('k') }] as const;
  const ENDING: readonly [string, (rig: Rig) => unknown][] = [
    ['a Set', (rig) => rig.master.set(setOf('k', 'x'))],
    [
      'a Set that has expired',
      (rig) => rig.master.set(setOf('k', 'x', { expiry: { kind: 'at', expireAtMs: 1 } })),
    ],
    ['a Set with a content type', (rig) => rig.master.set(setOf('k', 'x', { contentType: 'a/b' }))],
    ['a Delete that finds nothing', (rig) => rig.master.delete(deleteOf('k'))],
    ['an Increment', (rig) => rig.master.increment(incrementOf('k'))],
    [
      'an Increment that has expired',
      (rig) => rig.master.increment(incrementOf('k', { expiry: { kind: 'at', expireAtMs: 1 } })),
    ],
    ['a Batch', (rig) => rig.master.batch(operations, read)],
    [
      'a restore',
      (rig) => rig.master.batch([{ kind: 'set', command: setOf('k', 'x') }], read, undefined, 'restored'),
    ],
    [
      'an atomic Batch',
      (rig) =>
        rig.master.atomicBatch({ operations, answerBytesMax: 1, minAcks: 0, timeoutMs: 0 }, () => undefined),
    ],
    [
      'a DeletePrefix',
      (rig) =>
        rig.master.deletePrefix({ prefix: 'k', cursor: '', limit: 0, minAcks: 0, timeoutMs: 0 }, () => true),
    ],
    ['a Set by bytes', (rig) => rig.master.sets(byteBatch(PLAIN_KIND.set))],
    ['a Delete by bytes', (rig) => rig.master.mixed(byteBatch(PLAIN_KIND.delete), () => undefined)],
  ];
  it.each(ENDING)('is ended by %s', async (_name, write) => {
    const rig = await Rig.open();
    await rig.until(rig.engine.formats.take());
    const token = await tokenOf(rig.until(ask(rig, 'k')));
    const other = await tokenOf(rig.until(ask(rig, 'other')));
    await rig.until(Promise.resolve(write(rig)));
    expect(await rig.until(rig.master.set(fillOf('k', 'stale', token)))).toMatchObject({ applied: false });
    expect(await rig.until(rig.master.set(fillOf('other', 'v', other)))).toMatchObject({ applied: true });
  });

  it('is not ended by Touch, expiry, eviction and what is refused', async () => {
    const limits = { entriesMax: 2, bytesMax: 0, policy: 'lru' } as const;
    const rig = await Rig.open({ limits } as Partial<RigOptions>);
    await rig.until(rig.engine.formats.take());
    await rig.set('k', 'old', { expiry: ttl(500) });
    const token = await tokenOf(rig.until(ask(rig, 'k', 0, { leaseMs: 9_000, refreshBeforeMs: 1_000 })));
    await rig.until(rig.master.touch(touchOf('k', ttl(400))));
    const absent = { kind: 'absent' } as const;
    expect(await rig.set('k', 'x', { condition: absent })).toMatchObject({ applied: false });
    const version = { kind: 'version', version: { epoch: 1, lsn: 1 } } as const;
    expect(await rig.delete('k', { condition: version as never })).toMatchObject({ applied: false });
    await rig.clock.advance(400);
    rig.master.tick();
    await rig.settle();
    // The key is missing now.
    expect(await rig.delete('k', { condition: version as never })).toMatchObject({ applied: false });
    const present = { kind: 'present' } as const;
    expect(await rig.set('k', 'x', { condition: present })).toMatchObject({ applied: false });
    expect(await rig.increment('k', { condition: present })).toMatchObject({ applied: false });
    await rig.set('a', '');
    await rig.set('b', '');
    await rig.set('c', '');
    expect(await rig.until(rig.master.set(fillOf('k', 'v', token)))).toMatchObject({ applied: true });
  });

  it('refreshes an entry that is due: one gets the lease, everyone the value', async () => {
    const rig = await Rig.open();
    await rig.set('k', 'old', { expiry: ttl(5_000) });
    const wish = { refreshBeforeMs: 2_000 };
    expect((await rig.until(ask(rig, 'k', 0, wish))).fill).toBeUndefined();
    await rig.clock.advance(3_000);
    const first = await rig.until(ask(rig, 'k', 0, wish));
    const second = await rig.until(ask(rig, 'k', 5_000, wish));
    expect([textOf(first), first.fill?.kind, textOf(second), second.fill]).toEqual([
      'old',
      'lease',
      'old',
      undefined,
    ]);
    const token = await tokenOf(Promise.resolve(first));
    expect(await rig.until(rig.master.set(fillOf('k', 'new', token)))).toMatchObject({ applied: true });
    expect((await rig.until(ask(rig, 'k', 0, wish))).fill).toBeUndefined();
  });

  it('works once within an atomic batch, and is not ended by one that is not committed', async () => {
    const rig = await Rig.open();
    const token = await tokenOf(rig.until(ask(rig, 'k')));
    const atomic = (...commands: SetCommand[]) =>
      rig.until(
        rig.master.atomicBatch(
          {
            operations: commands.map((command) => ({ kind: 'set', command })),
            answerBytesMax: 99,
            minAcks: 0,
            timeoutMs: 0,
          },
          () => undefined,
        ),
      );
    const fill = fillOf('k', 'v', token);
    expect((await atomic(fill, setOf('n', '', { condition: { kind: 'present' } }))).isCommitted).toBe(false);
    expect((await atomic(fill, fill)).isCommitted).toBe(false);
    expect((await atomic(fill)).isCommitted).toBe(true);
    expect((await atomic(fill)).isCommitted).toBe(false);
  });

  it('is judged by what is accepted, and answered when that is visible', async () => {
    const rig = await Rig.open({ fsync: 'always' });
    await rig.set('k', 'stored');
    rig.fileSystem.holdSyncs();
    const deleting = watch(rig.master.delete(deleteOf('k')));
    const filler = watch(ask(rig, 'k'));
    const setting = watch(rig.master.set(setOf('new', 'v')));
    const reader = watch(ask(rig, 'new', 9_000));
    await rig.settle();
    expect([filler.value, reader.value]).toEqual([undefined, undefined]);
    rig.fileSystem.releaseSyncs();
    await rig.until(
      Promise.all([deleting, filler, setting, reader].map(({ promise }) => promise as Promise<unknown>)),
    );
    expect([filler.value?.entry, filler.value?.fill?.kind]).toEqual([undefined, 'lease']);
    expect(filler.value?.asOf).toEqual(deleting.value?.position);
    expect([textOf(reader.value as GetAnswer), reader.value?.fill]).toEqual(['v', undefined]);
  });

  it('is given within a batch, in the order of its operations', async () => {
    const rig = await Rig.open();
    const get = { kind: 'get', command: { key: 'k', waitMs: 0, fill: WISH } } as const;
    const read = () => ({ entry: undefined, asOf: rig.engine.position, stalenessMs: 0 });
    const set = { kind: 'set', command: setOf('k', 'v') } as const;
    const results = await rig.until(rig.master.batch([get, get, set, get], read));
    const shown = results.map((one) =>
      one.kind === 'get' ? (one.answer.fill?.kind ?? textOf(one.answer)) : one.kind,
    );
    expect(shown).toEqual(['lease', 'wait', 'set', 'v']);
    expect(rig.master.fillStatus).toMatchObject({ leases: 0, written: 1 });
  });
});

describe('callers that wait', () => {
  it('all get the value when the key is filled', async () => {
    const rig = await Rig.open();
    const timers = rig.clock.pendingTimers;
    const token = await tokenOf(rig.until(ask(rig, 'k')));
    const waiting = Array.from({ length: 50 }, () => watch(ask(rig, 'k', 60_000)));
    await rig.settle();
    expect(rig.master.fillStatus.waiters).toBe(50);
    await rig.until(rig.master.set(fillOf('k', 'v', token)));
    await rig.settle();
    expect(waiting.map(({ value }) => value && textOf(value))).toEqual(waiting.map(() => 'v'));
    expect(rig.master.fillStatus).toMatchObject({ leases: 0, waiters: 0, granted: 1 });
    expect(rig.clock.pendingTimers).toBe(timers);
  });

  it.each(['time', 'a delete'])('pass the lease to the first of them when it ends by %s', async (how) => {
    const rig = await Rig.open();
    await tokenOf(rig.until(ask(rig, 'k')));
    const waiting = Array.from({ length: 4 }, () => watch(ask(rig, 'k', 60_000)));
    for (let round = 0; round < 4; round++) {
      if (how === 'time') await rig.clock.advance(1_000);
      else await rig.delete('k');
      await rig.settle();
      const kinds = waiting.map(({ value }) => value?.fill?.kind);
      expect(kinds).toEqual(waiting.map((_, i) => (i <= round ? 'lease' : undefined)));
    }
  });

  it('go on a few in each turn of the event loop, in their order', async () => {
    const rig = await Rig.open();
    const turns: number[] = [];
    const order: number[] = [];
    const clock = {
      monotonicMs: () => rig.clock.monotonicMs(),
      after: (ms: number, callback: () => void) => rig.clock.after(ms, callback),
      yield: () => {
        turns.push(order.length);
        return rig.clock.yield();
      },
    };
    const leases = new FillLeases(clock as never, new SeededRandom(1), rig.engine.store.createKey());
    leases.grant('k', 60_000);
    const count = 2 * WAKES_PER_TURN + 1;
    for (let i = 0; i < count; i++) void leases.wait('k', 60_000, undefined).then(() => order.push(i));
    leases.endKey('k');
    await rig.settle();
    expect(order).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(turns).toHaveLength(2);
    expect(leases.status).toMatchObject({ leases: 0, waiters: 0 });
  });

  it('wait no longer than they said', async () => {
    const rig = await Rig.open();
    await tokenOf(rig.until(ask(rig, 'k', 0, { leaseMs: 10_000 })));
    const [short, long] = [watch(ask(rig, 'k', 300)), watch(ask(rig, 'k', 20_000, { leaseMs: 7 }))];
    await rig.clock.advance(299);
    expect(short.value).toBeUndefined();
    await rig.clock.advance(1);
    expect(short.value).toMatchObject({ entry: undefined, fill: { kind: 'wait', waitMs: 9_700 } });
    await rig.clock.advance(9_700);
    expect(long.value?.fill).toMatchObject({ kind: 'lease', expiresInMs: 7 });
  });

  it('may leave, and leave nothing behind', async () => {
    const rig = await Rig.open();
    await tokenOf(rig.until(ask(rig, 'k')));
    const leaving = new AbortController();
    const gone = watch(ask(rig, 'k', 60_000, {}, leaving.signal));
    const next = watch(ask(rig, 'k', 60_000));
    await rig.settle();
    leaving.abort();
    await rig.settle();
    expect(gone.error).toMatchObject({ code: 'cancelled' });
    expect(rig.master.fillStatus.waiters).toBe(1);
    await rig.clock.advance(1_000);
    expect(next.value?.fill?.kind).toBe('lease');
  });

  it('are told when the leases are gone', async () => {
    const rig = await Rig.open();
    const timers = rig.clock.pendingTimers;
    const token = await tokenOf(rig.until(ask(rig, 'k')));
    const waiting = watch(ask(rig, 'k', 60_000));
    await rig.settle();
    rig.master.endFills('other:1');
    await rig.settle();
    expect(waiting.error).toMatchObject({ code: 'unavailable', details: { leaderHint: 'other:1' } });
    expect(await rig.until(rig.master.set(fillOf('k', 'v', token)))).toMatchObject({ applied: false });
    expect(rig.clock.pendingTimers).toBe(timers);
  });
});

describe('bounds', () => {
  async function small(bounds: { bytesMax?: number; waitersMax?: number }): Promise<[Rig, FillLeases]> {
    const rig = await Rig.open();
    return [rig, new FillLeases(rig.clock, new SeededRandom(1), rig.engine.store.createKey(), bounds)];
  }

  it('the oldest lease makes room, and its waiters do not take the room back', async () => {
    const [rig, leases] = await small({ bytesMax: 3 * 514 });
    const tokens = ['a', 'b', 'c'].map((key) => leases.grant(key, 1_000));
    const waiting = watch(leases.wait('a', 500, undefined));
    leases.grant('d', 1_000);
    await rig.settle();
    expect(waiting.value).toBe('dropped');
    expect(['a', 'b', 'c'].map((key, i) => leases.isValid(key, tokens[i] as string))).toEqual([
      false,
      true,
      true,
    ]);
    expect(leases.status).toMatchObject({ leases: 3, dropped: 1, waiters: 0 });
  });

  it('a lease that is the only one is kept, however long its key', async () => {
    const [, leases] = await small({ bytesMax: 10 });
    const token = leases.grant('k'.repeat(1_024), 1_000);
    expect(leases.isValid('k'.repeat(1_024), token)).toBe(true);
  });

  it('further callers do not wait', async () => {
    const [rig, leases] = await small({ waitersMax: 2 });
    leases.grant('a', 1_000);
    leases.grant('b', 1_000);
    const waits = ['a', 'b', 'a', 'b'].map((key) => watch(leases.wait(key, 500, undefined)));
    await rig.settle();
    expect(waits.map(({ value }) => value)).toEqual([undefined, undefined, 'full', 'full']);
    await rig.clock.advance(500);
    expect(leases.status.waiters).toBe(0);
  });

  it('keeps some thousands of leases by default', () => {
    expect(FILL_LEASE_BYTES_MAX / 600).toBeGreaterThan(10_000);
  });
});
