/**
 * Named writes in a group: known to whatever master there is, and carried out once
 * under faults and failovers. `WALNUT_SEEDS=500` runs more groups, `WALNUT_SEED=17`
 * runs one.
 */
import { describe, expect, it } from 'vitest';
import type { IncrementCommand, SetCommand } from '#model/commands.ts';
import { setCommand, type TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { clientId, incrementOf, requestId } from '#test/engine/rig.ts';
import { SimulatedGroup } from '#test/node/simulated-group.ts';
import { Repeaters } from '#test/node/simulated-repeaters.ts';
import { threeNodes } from '#test/node/three-nodes.ts';

const SEEDS_DEFAULT = 12;
const SEED_MS_MAX = 10_000;

const one = process.env['WALNUT_SEED'];
const count = Number(process.env['WALNUT_SEEDS'] ?? SEEDS_DEFAULT);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)];

const increment = (group: TestGroup, { node }: TestNode, changes: Partial<IncrementCommand>) =>
  group.until((async () => node.increment(incrementOf('n', changes)))());
const set = (group: TestGroup, { node }: TestNode, changes: Partial<SetCommand>) =>
  group.until((async () => node.set(setCommand('k', 'v', changes)))());

describe('a named write', () => {
  it('is known to the next master, and to one that was delayed or came late', async () => {
    const { group, master, one: next, two } = await threeNodes();
    const first = await increment(group, master, clientId(7, 1));
    const unmet = { ...requestId('r'), condition: { kind: 'present' } } as const;
    expect(await set(group, master, unmet)).toMatchObject({ applied: false });
    await group.until(master.node.checkpoint());
    const late = await group.replica('late');
    await group.untilLevel([master, next, two, late]);
    expect(new Set([master, next, two, late].map(({ node }) => node.digest().digest)).size).toBe(1);
    for (const [from, to] of [
      [master, next],
      [next, late],
    ] as const) {
      await group.until(from.node.failover(to.address, 0));
      expect(await increment(group, to, clientId(7, 1))).toMatchObject({
        value: 1n,
        position: first.position,
        isRepeat: true,
      });
      expect(await set(group, to, unmet)).toMatchObject({ applied: false, isRepeat: true });
      await group.untilTrue(() => to.node.status().replicas.length === 3, 'the others follow');
    }
    expect(await group.get(late, 'n')).toBe('1');
    expect(await group.get(late, 'k')).toBeUndefined();
  });

  it('is refused by a replica before its name is looked at', async () => {
    const { group, one: replica } = await threeNodes();
    const refused = { code: 'not_master', details: { nothingDone: true } };
    await expect(increment(group, replica, clientId(7, 1))).rejects.toMatchObject(refused);
  });
});

describe('clients that send every write again until it is answered', () => {
  it(
    `have it carried out once under faults and failovers (${seeds.length} groups)`,
    async () => {
      const totals = { answered: 0, repeated: 0, again: 0, aborted: 0, unavailable: 0 };
      for (const seed of seeds) {
        const group = new SimulatedGroup(seed, (random, clock) => new Repeaters(random, clock));
        const repeaters = group.sessions as Repeaters;
        await group.run().catch((error: unknown) => {
          const why = `${(error as Error).message}\n${group.trace.join('\n')}`;
          throw new Error(`seed ${seed}, again with WALNUT_SEED=${seed}: ${why}`, { cause: error });
        });
        expect(repeaters.violations.map((violation) => `seed ${seed}: ${violation}`)).toEqual([]);
        for (const what of ['answered', 'repeated', 'again', 'aborted', 'unavailable'] as const)
          totals[what] += repeaters.counts[what];
      }
      console.log(`named writes: ${JSON.stringify(totals)}`);
      if (seeds.length < SEEDS_DEFAULT) return;
      expect(totals.answered).toBeGreaterThan(300);
      expect(totals.repeated).toBeGreaterThan(100);
      expect(totals.aborted).toBeGreaterThan(0);
      expect(totals.unavailable).toBeGreaterThan(10);
    },
    seeds.length * SEED_MS_MAX,
  );
});
