/** A change of role concerns a node, and an address only says where it was last: names move. */
import { describe, expect, it } from 'vitest';
import type { ClaimAnswer, ClaimRequest } from '#model/leadership.ts';
import type { NodePorts } from '#model/ports.ts';
import { NO_POSITION } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { type Candidate, claimTerm } from '#node/promotion.ts';
import { silentLogger } from '#platform/logger.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import type { TestGroup, TestNode } from '#test/doubles/test-group.ts';
import { separate, threeNodes } from '#test/node/three-nodes.ts';

const roleOf = (node: TestNode) => node.node.status().role;
const reasonsOf = (node: TestNode): string => node.node.status().reasons.join('\n');
const manifestOf = (node: TestNode) => node.fileSystem.content('/data/MANIFEST').toString();

/** Replica `one` has been told to lead term 2 and does; the master has not heard of it, and nobody else either. */
async function unheardHandover() {
  const { group, master, one, two } = await threeNodes();
  group.network.delay('master:1', 'one:1', 100);
  const failing = group.until(master.node.failover('one:1', 1_000)).catch((error: unknown) => error);
  await group.untilTrue(() => roleOf(master) === 'replica', 'it has committed');
  group.network.loseAnswers('master:1', 'one:1');
  group.network.cut('one:1', 'master:1');
  separate(group, 'one', 'two');
  await group.untilTrue(() => roleOf(one) === 'master', 'it leads');
  return { group, master, one, two, failing };
}

/** From now on the name leads to another node. */
function move(group: TestGroup, name: string, to: TestNode): void {
  group.network.attach(name, to.node.ports);
  group.network.heal('master:1', name);
}

/** A node of version 0.1: it neither reads whom a take-over means nor says who answers. */
function asOldVersion({ node }: TestNode): NodePorts {
  const { replication, ...others } = node.ports;
  return {
    ...others,
    replication: {
      register: (request, remote) => replication.register(request, remote),
      fetchSnapshot: (logId, signal) => replication.fetchSnapshot(logId, signal),
      claim: (request) => replication.claim(request),
      announce: (request, remote) => replication.announce(request, remote),
      observe: (request, remote, signal) => replication.observe(request, remote, signal),
      replicate: (request) => replication.replicate(request),
      takeOver: async ({ replicaNodeId: _, ...request }) => {
        const { nodeId: __, ...answer } = await replication.takeOver(request);
        return answer;
      },
    },
  };
}

describe('a failover whose replica has another address between two tries', () => {
  it('tells nobody else to lead', async () => {
    const { group, master, one, two, failing } = await unheardHandover();
    move(group, 'one:1', two);
    expect(await failing).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/another node than [0-9a-f]{32} answers at one:1/),
    });
    await group.clock.advance(5_000);
    expect([master, one, two].map(roleOf)).toEqual(['replica', 'master', 'replica']);
    expect(reasonsOf(master)).toMatch(/one:1 was told to lead term 2 and has not said/);
    // The name leads to the right node again.
    move(group, 'one:1', one);
    group.network.heal();
    await group.untilLevel([master, one, two]);
    expect(manifestOf(master)).not.toContain('"handover"');
  });

  it('tells nobody else either after a restart of both, when the other one follows nobody yet', async () => {
    const { group, master, one, two, failing } = await unheardHandover();
    await failing;
    const disks = { master: group.kill(master), two: group.kill(two) };
    const again = await group.replica('two', { fileSystem: disks.two });
    move(group, 'one:1', again);
    const old = await group.start('master', 'master', { fileSystem: disks.master });
    await group.clock.advance(5_000);
    expect([old, one, again].map(roleOf)).toEqual(['replica', 'master', 'replica']);
  });

  it('takes no refusal of another node for an end of it', async () => {
    const { group, master, one, two, failing } = await unheardHandover();
    const { logId } = master.node.status();
    await group.until(two.node.claim({ logId, term: 5, nodeId: 'f'.repeat(32) }));
    move(group, 'one:1', two);
    expect(await failing).toMatchObject({ code: 'unavailable' });
    await group.clock.advance(5_000);
    expect([master, one, two].map(roleOf)).toEqual(['replica', 'master', 'replica']);
    expect(manifestOf(master)).toContain('"handover"');
  });

  it('is settled by a promotion of that replica where it is now', async () => {
    const { group, master, one, two } = await threeNodes();
    group.network.delay('master:1', 'one:1', 100);
    const failing = group.until(master.node.failover('one:1', 1_000)).catch((error: unknown) => error);
    await group.untilTrue(() => roleOf(master) === 'replica', 'it has committed');
    const disk = group.kill(one);
    move(group, 'one:1', two);
    expect(await failing).toMatchObject({ code: 'unavailable' });
    const moved = await group.replica('moved', { fileSystem: disk });
    await group.clock.advance(5_000);
    expect([master, moved, two].map(roleOf)).toEqual(['replica', 'replica', 'replica']);
    await group.until(moved.node.promote(false));
    await group.untilLevel([master, moved, two]);
    expect([master, moved, two].map(roleOf)).toEqual(['replica', 'master', 'replica']);
    expect(manifestOf(master)).not.toContain('"handover"');
  });

  it('does not tell a node of version 0.1 that stands at its address', async () => {
    const { group, master, one, two, failing } = await unheardHandover();
    group.network.attach('one:1', asOldVersion(two));
    group.network.heal('master:1', 'one:1');
    expect(await failing).toMatchObject({ message: expect.stringMatching(/another node than/) });
    await group.clock.advance(5_000);
    expect([master, one, two].map(roleOf)).toEqual(['replica', 'master', 'replica']);
  });
});

describe('a failover with a node of version 0.1', () => {
  it('that is to lead: goes through', async () => {
    const { group, master, one, two } = await threeNodes();
    group.network.attach('one:1', asOldVersion(one));
    await group.until(master.node.failover('one:1', 5_000));
    expect([master, one, two].map(roleOf)).toEqual(['replica', 'master', 'replica']);
  });

  it('that hands over: reaches a replica that has registered with it', async () => {
    const { group, master, one } = await threeNodes();
    group.network.attach('one:1', asOldVersion(one));
    group.network.delay('master:1', 'one:1', 20);
    await group.until(master.node.failover('one:1', 5_000));
    expect(roleOf(one)).toBe('master');
  });

  it('that hands over: a replica that has registered with nobody names the way out, which works', async () => {
    const { group, master, one } = await threeNodes();
    group.network.delay('master:1', 'one:1', 100);
    const failing = group.until(master.node.failover('one:1', 1_000)).catch((error: unknown) => error);
    await group.untilTrue(() => roleOf(master) === 'replica', 'it has committed');
    const disk = group.kill(one);
    await failing;
    group.network.heal();
    group.network.cut('master:1', 'one:1');
    const again = await group.replica('one', { fileSystem: disk });
    group.network.attach('one:1', asOldVersion(again));
    group.network.heal('master:1', 'one:1');
    await group.clock.advance(5_000);
    expect([master, again].map(roleOf)).toEqual(['replica', 'replica']);
    const { nodeId, logId, position } = master.node.status();
    const unnamed = { nodeId, logId, term: 2, tail: { ...position, crc: 0 }, isCheck: false };
    await expect(group.until(again.node.takeOver(unnamed))).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/walnut promote --address one:1/),
    });
    // It is not refused for good, and nothing is lost by the way out.
    expect(again.node.status().term).toBe(1);
    group.network.attach('one:1', again.node.ports);
    await group.until(again.node.promote(false));
    await group.untilLevel([master, again]);
  });
});

describe('a term', () => {
  it('is granted by the node only that is asked for it', async () => {
    const { group, one } = await threeNodes();
    const { nodeId, logId } = one.node.status();
    const claim = { logId, term: 2, nodeId: 'f'.repeat(32) };
    await expect(
      group.until(one.node.claim({ ...claim, receiverNodeId: 'e'.repeat(32) })),
    ).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/^this is meant for node e/),
    });
    expect(one.node.status().term).toBe(1);
    const granted = await group.until(one.node.claim({ ...claim, receiverNodeId: nodeId }));
    expect(granted).toMatchObject({ isGranted: true, nodeId });
  });

  const candidate: Candidate = {
    nodeId: 'me',
    address: 'me:1',
    logId: 'L',
    tail: NO_POSITION,
    term: 1,
  };
  const granted: ClaimAnswer = { isGranted: true, hasNoVote: false, term: 2, reason: '', tail: NO_POSITION };

  /** What counts of an answer at an address where node `x` has answered before; `here`: who is asked once more. */
  async function claimAt(said: string | undefined, here: string) {
    const requests: ClaimRequest[] = [];
    const link = {
      claim: async (request: ClaimRequest) => {
        requests.push(request);
        return { ...granted, nodeId: said };
      },
      status: async () => ({ nodeId: here }),
      close: () => undefined,
    };
    const asked = [{ address: 'x:1', status: { nodeId: 'x' } as NodeStatus }];
    const dialer = { dial: () => link as unknown as PeerLink };
    const signal = new AbortController().signal;
    const claimed = await claimTerm(candidate, 2, ['x:1'], { dialer, logger: silentLogger, signal, asked });
    expect(requests).toMatchObject([{ receiverNodeId: 'x' }]);
    return claimed[0]?.answer?.isGranted;
  }

  it.each([
    ['the node that was asked before', 'x', 'y', true],
    ['another node', 'y', 'x', undefined],
    ['a node of version 0.1 that is the one asked before', undefined, 'x', true],
    ['another node of version 0.1', undefined, 'y', undefined],
  ])('that is granted by %s', async (_who, said, here, isGranted) => {
    expect(await claimAt(said, here)).toBe(isGranted);
  });
});

describe('a master that would lead again, and a name that leads to another node', () => {
  it('does not take that one for the one it knew there, which may lead', async () => {
    const { group, master, one, two } = await threeNodes();
    separate(group, 'master', 'one');
    separate(group, 'one', 'two');
    await group.until(one.node.promote(true));
    const { logId, nodeId } = one.node.status();
    move(group, 'one:1', two);
    await group.until(two.node.claim({ logId, term: 2, nodeId }));
    await group.clock.advance(20_000);
    expect(master.node.status()).toMatchObject({ role: 'master', state: 'fenced' });
    expect(reasonsOf(master)).toMatch(
      new RegExp(`node ${nodeId}, last seen at one:1, does not answer.*remove-replica one:1`),
    );
    move(group, 'one:1', one);
    group.network.heal();
    await group.untilLevel([master, one, two]);
    expect([master, one, two].map(roleOf)).toEqual(['replica', 'master', 'replica']);
  });
});

describe('a replica whose master pushes, and whose name leads to another node', () => {
  it.each(['a replica', 'a master of another log'])(
    '%s: gets no announcement of a promotion',
    async (who) => {
      const { group, master, one, two } = await threeNodes();
      const { nodeId } = master.node.status();
      const other = who === 'a replica' ? two : await group.start('other', 'master');
      group.network.attach('master:1', other.node.ports);
      await group.clock.advance(20_000);
      expect(one.node.status()).toMatchObject({ state: 'streaming', isReady: true });
      expect(reasonsOf(one)).toMatch(
        new RegExp(`another node than the master ${nodeId} answers at master:1`),
      );
      expect(reasonsOf(one)).not.toMatch(/promote/);
      group.network.attach('master:1', master.node.ports);
      await group.clock.advance(20_000);
      expect(reasonsOf(one)).toBe('');
    },
  );
});
