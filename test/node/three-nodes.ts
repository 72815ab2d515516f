/** A master and two replicas, level, with something written. */
import { TestGroup } from '#test/doubles/test-group.ts';

export async function threeNodes(seed = 1) {
  const group = new TestGroup(seed);
  const master = await group.master();
  const one = await group.replica('one');
  const two = await group.replica('two');
  for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, 'before');
  await group.untilLevel([master, one, two]);
  return { group, master, one, two };
}

/** Neither reaches the other. */
export function separate(group: TestGroup, a: string, b: string): void {
  group.network.cut(`${a}:1`, `${b}:1`);
  group.network.cut(`${b}:1`, `${a}:1`);
}
