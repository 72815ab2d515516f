import { expect, it } from 'vitest';
import { threeNodes } from '#test/node/three-nodes.ts';

it('a master on an emptied directory says so soon where its replicas did not answer when it first asked them', async () => {
  const { group, master, one, two } = await threeNodes();
  await group.stop(master);
  for (const { address } of [one, two]) group.network.cut('master:1', address);
  const fresh = await group.master();
  await group.untilTrue(
    () => fresh.node.status().replicas.filter(({ state }) => state === 'quarantined').length === 2,
    'quarantined',
  );
  await group.clock.advance(5_000);
  expect(fresh.node.status().reasons.join()).not.toMatch(/another history/);
  group.network.heal();
  await group.clock.advance(9_000);
  expect(fresh.node.status().reasons.join()).toMatch(
    /another history, of log \w+, is on one:1, two:1 and not here/,
  );
});
