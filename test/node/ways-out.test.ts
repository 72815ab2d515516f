/** Dead ends of operators: where no node leads, each names the one command that helps, and what follows needs none. */
import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { threeNodes } from '#test/node/three-nodes.ts';
import { encodeManifest, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';

const reasonsOf = ({ node }: TestNode): string => node.status().reasons.join('\n');
const isWriting = ({ node }: TestNode): boolean =>
  node.status().role === 'master' && node.status().state === 'serving';

function copyOf(fileSystem: MemoryFileSystem): MemoryFileSystem {
  const copy = new MemoryFileSystem();
  for (const path of fileSystem.paths()) {
    if (!path.endsWith('LOCK')) copy.put(path, fileSystem.content(path));
  }
  return copy;
}

const promote = (group: TestGroup, on: TestNode) => group.until(on.node.promote(false));

const registration = (logId: string, term: number) => ({
  nodeId: 'f'.repeat(32),
  incarnation: 'x',
  advertise: 'dead:1',
  logId,
  tail: { epoch: 0, lsn: toLsn(0), crc: 0 },
  upstreamPath: ['f'.repeat(32)],
  applyDelayMs: 0,
  term,
});

describe('a registration that names an address where nobody is', () => {
  it('keeps a master read only for as long as it is repeated, and is not remembered', async () => {
    const { group, master, one, two } = await threeNodes();
    const { logId } = master.node.status();
    for (let i = 0; i < 10; i++) {
      await group.until(master.node.register(registration(logId, 5), '10.0.0.9'));
      expect(master.node.status().state).toBe('fenced');
      await group.clock.advance(1_000);
    }
    expect(reasonsOf(master)).toMatch(/dead:1 does not answer/);
    await group.untilTrue(() => isWriting(master), 'it leads again');
    expect(master.node.status().term).toBe(6);
    await group.untilLevel([master, one, two]);
    expect(master.fileSystem.content('/data/MANIFEST').toString()).not.toContain('dead:1');
  });

  it('does not keep it from leading again after another stray term either', async () => {
    const { group, master, one, two } = await threeNodes();
    const { logId } = master.node.status();
    await group.until(master.node.register(registration(logId, 0), '10.0.0.9'));
    await group.clock.advance(20_000);
    await group.until(two.node.claim({ logId, term: 2, nodeId: 'e'.repeat(32) }));
    await group.untilTrue(() => isWriting(master) && master.node.status().term > 2, 'it leads again');
    await group.untilLevel([master, one, two]);
  });

  it('is remembered once its node answers there', async () => {
    const group = new TestGroup();
    const master = await group.master();
    group.network.cut('master:1', 'late:1');
    const late = await group.replica('late');
    await group.clock.advance(1_000);
    expect(master.fileSystem.content('/data/MANIFEST').toString()).not.toContain('late:1');
    group.network.heal();
    await group.untilLevel([master, late]);
    await group.clock.advance(3_000);
    expect(master.fileSystem.content('/data/MANIFEST').toString()).toContain('late:1');
  });
});

describe('an announcement', () => {
  const announce = (group: TestGroup, to: TestNode, nodeId: string, advertise: string, term = 2) => {
    const { logId } = to.node.status();
    return group.until(to.node.announce({ logId, term, nodeId, advertise }, '10.0.0.9'));
  };

  it('is followed by nobody unless the node at the address says the same', async () => {
    const { group, one, two } = await threeNodes();
    const stranger = 'f'.repeat(32);
    await expect(announce(group, one, stranger, 'dead:1')).rejects.toMatchObject({ code: 'unavailable' });
    // A replica, by its own id, and the master by another one.
    const rows: [string, string][] = [
      [two.node.status().nodeId, 'two:1'],
      [stranger, 'master:1'],
    ];
    for (const [nodeId, address] of rows) {
      await expect(announce(group, one, nodeId, address)).rejects.toThrow(/does not say that it leads/);
    }
    expect(one.node.status()).toMatchObject({ state: 'streaming', term: 1 });
    expect(one.node.status().upstream?.address).toBe('master:1');
  });
});

describe('a word to take over', () => {
  it('counts from the master followed only', async () => {
    const { group, master, one } = await threeNodes();
    await group.clock.advance(2_000);
    const { logId, position } = one.node.status();
    const request = { logId, term: 2, nodeId: 'f'.repeat(32), tail: { ...position, crc: 0 }, isCheck: false };
    await expect(group.until(one.node.takeOver(request))).rejects.toThrow(/follows node/);
    expect(one.node.status()).toMatchObject({ role: 'replica', term: 1 });
    expect(isWriting(master)).toBe(true);
  });
});

describe('two masters of one term of which only one knows the other', () => {
  it('both stop, and name the one that is further', async () => {
    const { group, master, one, two } = await threeNodes();
    group.kill(master);
    const disk = await group.stop(two);
    await promote(group, one);
    await group.stop(one);
    const again = await group.replica('two', { fileSystem: disk });
    await promote(group, again);
    for (const value of ['1', '2', '3']) await group.set(again, 'of two', value);
    // The first has never heard of the second.
    const text = one.fileSystem.content('/data/MANIFEST');
    const manifest = tryDecodeManifest(text) as Manifest;
    one.fileSystem.put(
      '/data/MANIFEST',
      encodeManifest({ ...manifest, replicas: { added: [], removed: [], nodes: [] } }),
    );
    const back = await group.replica('one', { fileSystem: one.fileSystem });
    await group.untilTrue(
      () => [back, again].every(({ node }) => node.status().state === 'fenced'),
      'both are fenced',
    );
    await group.clock.advance(5_000);
    for (const node of [back, again]) expect(reasonsOf(node)).toMatch(/walnut promote --address two:1/);
    await promote(group, again);
    await group.untilLevel([back, again]);
  });
});

describe('an empty node', () => {
  it('has no vote in a promotion, uses up no term, and follows by itself', async () => {
    const { group, master, one, two } = await threeNodes();
    await group.stop(two);
    group.kill(master);
    const emptied = await group.replica('two');
    expect(await promote(group, one)).toMatchObject({ term: 2, isPromoted: true });
    await group.set(one, 'after', 'it');
    await group.untilLevel([one, emptied]);
    expect(emptied.node.status().upstream?.address).toBe('one:1');
  });

  it('does not keep a master from leading again', async () => {
    const { group, master, one, two } = await threeNodes();
    await group.stop(two);
    await group.stop(one);
    // It registers, and gets nothing.
    group.network.loseAnswers('two:1', 'master:1');
    const emptied = await group.replica('two');
    const again = await group.replica('one', { fileSystem: one.fileSystem });
    await group.until(
      again.node.claim({ logId: again.node.status().logId, term: 2, nodeId: 'f'.repeat(32) }),
    );
    await group.untilTrue(() => isWriting(master) && master.node.status().term > 2, 'it leads again');
    expect(emptied.node.status().logId).toBe('');
    group.network.heal();
    await group.untilLevel([master, again, emptied]);
  });

  it('grants and refuses no claim', async () => {
    const group = new TestGroup();
    const empty = await group.replica('one');
    for (const logId of ['', 'a'.repeat(32)]) {
      const answer = await group.until(empty.node.claim({ logId, term: 2, nodeId: 'f'.repeat(32) }));
      expect(answer).toMatchObject({ isGranted: false, hasNoVote: true });
    }
    expect(empty.node.status().term).toBe(0);
  });
});

describe('a promotion that is refused', () => {
  it('uses up no term, however often it is tried', async () => {
    const { group, master, one, two } = await threeNodes();
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    await group.set(master, 'late', 'two has it');
    await group.untilLevel([master, two]);
    group.kill(master);
    for (let i = 0; i < 5; i++) await expect(promote(group, one)).rejects.toThrow(/--address two:1/);
    expect([one, two].map(({ node }) => node.status().term)).toEqual([1, 1]);
    await group.clock.advance(5_000);
    for (const node of [one, two]) expect(reasonsOf(node)).toMatch(/walnut promote --address two:1/);
  });
});

describe('a master started on an older copy of its directory', () => {
  it('and its quarantined replicas name the promotion that works, and all follow', async () => {
    const { group, master, one, two } = await threeNodes();
    const copy = copyOf(await group.stop(master));
    const on = await group.master({ fileSystem: master.fileSystem });
    await group.set(on, 'newer', 'write');
    await group.untilLevel([on, one, two]);
    await group.stop(on);
    const back = await group.master({ fileSystem: copy });
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    await group.untilTrue(() => two.node.status().state === 'quarantined', 'quarantined');
    await group.clock.advance(5_000);
    expect(reasonsOf(back)).toMatch(/walnut promote --address (one|two):1/);
    const chosen = /walnut promote --address (\w+):1/.exec(reasonsOf(back))?.[1] === 'one' ? one : two;
    for (const node of [one, two]) expect(reasonsOf(node)).toMatch(/walnut promote --address (one|two):1/);
    expect(await promote(group, chosen)).toMatchObject({ isPromoted: true });
    await group.set(chosen, 'after', 'it');
    await group.untilLevel([one, two, back]);
    expect([one, two].map(({ node }) => node.quarantineList())).toEqual([[], []]);
    expect(await group.get(back, 'newer')).toBe('write');
  });
});

describe('a replica quarantined by a master of the same log', () => {
  /** The master is started again on an old copy, and has taken more writes than were lost. */
  async function overtaken() {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'old', 'write');
    const copy = copyOf(await group.stop(master));
    const on = await group.master({ fileSystem: master.fileSystem });
    const one = await group.replica('one');
    const two = await group.replica('two');
    for (const key of ['real 1', 'real 2']) await group.set(on, key, 'v');
    await group.untilLevel([on, one, two]);
    group.kill(two);
    await group.stop(on);
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    const wrong = await group.master({ fileSystem: copy });
    for (let i = 0; i < 9; i++) await group.set(wrong, `copy ${i}`, 'v');
    return { group, wrong, one };
  }

  it('never names that master, however far it is, and the promotion works', async () => {
    const { group, wrong, one } = await overtaken();
    group.network.heal();
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    await group.clock.advance(5_000);
    expect(reasonsOf(one)).toMatch(/stop the master at master:1 and then: walnut promote --address one:1;/);
    const disk = await group.stop(wrong);
    expect(await promote(group, one)).toMatchObject({ isPromoted: true });
    expect(await group.get(one, 'real 2')).toBe('v');
    const back = await group.master({ fileSystem: disk });
    await group.untilLevel([one, back]);
  });

  it('names no follower of that master either, and forces the promotion past one that has more', async () => {
    const { group, wrong, one } = await overtaken();
    const two = await group.replica('two');
    await group.untilLevel([wrong, two]);
    group.network.heal();
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    await group.clock.advance(5_000);
    expect(reasonsOf(one)).toMatch(
      /stop the master at master:1 and then: walnut promote --address one:1 --force;/,
    );
    await group.stop(wrong);
    await expect(promote(group, one)).rejects.toThrow(/two:1/);
    await group.until(one.node.promote(true));
    await group.untilLevel([one, two]);
    expect(await group.get(two, 'real 2')).toBe('v');
  });

  it('and led by force names the same replica from every one of them', async () => {
    const { group, master, one, two } = await threeNodes();
    const copy = copyOf(await group.stop(master));
    const on = await group.master({ fileSystem: master.fileSystem });
    await group.set(on, 'newer', 'write');
    await group.untilLevel([on, one, two]);
    await group.stop(on);
    const fenced = await group.master({ fileSystem: copy });
    const isQuarantined = ({ node }: TestNode) => node.status().state === 'quarantined';
    await group.untilTrue(() => [one, two].every(isQuarantined), 'quarantined');
    const forced = await group.master({ fileSystem: await group.stop(fenced), forcedRole: 'master' });
    await group.set(forced, 'forced', 'write');
    await group.clock.advance(20_000);
    for (const node of [one, two]) {
      expect(reasonsOf(node)).toMatch(
        /stop the master at master:1 and then: walnut promote --address one:1;/,
      );
    }
    expect(reasonsOf(forced)).toMatch(
      /is on one:1, two:1 and not here; one:1 is furthest, .*stop this node \(master:1\) and then: walnut promote --address one:1;/,
    );
    const disk = await group.stop(forced);
    expect(await promote(group, one)).toMatchObject({ isPromoted: true });
    const back = await group.master({ fileSystem: disk });
    await group.untilLevel([one, two, back]);
    expect(await group.get(back, 'newer')).toBe('write');
  });
});

describe('a replica that was pointed at the master of another log', () => {
  it('is not said to have another history by the master of its own', async () => {
    const { group, master, one } = await threeNodes();
    const other = await group.start('other', 'master');
    await group.set(other, 'k', 'of another log');
    const disk = await group.stop(one);
    const away = await group.start('one', 'replica', { fileSystem: disk, upstream: 'other:1' });
    await group.untilTrue(() => away.node.status().state === 'quarantined', 'it is quarantined there');
    await group.clock.advance(40_000);
    expect(reasonsOf(master)).not.toMatch(/another history|walnut promote/);
    expect(reasonsOf(master)).toMatch(/one:1/);
    await group.stop(other);
    await group.start('one', 'replica', { fileSystem: await group.stop(away), upstream: 'other:1' });
    await group.clock.advance(40_000);
    expect(master.node.status().replicas.map(({ state }) => state)).not.toContain('quarantined');
    expect(reasonsOf(master)).not.toMatch(/another history|walnut promote/);
  });
});

describe('a master started on an empty directory', () => {
  async function emptied() {
    const { group, master, one, two } = await threeNodes();
    await group.stop(master);
    const fresh = await group.master();
    await group.untilTrue(
      () => [one, two].every(({ node }) => node.status().state === 'quarantined'),
      'quarantined',
    );
    await group.clock.advance(5_000);
    return { group, fresh, one, two };
  }

  it('says that its replicas have another history, names their promotion, and never their removal', async () => {
    const { group, fresh, one, two } = await emptied();
    const says = () => {
      expect(reasonsOf(fresh)).toMatch(
        /another history, of log \w+, is on one:1, two:1 and not here; .*stop this node \(master:1\) and then: walnut promote --address one:1;/,
      );
      expect(reasonsOf(fresh)).not.toMatch(/remove-replica/);
    };
    says();
    for (const node of [one, two]) expect(reasonsOf(node)).toMatch(/walnut promote --address one:1;/);
    // Also of those that it knows and that do not register with it any more.
    for (const node of [one, two]) {
      await group.until(fresh.node.addReplica(node.address));
      await group.until(node.node.quarantineRelease('keep'));
    }
    await group.clock.advance(30_000);
    says();
    await group.until(one.node.stop());
    group.network.detach('one:1');
    await group.clock.advance(30_000);
    expect(reasonsOf(fresh)).toMatch(/is on two:1 and not here; .*walnut promote --address two:1;/);
  });

  it('is named as it is now, where another wrong one has taken its place', async () => {
    const { group, fresh, one, two } = await emptied();
    const judgedBy = ({ node }: TestNode) => node.quarantineList().map(({ upstreamLogId }) => upstreamLogId);
    const first = fresh.node.status().logId;
    expect([one, two].map(judgedBy)).toEqual([[first], [first]]);
    await group.stop(fresh);
    const disk = await group.stop(two);
    const second = await group.master();
    const { logId } = second.node.status();
    expect(logId).not.toBe(first);
    const again = await group.replica('two', { fileSystem: disk });
    await group.clock.advance(20_000);
    expect([one, again].map(judgedBy)).toEqual([[logId], [logId]]);
    for (const node of [one, again])
      expect(reasonsOf(node)).toMatch(
        /stop the master at master:1 and then: walnut promote --address one:1;/,
      );
  });

  it('is not passed over while it takes writes; once it is stopped a quarantined replica leads without force', async () => {
    const { group, fresh, one, two } = await emptied();
    expect(reasonsOf(one)).toMatch(
      /stop the master at master:1 and then: walnut promote --address one:1;.*quarantine list --address one:1/,
    );
    await expect(promote(group, one)).rejects.toThrow(
      /master:1 takes writes with another history.*stop that one.*walnut promote --address one:1/,
    );
    const disk = await group.stop(fresh);
    expect(await promote(group, one)).toMatchObject({ term: 2, isPromoted: true });
    await group.set(one, 'after', 'it');
    // Its sibling holds a prefix of that: it follows by itself.
    await group.untilLevel([one, two]);
    expect(two.node.quarantineList()).toEqual([]);
    // And so does the one that took no write, with its own file.
    const again = await group.master({ fileSystem: disk });
    await group.untilLevel([one, two, again]);
    expect(again.node.status().role).toBe('replica');
    const later = await group.master({ fileSystem: await group.stop(again) });
    await group.untilLevel([one, two, later]);
  });

  it('which took writes, and the master of the group, say so of each other and what to do', async () => {
    const { group, fresh, one } = await emptied();
    await group.set(fresh, 'other', 'world');
    const disk = await group.stop(fresh);
    await promote(group, one);
    const rival = await group.master({ fileSystem: disk });
    await group.untilTrue(
      () => reasonsOf(rival).includes('a master too') && reasonsOf(one).includes('a master too'),
      'both say so',
    );
    expect(reasonsOf(one)).toMatch(
      /master:1 is a master too.*walnut remove-replica master:1 --address one:1/,
    );
    expect(reasonsOf(rival)).toMatch(/one:1 is a master too.*walnut remove-replica master:1 --address one:1/);
    expect(rival.node.status()).toMatchObject({ role: 'master', isReady: true });
    // Its directory moved away, it joins.
    await group.stop(rival);
    const joined = await group.master();
    await group.set(one, 'after', 'it');
    await group.untilLevel([one, joined]);
    expect(reasonsOf(one)).not.toContain('a master too');
  });

  it('says no more of a rival that was removed', async () => {
    const { group, fresh, one } = await emptied();
    await group.set(fresh, 'other', 'world');
    const disk = await group.stop(fresh);
    await promote(group, one);
    const rival = await group.master({ fileSystem: disk });
    await group.untilTrue(() => reasonsOf(one).includes('a master too'), 'it says so');
    await group.until(one.node.removeReplica('master:1'));
    await group.clock.advance(60_000);
    expect(reasonsOf(one)).toBe('');
    expect(reasonsOf(rival)).toBe('');
  });
});

describe('a promoted master that was emptied', () => {
  it('all name the node that is furthest, and follow it once it is promoted', async () => {
    const { group, master, one, two } = await threeNodes();
    const oldDisk = group.kill(master);
    await promote(group, one);
    await group.set(one, 'after', 'it');
    await group.untilLevel([one, two]);
    group.kill(one);
    const emptied = await group.replica('one');
    const old = await group.master({ fileSystem: oldDisk });
    await group.clock.advance(20_000);
    for (const node of [old, emptied, two]) {
      expect(reasonsOf(node)).toMatch(/walnut promote --address two:1/);
      expect(reasonsOf(node)).not.toMatch(/walnut promote --address (one|master):1/);
    }
    await promote(group, two);
    await group.set(two, 'more', 'of it');
    await group.untilLevel([two, old, emptied]);
    expect(await group.get(old, 'after')).toBe('it');
  });

  it('names that node itself, where it knows the others by its configuration only', async () => {
    const { group, master, one, two } = await threeNodes();
    group.kill(master);
    await promote(group, one);
    await group.untilLevel([one, two]);
    group.kill(one);
    const emptied = await group.replica('one', { replicas: ['two:1'] });
    await group.clock.advance(10_000);
    expect(emptied.node.status().logId).toBe('');
    expect(reasonsOf(emptied)).toMatch(/two:1 is furthest, at \d+-\d+: walnut promote --address two:1/);
    await promote(group, two);
    await group.set(two, 'after', 'it');
    await group.untilLevel([two, emptied]);
    expect(emptied.node.status().reasons).toEqual([]);
  });
});

describe('a quarantined replica', () => {
  it('follows by itself where a corrected address leads to a master that has all its records', async () => {
    const { group, master, one, two } = await threeNodes();
    const elsewhere = await group.start('elsewhere', 'master');
    await group.set(elsewhere, 'other', 'world');
    const disk = await group.stop(two);
    const wrong = await group.replica('two', { fileSystem: disk, upstream: 'elsewhere:1' });
    await group.untilTrue(() => wrong.node.status().state === 'quarantined', 'quarantined');
    const right = await group.replica('two', {
      fileSystem: await group.stop(wrong),
      upstream: 'master:1',
    });
    await group.set(master, 'after', 'it');
    await group.untilLevel([master, one, right]);
    expect(right.node.quarantineList()).toEqual([]);
  });

  it('keeps what a new master lacks, although that one leads a higher term', async () => {
    const { group, master, one, two } = await threeNodes();
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    await group.set(master, 'only', 'two has it');
    await group.untilLevel([master, two]);
    await group.stop(master);
    const fresh = await group.master();
    await group.untilTrue(() => two.node.status().state === 'quarantined', 'quarantined');
    await group.stop(fresh);
    await group.until(one.node.promote(true));
    await group.clock.advance(60_000);
    expect(two.node.status().state).toBe('quarantined');
    expect(await group.get(two, 'only')).toBe('two has it');
  });
});
