/** An operation that is refused says that nothing of it was done, by whichever way it came. */
import { describe, expect, it } from 'vitest';
import { type MixedAnswer, PLAIN_KIND, type SetsAnswer } from '#model/bulk.ts';
import type { BatchResult, WriteOperation } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { Soon } from '#model/later.ts';
import { settled } from '#test/doubles/settled.ts';
import { incrementOf, Rig, requestId, setOf } from '#test/engine/rig.ts';
import { plainSetsOf } from '#test/master/plain-sets-of.ts';

const noGet = (): never => {
  throw new Error('there are no gets');
};
const writes: readonly WriteOperation[] = [
  { kind: 'set', command: setOf('new', '1') },
  { kind: 'increment', command: incrementOf('word') },
  { kind: 'increment', command: incrementOf('most') },
  { kind: 'set', command: setOf('word', 'w') },
];
const plain = plainSetsOf(['new', 'word'].map((key) => ({ key, value: '1', expiry: { kind: 'default' } })));
const errorsOf = (results: readonly BatchResult[]): WalnutError[] =>
  results.flatMap((result) => (result.kind === 'error' ? [result.error] : []));

const WAYS: readonly [string, number, (rig: Rig) => Promise<readonly WalnutError[]>][] = [
  ['of a batch', 3, async (rig) => errorsOf(await rig.until(rig.master.batch(writes, noGet)))],
  [
    'of a batch with a name',
    3,
    async (rig) =>
      errorsOf(await rig.until(rig.master.namedBatch(writes, { ...requestId('r').id, checksum: 1 }))),
  ],
  [
    'of plain Sets',
    1,
    async (rig) => {
      const answer = rig.master.sets(plain) as Soon<SetsAnswer>;
      return [...(await rig.until(settled(answer))).refused.values()];
    },
  ],
  [
    'of plain Sets, Deletes and Gets',
    1,
    async (rig) => {
      const kinds = new Uint8Array([PLAIN_KIND.set, PLAIN_KIND.delete]);
      const { others } = await rig.until(
        rig.master.mixed({ ...plain, kinds }, noGet) as Promise<MixedAnswer>,
      );
      return [...others.values()].filter((other) => other instanceof WalnutError);
    },
  ],
];

describe('an operation that is refused', () => {
  it.each(WAYS)('says that nothing of it was done, as one %s', async (_, count, run) => {
    const rig = await Rig.open({ limits: { entriesMax: 2, bytesMax: 0, policy: 'none' } });
    await rig.set('word', 'not a number');
    await rig.set('most', String(2n ** 63n - 1n));
    const errors = await run(rig);
    const codes = ['resource_exhausted', 'failed_precondition', 'out_of_range'];
    expect(errors.map(({ code, details }) => [code, details.nothingDone])).toEqual(
      codes.slice(0, count).map((code) => [code, true]),
    );
    await rig.close();
  });
});
