/** A term that was granted to a node which never came to lead it: what its master and the replicas do about it. */
import { describe, expect, it } from 'vitest';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

async function threeNodes(seed = 1) {
  const group = new TestGroup(seed);
  const master = await group.master();
  const one = await group.replica('one');
  const two = await group.replica('two');
  for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, 'before');
  await group.untilLevel([master, one, two]);
  return { group, master, one, two };
}

function separate(group: TestGroup, a: string, b: string): void {
  group.network.cut(`${a}:1`, `${b}:1`);
  group.network.cut(`${b}:1`, `${a}:1`);
}

/** A promotion that got no further than the claim of its term. */
async function claimAt(group: TestGroup, node: TestNode, term: number): Promise<void> {
  const { logId } = node.node.status();
  const answer = await group.until(node.node.claim({ logId, term, nodeId: 'f'.repeat(32) }));
  expect(answer.isGranted).toBe(true);
}

const isWriting = ({ node }: TestNode): boolean =>
  node.status().role === 'master' && node.status().state === 'serving';
const isFenced = ({ node }: TestNode): boolean => node.status().state === 'fenced';

describe('a master whose replica granted a higher term', () => {
  it('leads again in a term above it, where everyone agrees that nobody leads that one', async () => {
    const { group, master, one, two } = await threeNodes();
    const { position } = await group.set(master, 'kept', 'yes');
    await claimAt(group, two, 2);
    await group.untilTrue(() => isWriting(master) && master.node.status().term === 3, 'it leads again');
    await group.set(master, 'after', 'it');
    await group.untilLevel([master, one, two]);
    expect(two.node.status()).toMatchObject({ role: 'replica', state: 'streaming', term: 3 });
    expect(await group.get(two, 'kept', { atLeast: position })).toBe('yes');
    expect(await two.node.divergedList()).toEqual([]);
  });

  it('hears of it when that replica registers, although no push reaches it', async () => {
    const { group, master, one, two } = await threeNodes();
    separate(group, 'master', 'two');
    await claimAt(group, two, 2);
    await group.clock.advance(10_000);
    expect(isWriting(master)).toBe(true);
    group.network.heal('two:1', 'master:1');
    await group.untilTrue(() => isFenced(master), 'it is fenced');
    await group.clock.advance(20_000);
    // It cannot ask that one.
    expect(master.node.status()).toMatchObject({ state: 'fenced', term: 2 });
    expect(master.node.status().reasons.join()).toMatch(
      /term 2 was seen.*leads again once.*two:1 does not answer.*walnut promote/,
    );
    group.network.heal();
    await group.untilTrue(() => isWriting(master), 'it leads again');
    await group.untilLevel([master, one, two]);
  });

  it('stays read only while a node it knows does not answer, over restarts too', async () => {
    const { group, master, one, two } = await threeNodes();
    const disk = await group.stop(one);
    await claimAt(group, two, 2);
    await group.untilTrue(() => isFenced(master), 'it is fenced');
    await group.clock.advance(120_000);
    expect(master.node.status()).toMatchObject({ state: 'fenced', term: 2 });
    const restarted = await group.master({ fileSystem: await group.stop(master) });
    await group.clock.advance(20_000);
    expect(restarted.node.status().reasons.join()).toMatch(/one:1 does not answer/);
    const again = await group.replica('one', { fileSystem: disk });
    await group.untilTrue(() => isWriting(restarted), 'it leads again');
    await group.untilLevel([restarted, again, two]);
  });

  it('takes writes at an operator’s word before that', async () => {
    const { group, master, one, two } = await threeNodes();
    await group.stop(one);
    await claimAt(group, two, 2);
    await group.untilTrue(() => isFenced(master), 'it is fenced');
    expect(await group.until(master.node.promote(false))).toMatchObject({ term: 3, isPromoted: true });
    await group.set(master, 'after', 'it');
    await group.untilLevel([master, two]);
  });
});

describe('a master of a term that is over', () => {
  it('never leads again while the one that leads does not answer, and follows it when it does', async () => {
    const { group, master, one, two } = await threeNodes();
    separate(group, 'master', 'one');
    separate(group, 'master', 'two');
    await group.until(one.node.promote(false));
    await group.set(one, 'new', 'yes');
    await group.untilLevel([one, two]);
    await group.set(master, 'lost', 'later');
    group.network.heal('master:1', 'two:1');
    group.network.heal('two:1', 'master:1');
    separate(group, 'one', 'two');
    await group.untilTrue(() => isFenced(master) || master.node.status().role === 'replica', 'it is over');
    for (let i = 0; i < 60; i++) {
      await group.clock.advance(1_000);
      expect(isWriting(master)).toBe(false);
    }
    group.network.heal();
    await group.untilLevel([master, one, two]);
    expect(isWriting(one)).toBe(true);
    expect(one.node.status().term).toBe(2);
  });

  it('does not lead again where another node holds a record that it has not', async () => {
    const { group, master, one, two } = await threeNodes();
    group.kill(master);
    separate(group, 'one', 'two');
    await group.until(one.node.promote(false));
    await group.until(two.node.promote(false));
    await group.set(two, 'of', 'two');
    group.network.heal();
    await group.untilTrue(() => isFenced(one) && isFenced(two), 'both are fenced');
    const back = await group.replica('master', { upstream: 'one:1' });
    await group.clock.advance(60_000);
    expect([isFenced(one), isFenced(two)]).toEqual([true, true]);
    // Nor is a term used up by trying.
    expect([one, two].map(({ node }) => node.status().term)).toEqual([2, 2]);
    await group.until(two.node.promote(true));
    await group.untilLevel([one, two, back]);
  });

  it('and a replica that is promoted at the same time are never masters both', async () => {
    let [promoted, cameBack] = [0, 0];
    for (let waitMs = 0; waitMs < 1_200; waitMs += 40) {
      const { group, master, one, two } = await threeNodes(waitMs + 1);
      for (const a of ['master', 'one', 'two'])
        for (const b of ['master', 'one', 'two']) if (a !== b) group.network.delay(`${a}:1`, `${b}:1`, 50);
      await claimAt(group, two, 2);
      await group.untilTrue(() => isFenced(master), 'it is fenced');
      await group.clock.advance(waitMs);
      one.node.promote(false).catch(() => undefined);
      for (let i = 0; i < 400; i++) {
        await group.clock.advance(5);
        expect([master, one].filter(isWriting).length).toBeLessThanOrEqual(1);
      }
      if (isWriting(one)) promoted++;
      if (isWriting(master)) cameBack++;
    }
    expect(promoted).toBeGreaterThan(0);
    expect(cameBack).toBeGreaterThan(0);
  });
});
