import { expect, it } from 'vitest';
import { TestGroup } from '#test/doubles/test-group.ts';

it.each([true, false])(
  'a master spares what the clients of a replica read (they do read: %s)',
  async (doRead) => {
    const group = new TestGroup();
    const master = await group.master({ limits: { entriesMax: 20, bytesMax: 0, policy: 'lru' } });
    const one = await group.replica('one');
    await group.set(master, 'hot', 'x');
    for (let i = 0; i < 200; i++) {
      await group.set(master, `k${i}`, `${i}`);
      if (doRead) await group.get(one, 'hot');
      await group.clock.advance(20);
    }
    expect(await group.get(master, 'hot')).toBe(doRead ? 'x' : undefined);
    expect(master.node.status().store.evicted).toBe(181);
  },
);
