/** The planned failover: lossless, in place, and aborted cleanly where the replica cannot take over. */
import { describe, expect, it } from 'vitest';
import { termOf } from '#model/position.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { threeNodes } from '#test/node/three-nodes.ts';

const roleOf = (node: TestNode) => node.node.status().role;
const termOfNode = (node: TestNode) => termOf(node.node.status().position.epoch);

/** Keeps writing to the node that leads, as a client that follows hints would; remembers what was acknowledged. */
class Writer {
  readonly acknowledged = new Map<string, string>();
  refused = 0;
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(group: TestGroup, nodes: readonly TestNode[]) {
    this.#running = this.#run(group, nodes);
  }

  async #run(group: TestGroup, nodes: readonly TestNode[]): Promise<void> {
    let at = 0;
    for (let i = 0; !this.#isOver; i++) {
      const key = `w${i}`;
      try {
        await (nodes[at] as TestNode).node.set(setCommand(key, String(i)));
        this.acknowledged.set(key, String(i));
      } catch {
        this.refused++;
        at = (at + 1) % nodes.length;
      }
      await group.clock.sleep(1);
    }
  }

  async stop(group: TestGroup): Promise<void> {
    this.#isOver = true;
    await group.until(this.#running);
  }
}

async function expectAll(group: TestGroup, nodes: readonly TestNode[], writer: Writer): Promise<void> {
  for (const node of nodes) {
    for (const [key, value] of writer.acknowledged) expect(await group.get(node, key)).toBe(value);
  }
}

describe('a planned failover', () => {
  it('swaps the roles in place under load, loses no acknowledged write, and all follow', async () => {
    const { group, master, one, two } = await threeNodes();
    const writer = new Writer(group, [master, one, two]);
    await group.clock.advance(300);
    const before = writer.acknowledged.size;
    const answer = await group.until(master.node.failover('one:1', 5_000));
    expect(answer.term).toBe(2);
    expect(answer.pausedMs).toBeLessThan(1_000);
    await group.clock.advance(500);
    await writer.stop(group);
    expect(before).toBeGreaterThan(10);
    expect(writer.acknowledged.size).toBeGreaterThan(before + 50);
    expect([master, one, two].map(roleOf)).toEqual(['replica', 'master', 'replica']);
    await group.untilLevel([master, one, two]);
    await expectAll(group, [master, one, two], writer);
    expect([master, one, two].map((node) => node.node.status().isReady)).toEqual([true, true, true]);
    // Nothing was cut, nothing was sent as a whole.
    for (const node of [master, two]) expect(node.fileSystem.paths('/data/aside')).toEqual([]);
    expect([...group.network.calls.keys()].filter((call) => call.startsWith('fetchSnapshot'))).toEqual([]);
    await expect(async () => group.set(master, 'x', 'y')).rejects.toMatchObject({
      code: 'not_master',
      details: { leaderHint: 'one:1' },
    });
    // There and back again, over restarts.
    await group.until(one.node.failover('master:1', 5_000));
    await group.untilLevel([master, one, two]);
    expect([master, one, two].map(roleOf)).toEqual(['master', 'replica', 'replica']);
    const disks = [await group.stop(two), await group.stop(one), await group.stop(master)] as const;
    const again = [
      await group.start('master', 'master', { fileSystem: disks[2] }),
      await group.replica('one', { fileSystem: disks[1] }),
      await group.replica('two', { fileSystem: disks[0] }),
    ];
    expect(again.map(roleOf)).toEqual(['master', 'replica', 'replica']);
    await group.untilLevel(again);
    await expectAll(group, again, writer);
  });

  it('answers writes meanwhile with UNAVAILABLE and where to go', async () => {
    const { group, master } = await threeNodes();
    group.network.delay('master:1', 'one:1', 400);
    const done = master.node.failover('one:1', 10_000);
    await group.untilTrue(() => master.node.status().reasons.join().includes('failover to one:1'), 'paused');
    await expect(async () => master.node.set(setCommand('x', 'y'))).rejects.toMatchObject({
      code: 'unavailable',
      details: { leaderHint: 'one:1' },
    });
    expect(await group.get(master, 'k1')).toBe('before');
    await group.until(done);
  });

  it('keeps tokens of the old master valid', async () => {
    const { group, master, one, two } = await threeNodes();
    const { position } = await group.set(master, 'token', 'of the old master');
    await group.until(master.node.failover('two:1', 5_000));
    await group.untilLevel([master, one, two]);
    for (const node of [master, one, two]) {
      expect(await group.get(node, 'token', { atLeast: position, waitMs: 1_000 })).toBe('of the old master');
    }
  });
});

describe('a failover that cannot be', () => {
  const writesStill = async (group: TestGroup, master: TestNode): Promise<void> => {
    expect(master.node.status()).toMatchObject({
      role: 'master',
      state: 'serving',
      isReady: true,
      reasons: [],
    });
    expect(termOfNode(master)).toBe(1);
    await group.set(master, 'still', 'writes');
  };

  it('is refused for an unknown replica, on a replica, and beside another one', async () => {
    const { group, master, one } = await threeNodes();
    await expect(group.until(master.node.failover('nobody:1', 0))).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/no replica nobody:1 .*one:1, two:1/),
    });
    await expect(group.until(one.node.failover('two:1', 0))).rejects.toMatchObject({ code: 'not_master' });
    group.network.delay('master:1', 'one:1', 400);
    const first = master.node.failover('one:1', 10_000);
    await group.clock.advance(10);
    await expect(group.until(master.node.failover('two:1', 0))).rejects.toMatchObject({
      code: 'unavailable',
      message: 'a failover is under way on this node',
    });
    await group.until(first);
  });

  it('never stops writes for a replica that does not answer', async () => {
    const { group, master } = await threeNodes();
    group.network.cut('master:1', 'one:1');
    await expect(group.until(master.node.failover('one:1', 2_000))).rejects.toMatchObject({
      code: 'unavailable',
    });
    await writesStill(group, master);
  });

  it('times out where the replica does not become level, and takes writes again', async () => {
    const { group, master, one, two } = await threeNodes();
    one.fileSystem.bytesMax = one.fileSystem.usedBytes;
    for (let i = 0; i < 20; i++) await group.set(master, `big${i}`, 'x'.repeat(500));
    const startedMs = group.clock.monotonicMs();
    await expect(group.until(master.node.failover('one:1', 2_000))).rejects.toMatchObject({
      message: expect.stringMatching(/one:1 (has not caught up in time: \d+ records|cannot lead: it is)/),
    });
    expect(group.clock.monotonicMs() - startedMs).toBeLessThan(3_000);
    await writesStill(group, master);
    one.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await group.untilLevel([master, one, two]);
  });

  it('is aborted where the replica dies while it is waited for', async () => {
    const { group, master, one } = await threeNodes();
    group.network.loseAnswers('master:1', 'one:1');
    await group.set(master, 'unacked', 'x');
    group.network.heal();
    group.network.delay('master:1', 'one:1', 300);
    const done = group.until(master.node.failover('one:1', 3_000)).catch((error: unknown) => error);
    await group.untilTrue(() => master.node.status().reasons.length > 0, 'paused');
    group.kill(one);
    expect(await done).toMatchObject({ code: 'unavailable' });
    await writesStill(group, master);
  });

  it('takes no writes where it is not known what the disk has of the commit', async () => {
    const { group, master, one, two } = await threeNodes();
    const disk = master.fileSystem;
    // Behind the rename: what a start reads may be the one or the other.
    disk.fail({ call: 'syncDirectory', code: 'EIO', skip: 0, times: 1 });
    await expect(group.until(master.node.failover('one:1', 2_000))).rejects.toThrow(/EIO/);
    expect(master.failures.length).toBeGreaterThan(0);
    await expect(async () => group.set(master, 'never', 'acknowledged')).rejects.toThrow();
    disk.clearFaults();
    const again = await group.start('master', 'master', { fileSystem: group.kill(master) });
    await group.untilTrue(() => roleOf(one) === 'master', 'the replica leads');
    await group.untilLevel([again, one, two]);
    expect(await group.get(one, 'k1')).toBe('before');
  });

  it('leaves the old master without writes, and settles by itself, where the end is not known', async () => {
    const { group, master, one, two } = await threeNodes();
    let cut = false;
    const failing = group.until(master.node.failover('one:1', 1_000)).catch((error: unknown) => error);
    // Once it has committed, the replica's answers are lost.
    for (let i = 0; i < 200 && !cut; i++) {
      if (roleOf(master) === 'replica') {
        group.network.cut('master:1', 'one:1');
        cut = true;
      }
      await group.clock.advance(0);
    }
    const outcome = await failing;
    expect(outcome).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/does not answer.*takes no writes/),
    });
    group.network.heal();
    await group.untilTrue(() => roleOf(one) === 'master', 'the replica leads');
    await group.untilLevel([master, one, two]);
    expect([master, one, two].map(termOfNode)).toEqual([2, 2, 2]);
  });
});

describe('a failover that is committed, and refused by the replica while nobody hears of it', () => {
  it('leaves no master, says so on every node, and is settled by a promotion', async () => {
    const { group, master, one, two } = await threeNodes();
    group.network.delay('master:1', 'one:1', 100);
    const failing = group.until(master.node.failover('one:1', 1_000)).catch((error: unknown) => error);
    await group.untilTrue(() => roleOf(master) === 'replica', 'it has committed');
    group.network.loseAnswers('master:1', 'one:1');
    const { logId } = one.node.status();
    const claimed = await group.until(one.node.claim({ logId, term: 5, nodeId: 'f'.repeat(32) }));
    expect(claimed.isGranted).toBe(true);
    expect(await failing).toMatchObject({ code: 'unavailable' });
    const reasonsOf = (node: TestNode) => node.node.status().reasons.join('; ');
    expect(reasonsOf(master)).toMatch(
      /^one:1 was told to lead term 2 and has not said .*walnut promote --force/,
    );
    group.network.heal();
    await group.clock.advance(10_000);
    for (const node of [master, one, two]) {
      expect(node.node.status()).toMatchObject({ role: 'replica', state: 'catching_up', isReady: false });
      expect(reasonsOf(node)).toMatch(/follow each other, so nobody leads; .*walnut promote --address/);
    }
    expect(reasonsOf(master)).not.toMatch(/was told to lead/);
    await group.until(master.node.promote(false));
    await group.untilLevel([master, one, two]);
    expect(roleOf(master)).toBe('master');
  });
});

describe('a failover in which a node loses its power', () => {
  it.each(['master', 'one'] as const)(
    '%s, at any call on its disk: one master comes out of it, and nothing acknowledged is lost',
    async (victim) => {
      const seen = new Set<string>();
      for (let call = 1; call < 40; call++) {
        const group = new TestGroup(call);
        const master = await group.master({ fsync: 'always' });
        const one = await group.replica('one', { fsync: 'always' });
        const two = await group.replica('two', { fsync: 'always' });
        const nodes = { master, one, two };
        for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, String(call));
        await group.untilLevel([master, one, two]);
        const disk = nodes[victim].fileSystem;
        disk.crashAtCall = disk.callCount + call;
        master.node.failover('one:1', 1_000).catch(() => undefined);
        await group.clock.advance(1_500);
        const isWhole = !disk.isCrashed;
        const left = group.powerCut(nodes[victim], call);
        await group.clock.advance(500);
        const again = await group.start(victim, victim === 'master' ? 'master' : 'replica', {
          fileSystem: left,
          fsync: 'always',
        });
        nodes[victim] = again;
        await group.clock.advance(8_000);
        const all = [nodes.master, nodes.one, nodes.two];
        const leaders = () => all.filter((node) => node.node.status().state === 'serving');
        expect(leaders().length).toBeLessThanOrEqual(1);
        if (leaders().length === 0)
          throw new Error(`call ${call}: ${all.map((node) => JSON.stringify(node.node.status().reasons))}`);
        const leader = leaders()[0] as TestNode;
        seen.add(leader.name);
        await group.set(leader, 'after', String(call));
        await group.untilLevel(all);
        for (let i = 0; i < 5; i++) expect(await group.get(leader, `k${i}`)).toBe(String(call));
        if (isWhole) break;
      }
      // Before the commit the replica's disk has nothing to write; after it, it leads when it is back.
      expect([...seen].sort()).toEqual(victim === 'master' ? ['master', 'one'] : ['one']);
    },
  );
});
