/**
 * Runs each runbook of docs/cluster.md with the commands that it states, in their order, on
 * one cluster of real processes: an etcd of three members, two coordinators, three nodes.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, RealNodes } from '#test/cmd/real-node.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { EtcdProcess, HAS_ETCD } from '#test/metadata/etcd-process.ts';
import { GROUP, type Party, ProcessCluster } from '#test/torture/process-cluster.ts';
import { Runbook, readRunbooks, untyped } from './runbook.ts';

const HAS_ETCDCTL = spawnSync('etcdctl', ['version']).status === 0;
const RESTORING = 'Restoring etcd from a backup';
const MEMBERS = [0, 1, 2];
const TIMEOUT_MS = 60_000;
const SECTIONS = readRunbooks('docs/cluster.md');

let scratch = '';
let etcd: EtcdProcess;
let cluster: ProcessCluster;
const written: string[] = [];
const coordinators = (): { WALNUT_COORDINATORS: string } => ({
  WALNUT_COORDINATORS: cluster.coordinators.map(({ process }) => process.address).join(),
});

/** Writes at QUORUM: the group serves. */
async function write(key: string): Promise<void> {
  await eventually(async () => {
    const request = { key, value: 'eA==', durability: 'DURABILITY_QUORUM', timeoutMs: 2_000 };
    const { process } = await cluster.master();
    const { body } = await process.call('KVStore/Set', request);
    return body.durabilityReached === 'DURABILITY_QUORUM';
  }, `${key} reaches QUORUM`);
  written.push(key);
}

/** Everything that was written is there. */
async function expectAll(): Promise<void> {
  const operations = written.map((key) => ({ get: { key } }));
  let results: { get: { found?: boolean } }[] | undefined;
  await eventually(async () => {
    const { process } = await cluster.master();
    results = (await process.call('KVStore/Batch', { operations })).body.results;
    return results !== undefined;
  }, 'the master answers');
  expect(results?.map(({ get }) => get.found)).toEqual(written.map(() => true));
}

/** Types the next command of that kind until the answer is as expected. */
async function until(
  type: () => Promise<{ code: number; out: string }>,
  isSo: (out: string) => boolean,
): Promise<void> {
  await eventually(async () => {
    const { code, out } = await type();
    return code === 0 && isSo(out);
  }, 'the command says so');
}

/** The command of the heading, which may be typed again and again. */
const again =
  (heading: string, begin: string, ...more: string[]) =>
  async () =>
    new Runbook(heading, SECTIONS).type(begin, coordinators(), ...more);
const other = (master: Party): Party => cluster.members.find((one) => one !== master) as Party;

describe.skipIf(!HAS_ETCD)('the runbooks of a cluster', { timeout: TIMEOUT_MS }, () => {
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'walnut-runbook-'));
    etcd = await EtcdProcess.start(3);
    cluster = await ProcessCluster.start({ directory: scratch, random: new SeededRandom(1), etcd });
    await write('first');
  }, TIMEOUT_MS);
  afterAll(async () => {
    await cluster?.destroy();
    await etcd?.stop();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  it('Maintenance of a node: drained, worked on, and back', async () => {
    const heading = 'Maintenance of a node';
    const book = new Runbook(heading, SECTIONS);
    const master = await cluster.master();
    const places = { NODE: master.name, ...coordinators() };
    expect((await book.type('cluster drain', places)).code).toBe(0);
    await until(again(heading, 'cluster status', '--json'), (out) => hasOtherLeader(out, master));
    await master.process.destroy();
    master.restart();
    await write('during maintenance');
    await book.type('cluster status', coordinators());
    expect((await book.type('cluster drain NODE --undo', places)).code).toBe(0);
    await expectAll();
  });

  it('A member of etcd is lost: nothing stops, and it comes back', async () => {
    const status = again('A member of etcd is lost', 'cluster status');
    await etcd.kill(1);
    await write('without a member of etcd');
    await until(status, () => true);
    etcd.restart(1);
    await until(status, (out) => out.includes(GROUP));
  });

  it('A coordinator is lost: nothing stops, and another one acts', async () => {
    const heading = 'A coordinator is lost';
    const active = (await cluster.active()) as Party;
    await active.process.destroy();
    await write('without the coordinator');
    await until(again(heading, 'cluster status'), () => true);
    active.restart();
  });

  it('A master is lost: another leads, and the lost one follows when it is back', async () => {
    const heading = 'A master is lost';
    const master = await cluster.master();
    await master.process.destroy();
    await until(again(heading, 'cluster status', '--json'), (out) => hasOtherLeader(out, master));
    await write('without the master');
    const nodes = again(heading, 'cluster nodes');
    await until(nodes, (out) => new RegExp(`^${master.name} .*silent`, 'm').test(out));
    master.restart();
    await until(nodes, (out) => !out.includes('silent'));
    await expectAll();
  });

  it('A disk is lost: the node takes its place again with an empty directory', async () => {
    const heading = 'A disk is lost';
    const book = new Runbook(heading, SECTIONS);
    const leader = await cluster.master();
    const lost = other(leader);
    const map = again(heading, 'cluster map --json');
    const before = incarnationOf((await map()).out, lost.name);
    await lost.process.destroy();
    await rm(join(scratch, lost.name), { recursive: true });
    lost.restart();
    await until(map, (out) => incarnationOf(out, lost.name) !== before);
    const compared = await book.type('digest --compare', { LEADER: leader.process.address });
    expect(compared).toMatchObject({ code: 0, err: '' });
    await expectAll();
  });

  it('Restoring etcd from a backup: one that is new enough changes nothing, an older one is noticed and recovered from', async (context) => {
    const heading = RESTORING;
    if (!HAS_ETCDCTL) return context.skip('SKIPPED: no etcdctl here');
    const backup = join(scratch, 'backup.db');
    const book = new Runbook(heading, SECTIONS);
    await until(again(heading, 'cluster nodes'), (out) => !out.includes('silent'));
    book.etcdctl('--endpoints', { ENDPOINT: etcd.endpoints[0]?.text ?? '', BACKUP: backup });
    await restore(heading, backup);
    await until(again(heading, 'cluster status'), () => true);
    await write('after the restore');

    const master = await cluster.master();
    await master.process.destroy();
    await write('after the backup');
    master.restart();
    await restore(heading, backup);
    await eventually(async () => {
      const { code, out } = await again(heading, 'cluster status')();
      return code === 1 && out.includes('the store was lost, or restored from a backup');
    }, 'the alarm is shown');
    await write('in spite of the older store');
    await until(again(heading, 'cluster recover'), (out) => out.includes('Nothing was changed'));
    expect(await book.type('cluster recover --apply', coordinators())).toMatchObject({ code: 0 });
    await until(again(heading, 'cluster status'), () => true);
    await write('after the recovery');
    await expectAll();
  });

  it('Backing up a cluster, and Restoring a cluster from a backup', async () => {
    const [backups, restored] = [join(scratch, 'backups'), join(scratch, 'restored')];
    await write('before the backup');
    const { name } = await cluster.master();
    const places = { REPOSITORY: backups, DIRECTORY: join(scratch, name), NEWDIR: restored };
    const saving = new Runbook('Backing up a cluster', SECTIONS);
    expect(await saving.type('cluster backup', places)).toMatchObject({ code: 0 });
    const { out: json } = await saving.type('backup create', places, '--json');
    const ID = JSON.parse(json).id;
    expect(await saving.type('cluster backup', { ...places, ID })).toMatchObject({ code: 0 });
    expect((await saving.type('backup list', places)).out).toContain(` of ${GROUP} in `);
    expect(await saving.type('cluster drill', places)).toMatchObject({ code: 0 });
    expect((await saving.type('cluster backups', places)).out).toContain(`${GROUP} at `);

    const book = new Runbook('Restoring a cluster from a backup', SECTIONS);
    expect(await book.type('cluster restore', places)).toMatchObject({ code: 0 });
    expect(await book.type('cluster backups', places)).toMatchObject({ code: 0 });
    const processes = new RealNodes();
    try {
      const file = `coordinator.metadata.file=${join(scratch, 'new.db')}`;
      const coordinator = await processes.start({ binary: 'coordinator', sets: [file] });
      const start = (node: string, more: string[]) =>
        processes.start({
          binary: 'node',
          sets: [`cluster.node=${node}`, `cluster.coordinators=${coordinator.address}`, ...more],
        });
      const x = await start('x', [`wal.directory=${join(restored, GROUP)}`, 'cluster.adopt=true']);
      const y = await start('y', []);
      const env = { WALNUT_COORDINATORS: coordinator.address };
      const init = { ...env, 'GROUP=NODE,NODE': `${GROUP}=x,y` };
      await until(
        async () => new Runbook('Restoring a cluster from a backup', SECTIONS).type('cluster init', init),
        (out) => out.includes('It takes writes'),
      );
      expect(await book.type('cluster status', env)).toMatchObject({ code: 0 });
      expect((await book.type('cluster slots', env)).out).toMatch(/holds +\d+ entries/);
      const set = { key: 'new', value: 'eA==', durability: 'DURABILITY_QUORUM', timeoutMs: 10_000 };
      expect((await x.call('KVStore/Set', set)).body.durabilityReached).toBe('DURABILITY_QUORUM');
      for (const key of written)
        await eventually(async () => (await y.call('KVStore/Get', { key })).body.found, `${key} is on y`);
    } finally {
      await processes.end();
    }
  });

  it('state no command that no test types', () => {
    const left = untyped(SECTIONS);
    expect(HAS_ETCDCTL ? left : left.filter((command) => !command.startsWith(RESTORING))).toEqual([]);
  });
});

/** Steps 1 to 3 of the runbook. */
async function restore(heading: string, backup: string): Promise<void> {
  await Promise.all(cluster.coordinators.map(({ process }) => process.destroy()));
  for (const member of MEMBERS) {
    await etcd.kill(member);
    const directory = etcd.flag(member, 'data-dir');
    await rm(directory, { recursive: true });
    new Runbook(heading, SECTIONS).etcdctl('snapshot restore', {
      BACKUP: backup,
      NAME: etcd.flag(member, 'name'),
      DIRECTORY: directory,
      MEMBERS: etcd.flag(member, 'initial-cluster'),
      URL: etcd.flag(member, 'initial-advertise-peer-urls'),
    });
  }
  for (const member of MEMBERS) etcd.restart(member);
  for (const coordinator of cluster.coordinators) coordinator.restart();
}

function hasOtherLeader(out: string, { name }: Party): boolean {
  const { groups } = JSON.parse(out) as { groups: { id: string; leader: string }[] };
  const leader = groups.find(({ id }) => id === GROUP)?.leader ?? '';
  return leader !== '' && leader !== name;
}

function incarnationOf(out: string, node: string): unknown {
  const { groups } = JSON.parse(out) as { groups: { voters: { node: string; incarnation: unknown }[] }[] };
  return groups[0]?.voters.find((voter) => voter.node === node)?.incarnation;
}
