/** Increment: what it adds to, what it refuses, and that its sums are never lost. */
import { describe, expect, it } from 'vitest';
import { COUNTER_MAX, COUNTER_MIN, tryCounter } from '#model/counter.ts';
import { incrementOf, Rig, requestId, setOf, ttl, watch } from '#test/engine/rig.ts';

describe('a value that is a number', () => {
  it.each([
    ['0', 0n],
    ['7', 7n],
    ['-7', -7n],
    ['1234567890', 1_234_567_890n],
    ['999999999999999', 999_999_999_999_999n],
    ['-99999999999999', -99_999_999_999_999n],
    ['-999999999999999', -999_999_999_999_999n],
    ['1000000000000000', 1_000_000_000_000_000n],
    ['-01', undefined],
    ['0123456789012345', undefined],
    ['12:4', undefined],
    ['12/4', undefined],
    ['123456789012345x', undefined],
    ['9223372036854775807', COUNTER_MAX],
    ['-9223372036854775808', COUNTER_MIN],
    ['9223372036854775808', undefined],
    ['-9223372036854775809', undefined],
    ['99999999999999999999', undefined],
    ['', undefined],
    ['-', undefined],
    ['-0', undefined],
    ['00', undefined],
    ['01', undefined],
    ['+1', undefined],
    [' 1', undefined],
    ['1 ', undefined],
    ['1\n', undefined],
    ['1.0', undefined],
    ['1e3', undefined],
    ['0x1', undefined],
    ['１', undefined],
    ['one', undefined],
  ])('%j is %s', (text, number) => {
    expect(tryCounter(Buffer.from(text))).toBe(number);
  });
});

describe('an increment', () => {
  it('counts a missing key as the initial value and adds to it', async () => {
    const rig = await Rig.open();
    expect(await rig.increment('n')).toMatchObject({ applied: true, value: 1n, expireAtMs: 0 });
    expect(await rig.increment('m', { initial: 10n, delta: -3n })).toMatchObject({ value: 7n });
    expect(await rig.increment('m', { initial: 10n })).toMatchObject({ value: 8n });
    expect([rig.get('n'), rig.get('m')]).toEqual(['1', '8']);
  });

  it('adds to what Set wrote, and Get reads the sum in one form', async () => {
    const rig = await Rig.open();
    await rig.set('n', '-1');
    expect(await rig.increment('n', { delta: 1n })).toMatchObject({ value: 0n });
    expect(rig.get('n')).toBe('0');
  });

  it('keeps the deadline of an entry and gives a new one its own', async () => {
    const rig = await Rig.open({ defaultTtlMs: 700 });
    const nowMs = rig.engine.logClock.nowMs();
    expect(await rig.increment('n', { expiry: ttl(5_000) })).toMatchObject({ expireAtMs: nowMs + 5_000 });
    await rig.clock.advance(10);
    expect(await rig.increment('n', { expiry: ttl(1) })).toMatchObject({ expireAtMs: nowMs + 5_000 });
    expect(await rig.increment('m')).toMatchObject({ expireAtMs: nowMs + 710 });
    // An expired one counts as missing, although nobody has deleted it yet.
    await rig.clock.advance(5_000);
    expect(await rig.increment('n', { initial: 40n, expiry: ttl(9) })).toMatchObject({
      value: 41n,
      expireAtMs: nowMs + 5_019,
    });
  });

  it('stores nothing with a deadline that has passed', async () => {
    const rig = await Rig.open();
    const expiry = { kind: 'at', expireAtMs: 1 } as const;
    expect(await rig.increment('n', { expiry })).toMatchObject({ applied: true, value: 1n, expireAtMs: 1 });
    expect(rig.engine.store.entries).toBe(0);
  });

  it('refuses a value that is no number, showing its beginning, and writes nothing', async () => {
    const rig = await Rig.open();
    await rig.set('n', `a\u0000"${'x'.repeat(200)}`);
    const before = rig.engine.nextLsn;
    await expect(rig.increment('n')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(
        String.raw`key "n" has a value that is no number: "a\u0000\"${'x'.repeat(61)}…". Expected`,
      ),
    });
    expect(rig.engine.nextLsn).toBe(before);
  });

  it.each([
    [COUNTER_MAX, 1n],
    [COUNTER_MAX - 1n, 2n],
    [COUNTER_MIN, -1n],
    [COUNTER_MIN, COUNTER_MIN],
  ])('refuses to add to %s what exceeds 64 bits, %s', async (number, delta) => {
    const rig = await Rig.open();
    await rig.set('n', `${number}`);
    const before = rig.engine.nextLsn;
    await expect(rig.increment('n', { delta })).rejects.toMatchObject({ code: 'out_of_range' });
    await expect(rig.increment('new', { initial: number, delta })).rejects.toMatchObject({
      code: 'out_of_range',
    });
    expect([rig.engine.nextLsn, rig.get('n'), rig.get('new')]).toEqual([before, `${number}`, undefined]);
  });

  it('is judged by its condition in the newest accepted state', async () => {
    const rig = await Rig.open();
    const { position } = await rig.set('n', '5');
    expect(await rig.increment('n', { condition: { kind: 'absent' } })).toMatchObject({
      applied: false,
      value: 0n,
      current: { key: 'n', version: position },
    });
    expect(await rig.increment('m', { condition: { kind: 'present' } })).toMatchObject({
      applied: false,
      current: undefined,
    });
    expect(await rig.increment('n', { condition: { kind: 'version', version: position } })).toMatchObject({
      applied: true,
      value: 6n,
    });
  });

  it('adds to sums that are still on their way to the disk', async () => {
    const rig = await Rig.open();
    const all = Array.from({ length: 200 }, () => rig.master.increment(incrementOf('n')));
    const answers = await rig.until(Promise.all(all));
    expect(answers.map(({ value }) => value)).toEqual(Array.from({ length: 200 }, (_, i) => BigInt(i + 1)));
    expect(new Set(answers.map(({ position }) => position.lsn)).size).toBe(200);
    expect(rig.get('n')).toBe('200');
  });

  it('is logged as the set of its sum, so that a replay adds nothing', async () => {
    const rig = await Rig.open();
    await rig.increment('n', { delta: 4n });
    await rig.increment('n', { delta: 4n });
    const sets = (await rig.records()).flatMap(({ mutations }) => mutations);
    expect(sets.map((one) => one.op === 'set' && Buffer.from(one.value).toString())).toEqual(['4', '8']);
    const again = await Rig.open({ fileSystem: await rig.close() });
    expect(again.get('n')).toBe('8');
  });

  it('with a request id adds once, and its repeats have the sum of the first', async () => {
    const rig = await Rig.open();
    const first = await rig.increment('n', { delta: 5n, ...requestId('r'), expiry: ttl(9_000) });
    await rig.increment('n');
    expect(await rig.increment('n', { delta: 5n, ...requestId('r'), expiry: ttl(9_000) })).toEqual({
      ...first,
      isRepeat: true,
    });
    expect(rig.get('n')).toBe('6');
    await expect(rig.increment('n', { delta: 6n, ...requestId('r') })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
  });

  it('in a batch sees earlier operations, and each has its own sum or error', async () => {
    const rig = await Rig.open();
    const noReads = (): never => expect.unreachable('no gets here');
    const results = await rig.until(
      rig.master.batch(
        [
          { kind: 'increment', command: incrementOf('n') },
          { kind: 'increment', command: incrementOf('n', { delta: 10n }) },
          { kind: 'set', command: setOf('n', 'text') },
          { kind: 'increment', command: incrementOf('n') },
          { kind: 'set', command: setOf('n', '30') },
          { kind: 'increment', command: incrementOf('n') },
        ],
        noReads,
      ),
    );
    expect(results).toMatchObject([
      { kind: 'increment', answer: { value: 1n } },
      { kind: 'increment', answer: { value: 11n } },
      { kind: 'set' },
      { kind: 'error', error: { code: 'failed_precondition' } },
      { kind: 'set' },
      { kind: 'increment', answer: { value: 31n } },
    ]);
    expect(rig.get('n')).toBe('31');
  });

  it('is undone with the record that the disk refused', async () => {
    const rig = await Rig.open();
    await rig.increment('n');
    rig.fileSystem.bytesMax = rig.fileSystem.usedBytes + 20;
    const refused = watch(rig.master.increment(incrementOf('n')));
    await rig.settle();
    expect(refused.error).toMatchObject({ code: 'resource_exhausted' });
    rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await rig.clock.advance(2_000);
    expect(await rig.increment('n')).toMatchObject({ value: 2n });
  });
});
