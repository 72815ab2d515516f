/** GetSlotSizes of whole nodes: the same on a master and its replica, after recovery, eviction and a resync. */
import { expect, it } from 'vitest';
import { slotOfKey } from '#cluster/slot-hash.ts';
import type { SlotSize } from '#model/slots.ts';
import { ENTRY_OVERHEAD_BYTES } from '#storage/entry-cost.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const group = new TestGroup(3);

async function sizesOf({ node }: TestNode): Promise<SlotSize[]> {
  const sizes: SlotSize[] = [];
  for (let from = 0; ; ) {
    const page = await group.until(node.ports.admin.slotSizes(from));
    sizes.push(...page.sizes);
    if (page.nextSlot === 0) return sizes;
    from = page.nextSlot;
  }
}

function expected(keys: readonly string[]): SlotSize[] {
  const sizes = new Map<number, SlotSize>();
  for (const key of keys) {
    const slot = slotOfKey(key);
    const { entries, bytes } = sizes.get(slot) ?? { entries: 0, bytes: 0 };
    sizes.set(slot, { slot, entries: entries + 1, bytes: bytes + key.length + 1 + ENTRY_OVERHEAD_BYTES });
  }
  return [...sizes.values()].sort((a, b) => a.slot - b.slot);
}

it('are those of the stored entries, wherever the state came from', async () => {
  const limits = { entriesMax: 50, bytesMax: 0, policy: 'lru' } as const;
  let master = await group.master({ limits });
  const replica = await group.replica('replica');
  const keys = Array.from({ length: 80 }, (_, i) => (i % 5 === 0 ? `{tag}${i}` : `key ${i}`));
  for (const key of keys.slice(0, 20)) await group.set(master, key, 'v');
  expect(await sizesOf(master)).toEqual(expected(keys.slice(0, 20)));
  // From here on they are kept, through evictions.
  for (const key of keys.slice(20)) await group.set(master, key, 'v');
  await group.untilLevel([master, replica]);
  const stored = keys.slice(30);
  expect(await sizesOf(master)).toEqual(expected(stored));
  expect(await sizesOf(replica)).toEqual(expected(stored));
  const disk = group.kill(master);
  master = await group.start('master', 'master', { fileSystem: disk, limits });
  expect(await sizesOf(master)).toEqual(expected(stored));
  const fresh = await group.replica('fresh');
  await group.untilLevel([master, fresh]);
  expect(await sizesOf(fresh)).toEqual(expected(stored));
});
