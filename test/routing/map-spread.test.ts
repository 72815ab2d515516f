/** What a change of the map costs, by the simulation whose figures docs/gateway.md has. */
import { expect, it } from 'vitest';
import { simulateSpread } from '#test/routing/map-spread.ts';

it('a change is one small message for each gateway, and a failover asks a coordinator a bounded number of times', async () => {
  const [groups, gateways] = [20, 30];
  const { start, quiet, change, failover, restart } = await simulateSpread(groups, gateways);
  // A request, and the whole map.
  expect(start.messages).toBe(2 * gateways);
  // A mark every five seconds.
  expect(quiet.messages).toBe(12 * gateways);
  expect(quiet.bytes).toBeLessThan(quiet.messages * 8);
  expect(change).toMatchObject({ messages: gateways, ms: 0 });
  expect(change.bytes / gateways).toBeLessThan(200);
  expect(start.bytes / gateways).toBeGreaterThan(20 * (change.bytes / gateways));
  // Two changes of the map, and questions while there is no leader: at most one in 100 ms each.
  expect(failover.messages).toBeGreaterThanOrEqual(2 * gateways);
  expect(failover.messages / gateways).toBeLessThan(2 + 2 * (failover.ms / 100));
  expect(failover.bytes / failover.messages).toBeLessThan(200);
  expect(restart.bytes / gateways).toBeLessThan(200);
});
