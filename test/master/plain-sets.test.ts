/** Plain sets from bytes come to what a batch of the same sets comes to, in twin masters. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Master } from '#master/master.ts';
import type { SetsAnswer } from '#model/bulk.ts';
import type { BatchResult, Expiry } from '#model/commands.ts';
import type { StoreLimits } from '#model/entry.ts';
import { entryCost } from '#storage/entry-cost.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { settled } from '#test/doubles/settled.ts';
import { drainVictims, Rig, type RigOptions, setOf, stateOf, watch } from '#test/engine/rig.ts';
import { type PlainSet, plainSetsOf } from '#test/master/plain-sets-of.ts';

/** For each of the limits. */
const RUNS = Number(process.env['WALNUT_FUZZ_SETS'] ?? 25);
const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', '__proto__', 'ключ', 'k'.repeat(300));
const expiryOf = (nowMs: number): fc.Arbitrary<Expiry> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Expiry>({ kind: 'default' }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('ttl' as const), ttlMs: fc.integer({ min: 1, max: 90 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Expiry>(
        { kind: 'ttl', ttlMs: Number.MAX_SAFE_INTEGER },
        { kind: 'at', expireAtMs: 0 },
        { kind: 'at', expireAtMs: nowMs + 40 },
      ),
    },
    { weight: 1, arbitrary: fc.constant<Expiry>({ kind: 'at', expireAtMs: 5 }) },
  );
const LIMITS: readonly StoreLimits[] = [
  { entriesMax: 0, bytesMax: 0, policy: 'lru' },
  { entriesMax: 3, bytesMax: 0, policy: 'lru' },
  { entriesMax: 3, bytesMax: 0, policy: 'none' },
  { entriesMax: 0, bytesMax: 700, policy: 'lru' },
  { entriesMax: 0, bytesMax: 700, policy: 'none' },
];

/** By the bytes, or as the caller does where they turn out to be no plain sets. */
function byBytes({ master }: Rig, sets: readonly PlainSet[], isAtomic = false): Promise<BatchResult[]> {
  const plain = { ...plainSetsOf(sets), isAtomic };
  const answer = master.sets(plain);
  // The request's bytes are another one's from here on.
  if (answer !== undefined) plain.bytes.fill(0xee);
  return answer === undefined
    ? byBatch({ master } as Rig, sets)
    : settled(answer).then((all) => resultsOf(all, sets.length));
}

function resultsOf({ answer, refused }: SetsAnswer, count: number): BatchResult[] {
  return Array.from({ length: count }, (_, i): BatchResult => {
    const error = refused.get(i);
    if (error !== undefined) return { kind: 'error', error };
    if (answer === undefined) throw new Error('a set that is not refused has an answer');
    return { kind: 'set', answer };
  });
}

function byBatch({ master }: Rig, sets: readonly PlainSet[]): Promise<BatchResult[]> {
  const operations = sets.map(({ key: text, value, expiry }) => ({
    kind: 'set' as const,
    command: setOf(text, value, { expiry }),
  }));
  return master.batch(operations, () => {
    throw new Error('there are no gets');
  });
}

async function twins(options: Partial<RigOptions>): Promise<[Rig, Rig]> {
  return [
    await Rig.open({ ...options, fileSystem: new MemoryFileSystem({ seed: 3 }) }),
    await Rig.open({ ...options, fileSystem: new MemoryFileSystem({ seed: 3 }) }),
  ];
}

const NOW_MS = 1_767_225_600_000;
const plainSet = fc.record({
  key,
  value: fc.integer({ min: 0, max: 400 }).map((length) => 'v'.repeat(length)),
  expiry: expiryOf(NOW_MS),
});
const round = fc.record({
  /** All are under way at once. */
  batches: fc.array(fc.array(plainSet, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
  passMs: fc.integer({ min: 0, max: 60 }),
  touched: key,
});

describe('plain sets', () => {
  it.each(LIMITS)('come to what a batch of them comes to, within %j', async (limits) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(round, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('always' as const, 'interval' as const),
        fc.constantFrom(0, 50),
        async (rounds, fsync, defaultTtlMs) => {
          const [one, other] = await twins({ limits, fsync, defaultTtlMs });
          for (const { batches, passMs, touched } of rounds) {
            const answers = batches.map((sets) => watch(byBytes(one, sets)));
            const expected = batches.map((sets) => watch(byBatch(other, sets)));
            await one.settle();
            await other.settle();
            for (const rig of [one, other]) {
              rig.get(touched);
              await rig.clock.advance(passMs);
              rig.master.tick();
              await rig.clock.advance(50);
            }
            expect(answers.map(({ value, error }) => ({ value, error }))).toEqual(
              expected.map(({ value, error }) => ({ value, error })),
            );
            expect(stateOf(one.engine)).toBe(stateOf(other.engine));
          }
          const [records, others] = [await one.records(), await other.records()];
          expect(records.map(({ frame }) => Buffer.from(frame.bytes).toString('hex'))).toEqual(
            others.map(({ frame }) => Buffer.from(frame.bytes).toString('hex')),
          );
          expect(drainVictims(one.engine)).toEqual(drainVictims(other.engine));
          await one.close();
          await other.close();
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('are told one by one of a full disk and of a deposed master, like those of a batch', async () => {
    const [one, other] = await twins({ fsync: 'always' });
    const sets: PlainSet[] = [
      { key: 'a', value: 'v', expiry: { kind: 'default' } },
      { key: 'b', value: 'v', expiry: { kind: 'ttl', ttlMs: Number.MAX_SAFE_INTEGER } },
    ];
    for (const { fileSystem } of [one, other]) fileSystem.bytesMax = fileSystem.usedBytes + 10;
    const results = await one.until(byBytes(one, sets));
    expect(results).toEqual(await other.until(byBatch(other, sets)));
    expect(results.map((result) => result.kind === 'error' && result.error.code)).toEqual([
      'resource_exhausted',
      'invalid_argument',
    ]);
    for (const { fileSystem } of [one, other]) fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    const deposed = [one, other].map((rig) => {
      const { engine, clock, acks } = rig;
      const whyUnknown = (): string => 'another one leads';
      return new Master({ engine, clock, random: new SeededRandom(1), acks, defaultTtlMs: 0, whyUnknown });
    }) as [Master, Master];
    const answers = await one.until(byBytes({ master: deposed[0] } as Rig, sets));
    expect(answers).toEqual(await other.until(byBatch({ master: deposed[1] } as Rig, sets)));
    expect(answers.map((result) => result.kind === 'error' && result.error.code)).toEqual([
      'unavailable',
      'invalid_argument',
    ]);
  });

  it('are judged by one time, as those of a batch', async () => {
    const [one, other] = await twins({ fsync: 'always' });
    for (const leadMs of [0, 1, 2, 3]) {
      const startMs = one.engine.logClock.nowMs() + 500;
      for (const { engine } of [one, other]) {
        // A clock that moves on whenever it is asked.
        let ticks = 0;
        Object.defineProperty(engine.logClock, 'nowMs', {
          value: () => startMs + ticks++,
          configurable: true,
        });
      }
      const sets: PlainSet[] = [
        { key: 'a', value: 'v', expiry: { kind: 'at', expireAtMs: startMs + leadMs } },
      ];
      const answers = [watch(byBytes(one, sets)), watch(byBatch(other, sets))];
      await one.settle();
      await other.settle();
      expect(answers[0]?.value).toEqual(answers[1]?.value);
      const [records, others] = [await one.records(), await other.records()];
      // Judged twice, as here where the bytes turn out to be no plain sets, one reads the clock once more.
      if (leadMs > 0) expect(records.at(-1)?.mutations).toEqual(others.at(-1)?.mutations);
    }
  });

  it('are refused whole where the disk is full, and what they evicted is back', async () => {
    const limits: StoreLimits = { entriesMax: 2, bytesMax: 0, policy: 'lru' };
    const [one, other] = await twins({ limits, fsync: 'always', retentionBytes: 0 });
    const sets = (...keys: string[]): PlainSet[] =>
      keys.map((text) => ({ key: text, value: 'v'.repeat(100), expiry: { kind: 'default' } }));
    await one.until(byBytes(one, sets('a', 'b')));
    await other.until(byBatch(other, sets('a', 'b')));
    for (const { fileSystem } of [one, other]) fileSystem.bytesMax = fileSystem.usedBytes;
    const refused = [watch(byBytes(one, sets('c', 'd', 'e'))), watch(byBatch(other, sets('c', 'd', 'e')))];
    await one.settle();
    await other.settle();
    expect(refused[0]?.error ?? refused[0]?.value).toBeDefined();
    for (const { fileSystem } of [one, other]) fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    expect([one.get('a'), one.get('b'), one.get('c')].map((value) => value?.length)).toEqual([
      100,
      100,
      undefined,
    ]);
    await one.until(byBytes(one, sets('f')));
    await other.until(byBatch(other, sets('f')));
    expect(stateOf(one.engine)).toBe(stateOf(other.engine));
    expect(drainVictims(one.engine)).toEqual(drainVictims(other.engine));
  });

  it('evict others in their own record where they are atomic and make an entry larger', async () => {
    const rig = await Rig.open({ limits: { entriesMax: 0, bytesMax: 3 * entryCost(1, 100), policy: 'lru' } });
    for (const one of ['a', 'b', 'c']) await rig.set(one, 'v'.repeat(100));
    const larger: PlainSet[] = [
      { key: 'c', value: 'w'.repeat(150), expiry: { kind: 'default' } },
      { key: 'b', value: 'w', expiry: { kind: 'default' } },
    ];
    await rig.until(byBytes(rig, larger, true));
    const { mutations } = (await rig.records()).at(-1) ?? {};
    expect(mutations?.map(({ op, key: of }) => `${op} ${of}`)).toEqual(['set c', 'set b']);
    await rig.until(byBytes(rig, [{ key: 'b', value: 'w'.repeat(100), expiry: { kind: 'default' } }], true));
    const last = (await rig.records()).at(-1);
    expect(last?.mutations.map(({ op, key: of }) => `${op} ${of}`)).toEqual(['delete a', 'set b']);
    await rig.close();
  });
});
