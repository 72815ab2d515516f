/** Promotion in place where the master is dead: what speaks against it, what follows from it, what a crash leaves. */
import { describe, expect, it } from 'vitest';
import { makeEpoch, termOf, toLsn } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { termAfter } from '#model/terms.ts';
import { highestTold, objectionTo } from '#node/promotion.ts';
import { type NodeChanges, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

async function threeNodes(seed = 1, changes: NodeChanges = {}) {
  const group = new TestGroup(seed);
  const master = await group.master();
  const one = await group.replica('one', changes);
  const two = await group.replica('two');
  for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, 'shared');
  await group.untilLevel([master, one, two]);
  return { group, master, one, two };
}

const promote = (group: TestGroup, on: TestNode, isForced = false) => group.until(on.node.promote(isForced));

const termOfNode = (one: TestNode) => termOf(one.node.status().position.epoch);

describe('objectionTo', () => {
  const candidate = {
    nodeId: 'me',
    address: 'me:1',
    logId: 'L',
    tail: { epoch: makeEpoch(3, 7), lsn: toLsn(100) },
    term: 3,
  };
  const asked = (address: string, term: number, lsn: number, changes: Partial<NodeStatus> = {}) => {
    const position = { epoch: makeEpoch(term, 7), lsn: toLsn(lsn) };
    const status = { nodeId: address, logId: 'L', role: 'replica', state: 'streaming', term, position };
    return { address, status: { ...status, durableLsn: toLsn(lsn), ...changes } as NodeStatus };
  };
  const rows: [string, ReturnType<typeof asked>[], RegExp | undefined][] = [
    ['nobody answers', [], undefined],
    ['a sibling is level', [asked('a', 3, 100)], undefined],
    ['a sibling is behind', [asked('a', 3, 9)], undefined],
    ['a sibling is ahead', [asked('a', 3, 101)], /a is at .*-101, ahead of .*--address a/],
    ['two are ahead', [asked('a', 3, 101), asked('b', 3, 102)], /--address b$/],
    [
      'one has more in its log than applied',
      [asked('a', 3, 50, { durableLsn: toLsn(200) })],
      /a is at .*-200/,
    ],
    ['one is of a higher term', [asked('a', 4, 10)], /--address a$/],
    ['one is of a lower term, ahead', [asked('a', 2, 500)], undefined],
    ['one holds another log', [asked('a', 9, 500, { logId: 'M' })], undefined],
    [
      'the master answers',
      [asked('m', 3, 10, { role: 'master', state: 'serving' })],
      /the master m answers; .*walnut failover --address m --to me:1/,
    ],
    ['a fenced master answers', [asked('m', 3, 10, { role: 'master', state: 'fenced' })], undefined],
    ['it answers itself', [asked('me', 4, 500)], undefined],
  ];
  it.each(rows)('%s', (_name, others, reason) => {
    const objection = objectionTo(candidate, others);
    if (reason === undefined) expect(objection).toBeUndefined();
    else expect(objection).toMatch(reason);
  });

  it('claims a term above every one that was seen', () => {
    expect(termAfter(highestTold(candidate, []))).toBe(4);
    expect(termAfter(highestTold(candidate, [asked('a', 3, 1, { term: 8 }), asked('b', 2, 1)]))).toBe(9);
    expect(termAfter(highestTold(candidate, [asked('a', 3, 1, { logId: 'M', term: 8 })]))).toBe(4);
  });
});

describe('a replica whose master is dead', () => {
  it.each(['one', 'two'] as const)(
    '%s is promoted where one of the group is known by two addresses',
    async (name) => {
      const group = new TestGroup(1);
      // As in the file of a master: by a name, where the replica says none and is known by its IP address, too.
      const master = await group.master({ replicas: ['two.name:1'] });
      const nodes = { one: await group.replica('one'), two: await group.replica('two') };
      group.network.attach('two.name:1', nodes.two.node.ports);
      await group.set(master, 'k', 'v');
      await group.untilLevel([master, nodes.one, nodes.two]);
      group.kill(master);
      expect(await promote(group, nodes[name])).toMatchObject({ term: 2, isPromoted: true });
      await group.set(nodes[name], 'k', 'w');
      await group.untilLevel([nodes.one, nodes.two]);
    },
  );

  it('becomes the master in place, its sibling follows, and the old one when it returns', async () => {
    const { group, master, one, two } = await threeNodes();
    const token = master.node.status().position;
    const disk = group.kill(master);
    const answer = await promote(group, one);
    expect(answer).toMatchObject({ term: 2, isPromoted: true });
    expect(one.node.status()).toMatchObject({ role: 'master', state: 'serving', promotions: 1, term: 2 });
    expect(termOfNode(one)).toBe(2);
    await group.set(one, 'new', 'yes');
    await group.untilLevel([one, two]);
    expect(two.node.status().upstream?.address).toBe('one:1');
    const old = await group.start('master', 'master', { fileSystem: disk });
    await group.untilTrue(() => old.node.status().role === 'replica', 'the old master follows');
    await group.untilLevel([one, two, old]);
    expect(await group.get(old, 'new')).toBe('yes');
    for (const node of [one, two, old]) {
      expect(await group.get(node, 'k1', { atLeast: token })).toBe('shared');
    }
    expect(
      one.node
        .status()
        .replicas.map(({ address }) => address)
        .sort(),
    ).toEqual(['master:1', 'two:1']);
    // Nobody needed a snapshot.
    expect([...group.network.calls.keys()].filter((call) => call.startsWith('fetchSnapshot'))).toEqual([]);
  });

  it('is found by a sibling that was down meanwhile, over restarts and whatever its configuration says', async () => {
    const { group, master, one, two } = await threeNodes();
    const twoDisk = await group.stop(two);
    group.kill(master);
    await promote(group, one);
    await group.set(one, 'new', 'yes');
    const again = await group.replica('two', { fileSystem: twoDisk });
    await group.untilLevel([one, again]);
    const oneDisk = await group.stop(one);
    const againDisk = await group.stop(again);
    const restarted = await group.replica('one', { fileSystem: oneDisk });
    const sibling = await group.replica('two', { fileSystem: againDisk });
    expect(restarted.node.status().role).toBe('master');
    await group.set(restarted, 'newer', 'yes');
    await group.untilLevel([restarted, sibling]);
    // An operator who changes the configuration is obeyed.
    const disk = await group.stop(sibling);
    const moved = await group.replica('two', { fileSystem: disk, upstream: 'elsewhere:1' });
    expect(moved.node.status().upstream?.address).toBe('elsewhere:1');
  });

  it('is told by a node that knows better, where the new master cannot tell', async () => {
    const { group, master, one, two } = await threeNodes();
    const twoDisk = await group.stop(two);
    const disk = group.kill(master);
    await promote(group, one);
    const old = await group.start('master', 'master', { fileSystem: disk });
    await group.untilLevel([one, old]);
    group.network.cut('one:1', 'two:1');
    const again = await group.replica('two', { fileSystem: twoDisk });
    await group.untilTrue(() => again.node.status().upstream?.address === 'one:1', 'the hint is followed');
    group.network.heal();
    await group.untilLevel([one, old, again]);
  });

  it('is refused while the master answers, unless forced; then the master steps down', async () => {
    const { group, master, one, two } = await threeNodes();
    await expect(promote(group, one)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/the master master:1 answers; hand over .*walnut failover/),
    });
    expect(one.node.status()).toMatchObject({ role: 'replica', state: 'streaming' });
    await group.set(master, 'still', 'writes');
    await group.untilLevel([master, one, two]);
    await promote(group, one, true);
    await group.untilTrue(() => master.node.status().role === 'replica', 'the old master steps down');
    await group.set(one, 'new', 'yes');
    await group.untilLevel([master, one, two]);
    expect(await group.get(master, 'still')).toBe('writes');
  });

  it('is refused where a sibling has more, unless forced; then the sibling sets its tail aside', async () => {
    const { group, master, one, two } = await threeNodes();
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    await group.set(master, 'late', 'two has it');
    await group.untilLevel([master, two]);
    const discarded = two.node.status().position;
    group.kill(master);
    await expect(promote(group, one)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/two:1 is at .*, ahead of this node's .*walnut promote --address two:1/),
    });
    await promote(group, one, true);
    await group.untilLevel([one, two]);
    expect(await group.get(two, 'late')).toBeUndefined();
    const tails = await two.node.divergedList();
    expect(tails).toMatchObject([
      {
        id: 1,
        fromLsn: discarded.lsn,
        last: discarded,
        upstream: 'one:1',
        files: [expect.stringMatching(/^aside/)],
      },
    ]);
    const tail = await two.node.divergedShow(1, toLsn(0), 1);
    expect(tail).toMatchObject({ lastLsn: discarded.lsn, isEnd: true, damage: '' });
    expect(tail.updates.map(({ op, key }) => `${op} ${key}`)).toEqual(['set late']);
    await expect(two.node.divergedShow(2, toLsn(0), 1)).rejects.toMatchObject({ code: 'not_found' });
    for (const node of [one, two]) {
      await expect(async () => group.get(node, 'k1', { atLeast: discarded })).rejects.toMatchObject({
        code: 'discarded_history',
      });
    }
  });

  it('refuses pushes of the old master from then on', async () => {
    const { group, master, one, two } = await threeNodes();
    for (const other of ['one:1', 'two:1']) {
      group.network.cut('master:1', other);
      group.network.cut(other, 'master:1');
    }
    await promote(group, one);
    await group.untilLevel([one, two]);
    group.network.heal();
    const answer = await group.until(
      two.node.replicate({
        masterNodeId: master.node.status().nodeId,
        logId: master.node.status().logId,
        term: 1,
        previous: { epoch: 0, lsn: toLsn(0), crc: 0 },
        frames: new Uint8Array(0),
        durableLsn: toLsn(99),
        logClockMs: 0,
        ackWhenDurable: false,
      }),
    );
    expect(answer.verdict).toEqual({ kind: 'fenced', term: 2 });
  });

  it('refuses pushes of the old master where it only granted the term, and grants it to nobody else', async () => {
    const { group, master, one, two } = await threeNodes();
    const { logId } = one.node.status();
    group.network.cut('master:1', 'two:1');
    group.kill(master);
    const claim = { logId, term: 2, nodeId: one.node.status().nodeId };
    expect(await group.until(two.node.claim(claim))).toMatchObject({ isGranted: true, term: 2 });
    expect(await group.until(two.node.claim({ ...claim, nodeId: '0'.repeat(32) }))).toMatchObject({
      isGranted: false,
      reason: 'it has seen term 2',
    });
    const again = await group.replica('two', { fileSystem: group.kill(two) });
    expect(again.node.status().term).toBe(2);
  });

  it('answers a second promotion with what it is', async () => {
    const { group, master, one } = await threeNodes();
    group.kill(master);
    await promote(group, one);
    expect(await promote(group, one)).toMatchObject({ term: 2, isPromoted: false });
  });

  it('is promoted once where two operators try at the same time', async () => {
    const { group, master, one, two } = await threeNodes();
    group.kill(master);
    const tries = [one, two].map((node) =>
      node.node.promote(false).then(
        () => true,
        () => false,
      ),
    );
    const results = await group.until(Promise.all(tries));
    expect(results.filter(Boolean).length).toBeLessThanOrEqual(1);
    if (!results.includes(true)) await promote(group, one);
    await group.untilLevel([one, two]);
    expect([one, two].filter(({ node }) => node.status().role === 'master')).toHaveLength(1);
  });
});

describe('an old master that still takes writes', () => {
  it('begins a term above the new master’s where it is promoted by force', async () => {
    const { group, master, one, two } = await threeNodes();
    for (const [a, b] of [
      ['master:1', 'one:1'],
      ['master:1', 'two:1'],
    ] as const) {
      group.network.cut(a, b);
      group.network.cut(b, a);
    }
    await promote(group, one);
    await group.set(one, 'new', 'master');
    await group.set(master, 'old', 'master');
    // It hears of the other only by asking.
    group.network.heal('master:1', 'one:1');
    expect(await promote(group, master, true)).toMatchObject({ term: 3, isPromoted: true });
    group.network.heal();
    await group.untilLevel([master, one, two]);
    expect([master, one, two].map((node) => node.node.status().role)).toEqual([
      'master',
      'replica',
      'replica',
    ]);
    expect(await group.get(one, 'old')).toBe('master');
    expect(await group.get(one, 'new')).toBeUndefined();
  });
});

describe('two masters of one term, promoted apart', () => {
  it('both stop taking writes when they meet; a forced promotion of one settles it', async () => {
    const { group, master, one, two } = await threeNodes();
    group.kill(master);
    group.network.cut('one:1', 'two:1');
    group.network.cut('two:1', 'one:1');
    await promote(group, one);
    await promote(group, two);
    expect([termOfNode(one), termOfNode(two)]).toEqual([2, 2]);
    await group.set(two, 'of', 'two');
    group.network.heal();
    await group.untilTrue(
      () => [one, two].every(({ node }) => node.status().state === 'fenced'),
      'both are fenced',
    );
    expect(one.node.status().reasons.join()).toMatch(/another node leads the same term 2/);
    await promote(group, two, true);
    await group.untilLevel([one, two]);
    expect(await group.get(one, 'of')).toBe('two');
    // Forced once more it has nothing to force.
    expect(await promote(group, two, true)).toMatchObject({ isPromoted: false });
  });
});

describe('a promotion cut short', () => {
  it('at any call on the disk leaves a replica or a master of the new term, and no other', async () => {
    let [asReplica, asMaster] = [0, 0];
    for (let call = 1; call < 40; call++) {
      const { group, master, one, two } = await threeNodes(call, { fsync: 'always' });
      group.kill(master);
      one.fileSystem.crashAtCall = one.fileSystem.callCount + call;
      let isDone = false;
      one.node.promote(false).then(
        () => {
          isDone = true;
        },
        () => undefined,
      );
      await group.clock.advance(500);
      const isWhole = isDone && !one.fileSystem.isCrashed;
      const disk = group.powerCut(one, call);
      const again = await group.replica('one', { fileSystem: disk });
      const { role } = again.node.status();
      if (role === 'master') {
        asMaster++;
        expect(termOfNode(again)).toBe(2);
        await group.set(again, 'after', String(call));
        await group.untilLevel([again, two]);
      } else {
        asReplica++;
        await promote(group, again);
        expect(termOfNode(again)).toBeGreaterThanOrEqual(2);
        await group.set(again, 'after', String(call));
        await group.untilLevel([again, two]);
      }
      if (isWhole) break;
    }
    expect(asReplica).toBeGreaterThan(0);
    expect(asMaster).toBeGreaterThan(0);
  });
});
