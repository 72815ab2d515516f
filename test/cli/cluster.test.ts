/** `walnut cluster …` against a coordinator that a test plays: words, JSON and exit codes. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type FakeCoordinator, serve } from './fake-coordinator.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

let one: FakeCoordinator;
beforeEach(async () => {
  one = await serve();
});

const run = (...args: string[]) => runCli(['cluster', ...args, '--coordinators', one.address]);

describe('walnut cluster', () => {
  it('status says what is wrong with the metadata store', async () => {
    one.metadataProblem = 'the metadata store does not answer: no etcd';
    expect((await run('status')).out).toMatch(/metadata store +does not answer: no etcd\n/);
    expect(JSON.parse((await run('status', '--json')).out)).toMatchObject({
      metadataProblem: one.metadataProblem,
    });
  });

  it('status shows warnings, and ends with 0 where there is nothing else', async () => {
    one.warnings = ['b is not heard: g1 can lose 1 more voter'];
    const { code, out } = await run('status');
    expect([code, out]).toEqual([0, expect.stringMatching(/warning +b is not heard: g1 can lose/)]);
    expect(JSON.parse((await run('status', '--json')).out)).toMatchObject({ warnings: one.warnings });
  });

  it('status shows groups and alarms, and ends with 1 where something is wrong', async () => {
    const { code, out } = await run('status');
    expect(code).toBe(0);
    expect(out).toMatch(/active coordinator +127\.0\.0\.1:\d+/);
    expect(out).toMatch(/g1 +3 +a +yes +2 of 2 +16384/);
    one.isWriting = false;
    one.alarms = [{ why: 'g1 cannot fail over', sinceMs: 1_800_000_000_000 }];
    const wrong = await run('status');
    expect(wrong).toMatchObject({
      code: 1,
      out: expect.stringContaining('g1 cannot fail over (since 2027-'),
    });
    const { code: jsonCode, out: json } = await run('status', '--json');
    expect([jsonCode, JSON.parse(json)]).toMatchObject([
      1,
      { healthy: false, epoch: 7, groups: [{ id: 'g1', leader: 'a', takesWrites: false }] },
    ]);
  });

  it('shows nodes, the map, and the place of a key', async () => {
    const { out } = await run('nodes');
    expect(out).toMatch(/a +a:1 +z +g1 +master +3 +0 +120ms ago +draining; no space/);
    expect(out).toMatch(/c +c:1 +silent since this coordinator became active +not listed/);
    expect(JSON.parse((await run('nodes', '--json')).out).nodes).toMatchObject([
      { name: 'a', listed: true, draining: true, silent: false, role: 'master', whyNoWrites: 'no space' },
      { name: 'b', silent: false },
      { name: 'c', listed: false, heard: false },
    ]);
    expect((await run('map')).out).toMatch(/^epoch 7\nslots .*\n0-16383 +g1 +a +a a:1, b b:1\n$/);
    expect(JSON.parse((await run('map', '--json')).out)).toMatchObject({ epoch: 7, groups: [{ id: 'g1' }] });
    expect((await run('slot', '123456789')).out).toBe('slot 12739: g1, led by a a:1\n');
    expect(JSON.parse((await run('slot', 'x{123456789}', '--json')).out)).toMatchObject({ slot: 12_739 });
  });

  it('slots ends with 1 where a group could not be asked, and names groups that there are not', async () => {
    one.leader = '';
    const { code, out } = await run('slots');
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(/g1, 16,384 slots\nnot counted +it has no leader now/),
    ]);
    expect(JSON.parse((await run('slots', '--json')).out)).toEqual({
      groups: [{ id: 'g1', slots: 16_384, error: 'it has no leader now' }],
    });
    expect(await run('slots', '--group', 'g9')).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no group g9'),
    });
  });

  it('slots asks a leader how it is first, so that a stopped one is named within seconds', async () => {
    const stopped = await new FakeNode().start();
    stopped.fault = () => 'silent';
    const { map } = one;
    one.map = () => {
      const whole = map.call(one);
      const nodes = [...whole.nodes].map(
        ([name, node]) => [name, { ...node, address: stopped.address }] as const,
      );
      return { ...whole, nodes: new Map(nodes) };
    };
    const ctrlC = new AbortController();
    stopped.fault = () => {
      setImmediate(() => ctrlC.abort());
      return 'silent';
    };
    const args = ['cluster', 'slots', '--coordinators', one.address];
    expect((await runCli(args, { interrupted: ctrlC.signal })).code).toBe(130);
    expect(stopped.calls).toEqual({ Status: 1 });
    stopped.fault = () => 'unavailable';
    expect((await run('slots')).out).toMatch(/g1, 16,384 slots\nnot counted +.*loading/);
    expect(stopped.calls).toEqual({ Status: 2 });
    await stopped.stop();
  });

  it('makes a cluster as it is asked to', async () => {
    expect(await run('init', '--auto', '1')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/ {2}g1: a, b\nIt takes writes\. /),
    });
    expect((await run('init', '--group', 'g1=a,b', '--group', 'g2=c')).code).toBe(0);
    expect(one.asked).toEqual([
      { kind: 'auto', replicas: 1 },
      {
        kind: 'given',
        groups: [
          { id: 'g1', nodes: ['a', 'b'] },
          { id: 'g2', nodes: ['c'] },
        ],
      },
    ]);
    expect(await run('init')).toMatchObject({ code: 2, err: expect.stringContaining('either --auto') });
    for (const wrong of ['g1', 'g1=a,b=c'])
      expect(await run('init', '--group', wrong)).toMatchObject({
        code: 2,
        err: expect.stringContaining('ID=NODE,NODE such as g1=node-1'),
      });
  });

  it('adds a group, and says that it owns no slots', async () => {
    expect(await run('add-group', 'g2=c,d')).toMatchObject({
      code: 0,
      out: 'g2: c, d\nIt takes writes. It owns no slots: nothing moves them yet\n',
    });
    one.isWriting = false;
    const { out } = await run('add-group', 'g2=c,d', '--timeout', '0s', '--json');
    expect(JSON.parse(out)).toEqual({ id: 'g2', nodes: ['c', 'd'], epoch: 8, takesWrites: false });
    expect(one.asked).toEqual([
      { id: 'g2', nodes: ['c', 'd'] },
      { id: 'g2', nodes: ['c', 'd'] },
    ]);
    expect(await run('add-group', 'g2')).toMatchObject({
      code: 2,
      err: expect.stringContaining('ID=NODE,NODE such as g1=node-1'),
    });
  });

  it('init waits until every group takes writes, as long as it may', async () => {
    one.isWriting = false;
    expect(await run('init', '--auto', '1', '--timeout', '1ms')).toMatchObject({
      code: 5,
      err: expect.stringContaining('the map is written, but after 1 ms: g1 does not take writes yet'),
    });
    expect(await run('recover', '--apply', '--timeout', '1ms')).toMatchObject({
      code: 5,
      err: expect.stringContaining('the map is written, but after 1 ms: g1 does not take writes yet'),
    });
    const without = await run('init', '--auto', '1', '--timeout', '0s', '--json');
    expect([without.code, JSON.parse(without.out)]).toMatchObject([0, { takesWrites: false }]);
    let looks = 0;
    const { cluster } = one;
    one.cluster = () => {
      one.isWriting = ++looks > 1;
      return cluster.call(one);
    };
    expect((await run('init', '--auto', '1')).code).toBe(0);
    expect(looks).toBe(2);
  });

  it('nodes marks a silent node, and does not show its last word as if it held now', async () => {
    one.silentMs = 10_700;
    expect((await run('nodes')).out).toMatch(/b +b:1 +z +g1 +was replica +3 +0 +silent for 10\.7s/);
    expect(JSON.parse((await run('nodes', '--json')).out).nodes[1]).toMatchObject({
      name: 'b',
      silent: true,
    });
  });

  it('waits until a planned failover is done, and says where it came to nothing', async () => {
    expect(await run('failover', 'g1', '--to', 'b')).toMatchObject({ code: 0, out: 'b leads g1, term 3\n' });
    expect(await run('failover', 'g1', '--timeout', '0s')).toMatchObject({ out: 'b shall lead g1\n' });
    expect(one.asked).toEqual([
      ['g1', 'b'],
      ['g1', ''],
    ]);
    one.failoverGroup = async () => ({ epoch: one.epoch, to: 'a' });
    expect(await run('failover', 'g1', '--to', 'a')).toMatchObject({
      code: 5,
      err: expect.stringContaining('g1 is led by b: a did not take over'),
    });
    one.next = { term: 4, node: 'a' };
    expect(await run('failover', 'g1', '--to', 'a', '--timeout', '1ms')).toMatchObject({
      code: 5,
      err: expect.stringContaining('a does not lead g1 after 1 ms; the plan stands'),
    });
  });

  it('ends at once when it is interrupted while it waits, and says that the plan stands', async () => {
    one.failoverGroup = async () => ({ epoch: one.epoch, to: 'b' });
    one.next = { term: 4, node: 'b' };
    let looks = 0;
    const ctrlC = new AbortController();
    const { newsFor } = one;
    one.newsFor = () => {
      if (++looks === 2) ctrlC.abort();
      return newsFor.call(one);
    };
    const args = ['cluster', 'failover', 'g1', '--to', 'b', '--coordinators', one.address];
    expect(await runCli(args, { interrupted: ctrlC.signal })).toMatchObject({
      code: 130,
      err: expect.stringContaining('walnut: interrupted: b does not lead g1 yet; the plan stands\n'),
    });
    expect(looks).toBe(2);
  });

  it('drains a node, and lets it lead again', async () => {
    expect((await run('drain', 'a')).out).toContain('a drains: it hands over g1.');
    expect((await run('drain', 'a', '--undo')).out).toBe('a may lead again\n');
    expect(one.asked).toEqual([
      ['a', 'draining'],
      ['a', 'active'],
    ]);
  });

  it('shows what a recovery would do, and does it only with --apply', async () => {
    const shown = await run('recover');
    expect(shown).toMatchObject({
      code: 0,
      out: `cluster ${one.clusterId}, next epoch ${2 ** 32}\n  g1: next term 103, of a\nNothing was changed. Where the metadata store is the right one (coordinator.cluster, coordinator.metadata), do it with: walnut cluster recover --apply\n`,
    });
    expect((await run('recover', '--group', 'g1', '--force')).out).toMatch(
      /Nothing was changed. Do it with: walnut cluster recover --group g1 --force --apply\n$/,
    );
    const forced = await run('recover', '--group', 'g1', '--force', '--timeout', '0s', '--apply');
    expect(forced).toMatchObject({
      code: 0,
      out: expect.stringContaining(
        'what only the disks of b have is lost, and writes that were answered at QUORUM',
      ),
    });
    expect(forced.out).toContain('until enough of b are back on new disks, no write reaches QUORUM');
    expect(forced.out).toMatch(/Done\.\n$/);
    one.problems = ['too few'];
    // Numbers of a plan that cannot be carried out would be taken for those of the cluster.
    expect(await run('recover')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^cluster [0-9a-f]+\n {2}g1: of a\n.*It cannot be done:\n {2}too few\n$/s),
    });
    expect((await run('recover', '--group', 'g1', '--force')).out).not.toContain('is lost');
    expect(JSON.parse((await run('recover', '--json')).out)).toMatchObject({
      applied: false,
      problems: ['too few'],
      groups: [{ id: 'g1', term: 103, heard: ['a'] }],
    });
    for (const wrong of [['--force'], ['--group', 'g1']])
      expect(await run('recover', ...wrong)).toMatchObject({
        code: 2,
        err: expect.stringContaining('together'),
      });
    expect(one.asked.slice(0, 3)).toEqual([
      ['recover', '', false],
      ['recover', 'g1', false],
      ['recover', 'g1', true],
    ]);
  });

  it('says where a draining node goes on leading, and where it leads nothing', async () => {
    one.silentMs = 10_700;
    expect(await run('drain', 'a')).toMatchObject({
      code: 0,
      out: expect.stringContaining('a drains, but goes on leading g1 until another voter could'),
    });
    expect(JSON.parse((await run('drain', 'a', '--json')).out)).toMatchObject({
      keeps: ['g1'],
      handsOver: [],
    });
    expect((await run('drain', 'b')).out).toBe('b drains: it leads nothing now\n');
  });

  it('says how to make a cluster where there is none', async () => {
    one.clusterId = '';
    expect(await run('status')).toMatchObject({
      code: 1,
      out: expect.stringContaining('walnut cluster init'),
    });
    expect((await run('map')).out).toContain('walnut cluster init');
    expect((await run('slot', 'k')).out).toMatch(/^slot \d+: no group owns it\n$/);
  });

  it('does not say so where the store was lost', async () => {
    one.clusterId = '';
    one.alarms = [{ why: 'the store was lost', sinceMs: 1_800_000_000_000 }];
    const { out } = await run('status');
    expect(out).toContain('not in the metadata store: see the alarm');
    expect(out).not.toContain('walnut cluster init');
  });
});
