/**
 * Formats of level 1 (ADR 14) are written only where every node of the group reads
 * them, and a directory says so before it contains any.
 */
import { describe, expect, it } from 'vitest';
import type { RegisterRequest } from '#model/replication.ts';
import type { PeerDialer, PeerLink } from '#replication/peer-link.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { settled } from '#test/doubles/settled.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { clientId, deleteOf, incrementOf, requestId, touchOf, ttl } from '#test/engine/rig.ts';
import { encodeManifest, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';

const YEAR = 365 * 24 * 3_600_000;
const APPLY = { shouldApply: true, expectedAheadMs: undefined };
const MANIFEST = '/data/MANIFEST';

/** A master whose log clock is years ahead: mending it is what level 1 is needed for. */
async function spoiled(group: TestGroup): Promise<TestNode> {
  group.clock.setWall(group.clock.wallMs() + 10 * YEAR);
  const disk = await group.stop(await group.master());
  group.clock.setWall(group.clock.wallMs() - 10 * YEAR);
  return group.master({ fileSystem: disk });
}

/** What a replica of release 0.1.0 says: nothing of formats. */
function oldDialer(group: TestGroup, address: string): PeerDialer {
  const dialer = group.network.dialer(address);
  return {
    dial: (to) => {
      const link = dialer.dial(to);
      return new Proxy(link, {
        get(target, name: keyof PeerLink) {
          const method = target[name] as unknown;
          if (name !== 'register') return typeof method === 'function' ? method.bind(target) : method;
          return ({ formatLevel: _, ...request }: RegisterRequest, options: never) =>
            target.register(request, options);
        },
      });
    },
  };
}

function manifestOn(disk: MemoryFileSystem): Manifest {
  const manifest = tryDecodeManifest(disk.content(MANIFEST));
  if (typeof manifest === 'string') throw new Error(manifest);
  return manifest;
}

const formatOf = ({ fileSystem }: TestNode): number => manifestOn(fileSystem).format;

describe('formats of level 1', () => {
  it('are written by a master whose replicas read them, and MANIFEST says so on every node', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    const replica = await group.replica('one');
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, replica]);
    expect([master, replica].map(formatOf)).toEqual([1, 1]);
    const levels = () => [master, replica].map(({ node }) => node.status().wal.formatLevel);
    expect(levels()).toEqual([0, 0]);
    await group.until(master.node.mendClock(APPLY));
    await group.untilLevel([master, replica]);
    expect([master, replica].map(formatOf)).toEqual([2, 2]);
    expect(levels()).toEqual([1, 1]);
    // A snapshot that is installed says it in the same commit.
    await group.until(master.node.checkpoint());
    for (let i = 0; i < 40; i++) await group.set(master, `k${i}`, 'x'.repeat(4_000));
    await group.until(master.node.checkpoint());
    const late = await group.replica('two');
    await group.untilLevel([master, late]);
    expect(master.node.status().replicas).toMatchObject([{}, { fullResyncs: 1 }]);
    expect(formatOf(late)).toBe(2);
  });

  it('are refused, naming the replica, while one follows that does not read them', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    const old = await group.replica('old', { dialer: oldDialer(group, 'old:1') });
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, old]);
    const position = master.node.digest().position;
    await expect(group.until(master.node.mendClock(APPLY))).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/level 1, and replica old:1 .*walnut remove-replica old:1/),
    });
    expect([formatOf(master), master.node.digest().position]).toEqual([1, position]);
    // A restart of the master does not know who is there, and counts it all the same.
    const again = await group.master({ fileSystem: await group.stop(master) });
    await expect(group.until(again.node.mendClock(APPLY))).rejects.toThrow('old:1');
    await group.stop(old);
    await expect(group.until(again.node.mendClock(APPLY))).rejects.toThrow('old:1');
    const upgraded = await group.replica('old', { fileSystem: old.fileSystem });
    await group.untilLevel([again, upgraded]);
    await group.until(again.node.mendClock(APPLY));
    await group.untilLevel([again, upgraded]);
  });

  it('are prepared before a write without promises may need them: until then it is left to the other way', async () => {
    const group = new TestGroup();
    const { node } = await group.master();
    const bulk = node.ports.bulk;
    const writes = () => [
      bulk?.setSoon(setCommand('a', '1', requestId('first'))),
      bulk?.deleteSoon(deleteOf('a', clientId(7, 2))),
      bulk?.incrementSoon(incrementOf('n', clientId(7, 3))),
      bulk?.touchSoon(touchOf('n', ttl(50))),
    ];
    expect(writes()).toEqual([undefined, undefined, undefined, undefined]);
    await group.until(node.set(setCommand('b', '1', requestId('r'))));
    const answers = await group.until(Promise.all(writes().map((soon) => settled(soon))));
    expect(answers).toMatchObject([{ applied: true }, { applied: true }, { value: 1n }, { applied: true }]);
    const again = await group.until(settled(bulk?.incrementSoon(incrementOf('n', clientId(7, 3)))));
    expect(again).toMatchObject({ value: 1n, isRepeat: true });
  });

  it('state an eviction policy that a replica and its promotion keep', async () => {
    const group = new TestGroup();
    const limits = { entriesMax: 3, bytesMax: 0, policy: 'ttl', scope: 'with_ttl' } as const;
    const master = await group.master({ limits });
    const one = await group.replica('one');
    await group.set(master, 'stays', 'v');
    const ttl = (ttlMs: number) => ({ expiry: { kind: 'ttl', ttlMs } }) as const;
    for (const [key, ms] of [
      ['a', 90_000],
      ['b', 80_000],
      ['c', 70_000],
    ] as const)
      await group.set(master, key, 'v', ttl(ms));
    await group.untilLevel([master, one]);
    expect([master, one].map(formatOf)).toEqual([2, 2]);
    expect(await group.get(one, 'b')).toBeUndefined();
    group.kill(master);
    await group.until(one.node.promote(true));
    await group.set(one, 'd', 'v', ttl(99_000));
    expect([await group.get(one, 'c'), await group.get(one, 'stays')]).toEqual([undefined, 'v']);
  });

  it('are not used for a policy that a registered replica does not read: the one of the log stays', async () => {
    const group = new TestGroup();
    const first = await group.master({ limits: { entriesMax: 2, bytesMax: 0, policy: 'lru' } });
    const old = await group.replica('old', { dialer: oldDialer(group, 'old:1') });
    await group.untilLevel([first, old]);
    const limits = { entriesMax: 2, bytesMax: 0, policy: 'ttl' } as const;
    const master = await group.master({ limits, fileSystem: await group.stop(first) });
    await group.untilLevel([master, old]);
    expect(formatOf(master)).toBe(1);
    expect(master.node.status().reasons.join()).toMatch(
      /storage\.eviction_policy ttl .* is not in force: .*replica old:1 .*start this master again/,
    );
    for (const key of ['a', 'b', 'c'])
      await group.set(master, key, 'v', { expiry: { kind: 'ttl', ttlMs: 9_000 } });
    expect([await group.get(master, 'a'), await group.get(master, 'c')]).toEqual([undefined, 'v']);
    await group.stop(old);
    await group.until(master.node.removeReplica('old:1'));
    const again = await group.master({ limits, fileSystem: await group.stop(master) });
    expect(formatOf(again)).toBe(2);
    expect(again.node.status().reasons.join()).not.toContain('eviction_policy');
  });

  it('are written again once an operator has removed the replica', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    const old = await group.replica('old', { dialer: oldDialer(group, 'old:1') });
    await group.untilLevel([master, old]);
    await group.stop(old);
    await group.until(master.node.removeReplica('old:1'));
    await group.until(master.node.mendClock(APPLY));
    expect(formatOf(master)).toBe(2);
  });

  it('keep out a replica that does not read them; it keeps its data and follows once it is upgraded', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    const first = await group.replica('late');
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, first]);
    const disk = await group.stop(first);
    await group.until(master.node.mendClock(APPLY));
    const old = await group.replica('late', { fileSystem: disk, dialer: oldDialer(group, 'late:1') });
    await group.clock.advance(5_000);
    expect(old.node.status().reasons.join()).toMatch(
      /late:1 reads formats up to level 0, as Walnut 0\.1\.0 does, and this log needs level 1/,
    );
    expect(await group.get(old, 'k')).toBe('v');
    const upgraded = await group.replica('late', { fileSystem: await group.stop(old) });
    await group.untilLevel([master, upgraded]);
  });

  it('are refused by a replica that was promoted, as long as the old master has not said that it reads them', async () => {
    const group = new TestGroup();
    const old = await spoiled(group);
    const one = await group.replica('one');
    await group.untilLevel([old, one]);
    const { replicas } = manifestOn(one.fileSystem);
    expect(replicas.nodes).toEqual([{ address: 'master:1', nodeId: expect.any(String), formatLevel: 1 }]);
    const disk = await group.stop(one);
    const manifest = manifestOn(disk);
    const unstated = replicas.nodes?.map(({ address, nodeId }) => ({ address, nodeId }));
    disk.put(MANIFEST, encodeManifest({ ...manifest, replicas: { ...replicas, nodes: unstated ?? [] } }));
    group.kill(old);
    const promoted = await group.replica('one', { fileSystem: disk });
    await group.until(promoted.node.promote(true));
    await expect(group.until(promoted.node.mendClock(APPLY))).rejects.toThrow(/replica master:1/);
  });

  it('are told by MANIFEST after a start that met them, as in a restored directory', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    await group.until(master.node.mendClock(APPLY));
    const disk = await group.stop(master);
    disk.put(MANIFEST, encodeManifest({ ...manifestOn(disk), format: 1 }));
    expect(formatOf(await group.master({ fileSystem: disk }))).toBe(2);
  });

  it('are not logged where MANIFEST cannot say it: a full disk refuses the request', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    const { position } = master.node.digest();
    master.fileSystem.bytesMax = master.fileSystem.usedBytes;
    await expect(group.until(master.node.mendClock(APPLY))).rejects.toMatchObject({
      code: 'resource_exhausted',
    });
    expect([formatOf(master), master.node.digest().position]).toEqual([1, position]);
  });
});

describe('a Touch', () => {
  const NEVER = { kind: 'at', expireAtMs: 0 } as const;
  const touchOf = (key: string) => ({ key, expiry: NEVER, returnValue: true, minAcks: 0, timeoutMs: 0 });

  it('reaches every replica with the entry as it was, by pushes, pulls and snapshots', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    const expiry = { kind: 'ttl', ttlMs: 5_000 } as const;
    const { position: version } = await group.set(master, 'k', 'v', { expiry });
    await group.until(Promise.resolve(master.node.touch(touchOf('k'))));
    await group.untilLevel([master, one]);
    const two = await group.replica('two');
    await group.untilLevel([master, two]);
    await group.clock.advance(6_000);
    for (const { node } of [master, one, two]) {
      const { entry } = await group.until(Promise.resolve(node.get({ key: 'k', waitMs: 0 })));
      expect(entry).toMatchObject({ key: 'k', version, expireAtMs: 0 });
    }
    expect([master, one, two].map(formatOf)).toEqual([2, 2, 2]);
    const updates = await one.node.getUpdates({
      after: { epoch: 0, lsn: 0 as never },
      format: 'entries',
      bytesMax: 0,
    });
    expect(
      updates.updates.map(({ op, key, value, expireAtMs }) => [op, key, value.length, expireAtMs > 0]),
    ).toEqual([
      ['set', 'k', 1, true],
      ['touch', 'k', 0, false],
    ]);
  });

  it('is refused while a replica could not read it; what stands beside it in a Batch is carried out', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const old = await group.replica('old', { dialer: oldDialer(group, 'old:1') });
    await group.set(master, 'k', 'v');
    const refused = { code: 'failed_precondition', details: { nothingDone: true } };
    await expect(group.until(Promise.resolve(master.node.touch(touchOf('k'))))).rejects.toMatchObject(
      refused,
    );
    const operations = [
      { kind: 'touch', command: touchOf('k') },
      { kind: 'set', command: setCommand('beside', 'it') },
    ] as const;
    const results = await group.until(Promise.resolve(master.node.batch(operations)));
    expect(results).toMatchObject([
      { kind: 'error', error: refused },
      { kind: 'set', answer: { applied: true } },
    ]);
    const atomic = { operations, answerBytesMax: 1_000, minAcks: 0, timeoutMs: 0 };
    await expect(group.until(Promise.resolve(master.node.atomicBatch(atomic)))).rejects.toMatchObject(
      refused,
    );
    await group.untilLevel([master, old]);
    expect([master, old].map(formatOf)).toEqual([1, 1]);
  });
});

describe('a content type', () => {
  it('reaches every replica, and is refused while one could not read it', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const old = await group.replica('old', { dialer: oldDialer(group, 'old:1') });
    const typed = setCommand('page', '<p>', { contentType: 'text/html' });
    await expect(group.until(Promise.resolve(master.node.set(typed)))).rejects.toMatchObject({
      code: 'failed_precondition',
      details: { nothingDone: true },
    });
    const restored = master.node.restore([{ kind: 'set', command: typed }]);
    await expect(group.until(restored)).rejects.toMatchObject({ code: 'failed_precondition' });
    const upgraded = await group.replica('old', { fileSystem: await group.stop(old) });
    await group.clock.advance(3_000);
    await group.until(Promise.resolve(master.node.set(typed)));
    await group.until(master.node.checkpoint());
    const late = await group.replica('late');
    await group.untilLevel([master, upgraded, late]);
    for (const { node } of [master, upgraded, late]) {
      const { entry } = await group.until(Promise.resolve(node.get({ key: 'page', waitMs: 0 })));
      expect(entry).toMatchObject({ contentType: 'text/html' });
    }
    const changed = { condition: { kind: 'present' }, returnPrevious: true } as const;
    const { previous } = await group.set(master, 'page', 'plain', changed);
    expect(previous).toMatchObject({ contentType: 'text/html' });
    await group.untilLevel([master, upgraded, late]);
    expect((await late.node.get({ key: 'page', waitMs: 0 })).entry).not.toHaveProperty('contentType');
  });
});

describe('a named write', () => {
  it('with a client id is refused while a replica could not read it; a request id is known to its master', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const old = await group.replica('old', { dialer: oldDialer(group, 'old:1') });
    const ask = (changes: Parameters<typeof setCommand>[2]) =>
      group.until((async () => master.node.set(setCommand('k', 'v', changes)))());
    const refused = { code: 'failed_precondition', details: { nothingDone: true } };
    await expect(ask(clientId(7, 1))).rejects.toMatchObject(refused);
    await expect(ask(clientId(7, 1))).rejects.toThrow('replica old:1 has not said that it reads them');
    const since = (await ask({})).position;
    await expect(ask(requestId('r', since))).rejects.toMatchObject(refused);
    const first = await ask(requestId('r'));
    expect(await ask(requestId('r'))).toMatchObject({ position: first.position, isRepeat: true });
    const operations = [
      { kind: 'set', command: setCommand('a', '1', clientId(7, 1)) },
      { kind: 'set', command: setCommand('b', '2', requestId('s')) },
      { kind: 'get', command: { key: 'b', waitMs: 0 } },
    ] as const;
    expect(await group.until((async () => master.node.batch(operations))())).toMatchObject([
      { kind: 'error', error: refused },
      { kind: 'set', answer: { applied: true } },
      { kind: 'get', answer: { entry: { key: 'b' } } },
    ]);
    const atomic = { operations: [operations[1]], answerBytesMax: 1_000, minAcks: 0, timeoutMs: 0 };
    const together = async (changes: object) => master.node.atomicBatch({ ...atomic, ...changes });
    await expect(group.until(together(clientId(7, 2)))).rejects.toMatchObject(refused);
    await group.untilLevel([master, old]);
    expect([master, old].map(formatOf)).toEqual([1, 1]);
  });
});
