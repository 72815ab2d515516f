/** A term that was granted to a node which never came to lead it: what its master and the replicas do about it. */
import { describe, expect, it } from 'vitest';
import { unavailable } from '#model/errors.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { obstacleTo } from '#node/comeback.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { separate, threeNodes } from '#test/node/three-nodes.ts';

/** A promotion that got no further than the claim of its term. */
async function claimAt(group: TestGroup, node: TestNode, term: number): Promise<void> {
  const { logId } = node.node.status();
  const answer = await group.until(node.node.claim({ logId, term, nodeId: 'f'.repeat(32) }));
  expect(answer.isGranted).toBe(true);
}

const isWriting = ({ node }: TestNode): boolean =>
  node.status().role === 'master' && node.status().state === 'serving';
const isFenced = ({ node }: TestNode): boolean => node.status().state === 'fenced';

describe('obstacleTo', () => {
  const own = {
    nodeId: 'me',
    address: 'me:1',
    logId: 'L',
    tail: { epoch: makeEpoch(3, 7), lsn: toLsn(100) },
    term: 4,
  };
  const holds = ({ epoch }: { epoch: number }) => epoch <= own.tail.epoch;
  const asked = (address: string, term: number, lsn: number, changes: Partial<NodeStatus> = {}) => {
    const position = { epoch: makeEpoch(term, 7), lsn: toLsn(lsn) };
    const status = { nodeId: address, logId: 'L', role: 'replica', state: 'streaming', term, position };
    return { address, status: { ...status, durableLsn: toLsn(lsn), ...changes } as NodeStatus };
  };
  const level = asked('a', 3, 100);
  const rows: [string, string[], ReturnType<typeof asked>[], RegExp | undefined][] = [
    ['all are level', ['a', 'b'], [level, asked('b', 3, 100)], undefined],
    ['one is behind', ['a', 'b'], [level, asked('b', 3, 9)], undefined],
    ['one is ahead in a term that is over', ['a', 'b'], [level, asked('b', 2, 500)], undefined],
    ['nobody is known', [], [level], /no other node is known/],
    ['one does not answer', ['a', 'b'], [level], /b does not answer/],
    ['one is loading', ['a'], [asked('a', 3, 100, { state: 'loading' })], /a is loading/],
    ['one holds another log', ['a'], [asked('a', 9, 999, { logId: 'M' })], undefined],
    ['one is empty', ['a'], [asked('a', 0, 0, { logId: '' })], undefined],
    ['one is ahead', ['a'], [asked('a', 3, 101)], /which is not here/],
    ['one has more in its log', ['a'], [asked('a', 3, 9, { durableLsn: toLsn(101) })], /which is not here/],
    ['one is of a history that is not here', ['a'], [asked('a', 4, 9)], /which is not here/],
  ];
  it.each(rows)('%s', (_name, others, answers, obstacle) => {
    const found = obstacleTo(own, others, [], answers, holds);
    if (obstacle === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(obstacle);
  });

  it('asks for the node that was known at an address, wherever it answers', () => {
    const known = [
      { address: 'a', nodeId: 'x' },
      { address: 'me:1', nodeId: 'me' },
    ];
    const find = (answers: ReturnType<typeof asked>[]) => obstacleTo(own, ['a', 'b'], known, answers, holds);
    expect(find([level, asked('b', 3, 100)])).toMatch(/node x, last seen at a, does not answer/);
    expect(find([level, asked('b', 3, 100, { nodeId: 'x' })])).toBeUndefined();
  });
});

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

  it('asks a node once that it knows by two addresses', async () => {
    const group = new TestGroup(1);
    const master = await group.master({ replicas: ['two.name:1'] });
    const two = await group.replica('two');
    group.network.attach('two.name:1', two.node.ports);
    await group.set(master, 'kept', 'yes');
    await group.untilLevel([master, two]);
    await claimAt(group, two, 2);
    await group.untilTrue(() => isWriting(master) && master.node.status().term === 3, 'it leads again');
    await group.untilLevel([master, two]);
  });

  it('uses up few terms while its disk has no room for the one it would lead', async () => {
    const { group, master, one, two } = await threeNodes();
    await claimAt(group, two, 2);
    await group.untilTrue(() => isFenced(master), 'it is fenced');
    master.fileSystem.bytesMax = master.fileSystem.usedBytes;
    await group.clock.advance(60_000);
    expect(isFenced(master)).toBe(true);
    expect(two.node.status().term).toBeGreaterThan(2);
    expect(two.node.status().term).toBeLessThan(10);
    master.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await group.clock.advance(60_000);
    expect(isWriting(master)).toBe(true);
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

  it('stays read only where one that answers is not heard to grant its term', async () => {
    const { group, master, two } = await threeNodes();
    const { replication, ...others } = two.node.ports;
    const deaf = Object.create(replication) as typeof replication;
    let claims = 0;
    deaf.claim = () => {
      claims++;
      throw unavailable('lost on the way');
    };
    await claimAt(group, two, 2);
    group.network.attach('two:1', { ...others, replication: deaf });
    for (const call of ['register', 'replicate', 'announce', 'takeOver'] as const)
      deaf[call] = replication[call].bind(replication) as never;
    await group.untilTrue(() => isFenced(master), 'it is fenced');
    await group.clock.advance(60_000);
    expect(isFenced(master)).toBe(true);
    expect(claims).toBeGreaterThan(1);
    // Each one uses up a term, so they come at growing intervals.
    expect(claims).toBeLessThan(8);
    expect(master.node.status().reasons.join()).toMatch(/leads again once.*two:1 does not answer/);
    group.network.attach('two:1', two.node.ports);
    await group.clock.advance(60_000);
    expect(isWriting(master)).toBe(true);
  });

  it('stays read only where one that grants its term turns out to have another history', async () => {
    const { group, master, two } = await threeNodes();
    const { replication, ...others } = two.node.ports;
    const other = Object.create(replication) as typeof replication;
    for (const call of ['register', 'replicate', 'announce', 'takeOver'] as const)
      other[call] = replication[call].bind(replication) as never;
    // As a delayed replica may: what it has applied is in the history here, and the end of its log is not.
    const tail = { epoch: makeEpoch(1, 99), lsn: toLsn(5) };
    other.claim = async (request) => ({ ...(await replication.claim(request)), tail });
    await claimAt(group, two, 2);
    group.network.attach('two:1', { ...others, replication: other });
    await group.untilTrue(() => isFenced(master), 'it is fenced');
    await group.clock.advance(30_000);
    expect(isFenced(master)).toBe(true);
    expect(master.node.status().reasons.join()).toMatch(/two:1 has a record that is not here/);
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

  it('does not lead again where another node has a record that it has not', async () => {
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

  it('does not lead again over what a node has that has moved to another address', async () => {
    const { group, master, one, two } = await threeNodes();
    separate(group, 'master', 'two');
    separate(group, 'one', 'two');
    await group.until(two.node.promote(true));
    await group.set(two, 'of', 'two');
    const disk = await group.stop(two);
    const moved = await group.replica('moved', { fileSystem: disk, forcedRole: 'replica' });
    await group.untilTrue(() => isFenced(master), 'it is fenced');
    // Its old address is nobody's any more: it is not waited for.
    await expect(master.node.removeReplica('two:1')).rejects.toMatchObject({ code: 'not_found' });
    await group.clock.advance(30_000);
    expect(isFenced(master)).toBe(true);
    expect(master.node.status().reasons.join()).toMatch(/moved:1 is at .* which is not here/);
    expect(await moved.node.divergedList()).toEqual([]);
    const again = await group.master({ fileSystem: await group.stop(master) });
    await group.clock.advance(30_000);
    expect(isFenced(again)).toBe(true);
    await group.until(again.node.promote(true));
    await group.untilLevel([again, one, moved]);
    expect(await moved.node.divergedList()).toHaveLength(1);
  });

  it('does not lead again in a term in which another one pushes to it while it claims that', async () => {
    const { group, master, two } = await threeNodes();
    group.network.delay('master:1', 'one:1', 1_000);
    await claimAt(group, two, 2);
    await group.untilTrue(() => two.node.status().term === 3, 'it has claimed the next term');
    expect(isWriting(master)).toBe(false);
    const { logId } = master.node.status();
    const previous = { epoch: makeEpoch(3, 1), lsn: toLsn(50), crc: 1 };
    const push = { masterNodeId: 'e'.repeat(32), logId, term: 3, previous, frames: new Uint8Array(0) };
    const words = { durableLsn: toLsn(50), logClockMs: 0, ackWhenDurable: false, digest: '' };
    await expect(group.until(master.node.replicate({ ...push, ...words }))).rejects.toThrow(
      /takes no pushes/,
    );
    await group.clock.advance(20_000);
    expect(master.node.status()).toMatchObject({ state: 'fenced', term: 3 });
  });

  it('and a replica that is promoted at the same time never lead both', async () => {
    let [promoted, cameBack] = [0, 0];
    for (let waitMs = 0; waitMs < 600; waitMs += 20) {
      const { group, master, one, two } = await threeNodes(waitMs + 1);
      // Between asking and claiming of the one there is time for the other.
      group.network.delay('master:1', 'two:1', 100);
      group.network.delay('one:1', 'two:1', 300);
      await claimAt(group, two, 2);
      await group.untilTrue(() => isFenced(master), 'it is fenced');
      await group.clock.advance(waitMs);
      one.node.promote(false).catch(() => undefined);
      const led = new Set<TestNode>();
      for (let i = 0; i < 400; i++) {
        await group.clock.advance(5);
        for (const node of [master, one]) if (isWriting(node)) led.add(node);
      }
      // What the first of two took would be lost.
      expect(led.size).toBeLessThanOrEqual(1);
      if (led.has(one)) promoted++;
      if (led.has(master)) cameBack++;
    }
    expect(promoted).toBeGreaterThan(0);
    expect(cameBack).toBeGreaterThan(0);
  });
});
