/** A directory that was copied while its master was stopped, and is put back later: two histories from one record on. */
import { describe, expect, it } from 'vitest';
import type { Position } from '#model/position.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

/** The copy has `a`; the original went on and wrote `lost` before it was replaced by the copy. */
async function putBack(seed: number) {
  const group = new TestGroup(seed);
  const first = await group.master();
  await group.set(first, 'a', '1');
  const disk = await group.stop(first);
  // Everything is durable after a stop, so what a crash leaves is a whole copy.
  const [kept, copy] = [disk.crash(), disk.crash()];
  const original = await group.master({ fileSystem: kept });
  const lost = await group.set(original, 'lost', 'x');
  await group.stop(original);
  const master = await group.master({ fileSystem: copy });
  return { group, master, lost: lost.position };
}

describe('a copied directory that is put back', () => {
  it('gives none of its positions to two records, and knows what it lacks', async () => {
    const { group, master, lost } = await putBack(1);
    const read = (atLeast: Position) =>
      group.until(Promise.resolve().then(() => master.node.get({ key: 'a', waitMs: 0, atLeast })));
    await expect(read(lost)).rejects.toMatchObject({ code: 'discarded_history' });
    for (let i = 0; i < 5; i++) {
      const { position } = await group.set(master, 'other', `${i}`);
      expect(position).not.toEqual(lost);
    }
    await expect(read(lost)).rejects.toMatchObject({ code: 'discarded_history' });
  });

  it('never takes a version of the lost history for one of its own', async () => {
    const { group, master, lost } = await putBack(2);
    while (master.node.status().position.lsn < lost.lsn - 1) await group.set(master, 'filler', 'x');
    await group.set(master, 'other', 'y');
    const condition = { kind: 'version', version: lost } as const;
    const answer = await group.set(master, 'other', 'z', { condition });
    expect(answer.applied).toBe(false);
  });
});
