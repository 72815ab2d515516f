/** Single writes without promises come to what the same writes with them come to, in twin masters. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Master } from '#master/master.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { settled } from '#test/doubles/settled.ts';
import {
  deleteOf,
  incrementOf,
  Rig,
  requestId,
  setOf,
  stateOf,
  touchOf,
  ttl,
  watch,
} from '#test/engine/rig.ts';

/** `name`: its request id; writes that have the same one are one write, or refused. */
type Write = { readonly key: string; readonly name?: string | undefined } & (
  | { readonly kind: 'set'; readonly value: string; readonly isConditional?: boolean }
  | { readonly kind: 'delete' | 'touch'; readonly isFull: boolean }
  | { readonly kind: 'increment'; readonly isConditional: boolean }
);

const key = fc.constantFrom('a', 'b', 'c');
const name = fc.constantFrom(undefined, undefined, 'first', 'second');
const isConditional = fc.boolean();
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({
    ...{ kind: fc.constant('set' as const), key, name, isConditional },
    value: fc.constantFrom('1', '-4', 'x'),
  }),
  fc.record({ kind: fc.constantFrom('delete' as const, 'touch' as const), key, name, isFull: fc.boolean() }),
  fc.record({ kind: fc.constant('increment' as const), key, name, isConditional }),
);

/** What is thrown at once rejects. */
async function run(master: Master, one: Write, isSoon: boolean): Promise<unknown> {
  const named = one.name === undefined ? {} : requestId(one.name);
  if (one.kind === 'set' || one.kind === 'increment') {
    const options = { ...named, ...(one.isConditional ? { condition: { kind: 'absent' as const } } : {}) };
    if (one.kind === 'set') {
      const command = setOf(one.key, one.value, options);
      return isSoon ? settled(master.setSoon(command)) : master.set(command);
    }
    const command = incrementOf(one.key, options);
    return isSoon ? settled(master.incrementSoon(command)) : master.increment(command);
  }
  if (one.kind === 'touch') {
    const command = touchOf(one.key, ttl(40), { ...named, returnValue: one.isFull });
    return isSoon ? settled(master.touchSoon(command)) : master.touch(command);
  }
  const command = deleteOf(one.key, { ...named, returnPrevious: one.isFull });
  return isSoon ? settled(master.deleteSoon(command)) : master.delete(command);
}

async function twins(): Promise<[Rig, Rig]> {
  const open = async (): Promise<Rig> => {
    const rig = await Rig.open({ fileSystem: new MemoryFileSystem({ seed: 3 }) });
    await rig.until(rig.engine.formats.take());
    return rig;
  };
  return [await open(), await open()];
}

it('come to the same answers, refusals and records, however many are under way at once', async () => {
  const round = fc.record({ writes: fc.array(write, { minLength: 1, maxLength: 6 }), passMs: fc.nat(30) });
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 5 }), async (rounds) => {
      const [one, other] = await twins();
      for (const { writes, passMs } of rounds) {
        const answers = writes.map((each) => watch(run(one.master, each, true)));
        const expected = writes.map((each) => watch(run(other.master, each, false)));
        await one.settle();
        await other.settle();
        const outcome = ({ value, error }: (typeof answers)[number]) => ({ value, error });
        expect(answers.map(outcome)).toEqual(expected.map(outcome));
        expect(answers.every(({ value, error }) => value !== undefined || error !== undefined)).toBe(true);
        for (const { clock } of [one, other]) await clock.advance(passMs);
      }
      expect(stateOf(one.engine)).toBe(stateOf(other.engine));
      await one.close();
      await other.close();
    }),
    { numRuns: 60 },
  );
});

it('do not take the place of the write whose record they depend on', async () => {
  const [rig] = await twins();
  const first = watch(run(rig.master, { kind: 'increment', key: 'n', isConditional: false }, true));
  const second = watch(run(rig.master, { kind: 'increment', key: 'n', isConditional: true }, true));
  await rig.settle();
  expect([first.value, second.value]).toMatchObject([{ applied: true, value: 1n }, { applied: false }]);
});

it('reject for a full disk, also where they depend on the write of another, and for a deposed master', async () => {
  const [one, other] = await twins();
  const writes: Write[] = [
    { kind: 'set', key: 'a', value: '1' },
    { kind: 'increment', key: 'a', isConditional: true },
    { kind: 'increment', key: 'b', isConditional: false },
    { kind: 'delete', key: 'none', isFull: false },
  ];
  for (const { fileSystem } of [one, other]) fileSystem.bytesMax = fileSystem.usedBytes + 10;
  const outcomes = async (rig: Rig, isSoon: boolean): Promise<unknown> =>
    rig.until(Promise.allSettled(writes.map((each) => run(rig.master, each, isSoon))));
  const answers = await outcomes(one, true);
  expect(answers).toEqual(await outcomes(other, false));
  expect(answers).toMatchObject([
    ...Array(3).fill({ status: 'rejected', reason: { code: 'resource_exhausted' } }),
    { status: 'fulfilled', value: { applied: false } },
  ]);
  for (const { fileSystem } of [one, other]) fileSystem.bytesMax = Number.POSITIVE_INFINITY;
  const { engine, clock, acks } = one;
  const whyUnknown = (): string => 'another one leads';
  const deposed = new Master({
    ...{ engine, clock, acks, whyUnknown, defaultTtlMs: 0 },
    random: new SeededRandom(1),
  });
  await expect(one.until(run(deposed, writes[2] as Write, true))).rejects.toMatchObject({
    code: 'unavailable',
  });
});
