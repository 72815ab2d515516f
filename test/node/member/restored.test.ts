/** Groups of a cluster that were restored from backups become groups of a new cluster, with their slots and their data. */
import { afterEach, expect, it } from 'vitest';
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { BackupRepository } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { restoreImage } from '#backup/restore-backup.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import type { TestNode } from '#test/doubles/test-group.ts';

/** In a slot of the lower half, and in one of the upper. */
const KEYS = { g1: 'bar', g2: 'foo' } as const;
const AT_QUORUM = { durability: 'quorum', timeoutMs: 5_000 } as const;

const running: TestCluster[] = [];

afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

function begun(cluster: TestCluster): TestCluster {
  running.push(cluster);
  return cluster;
}

function masterOf(of: TestCluster, group: string): TestNode {
  const voters = of.coordinator.map?.groups.get(group)?.voters ?? [];
  const master = of.masters.find(({ name }) => voters.some(({ node }) => node === name));
  if (master === undefined) throw new Error(`nobody leads ${group}`);
  return master;
}

/** Backs the directory of a running node up, and restores it beside that; resolves with the disk and the digest. */
async function restored(of: TestCluster, one: TestNode): Promise<{ disk: MemoryFileSystem; digest: string }> {
  const { fileSystem } = one;
  const parts = { fileSystem, clock: of.group.clock, random: new SeededRandom(9), logger: silentLogger };
  const repository = new BackupRepository(parts, '/backups');
  const work = async (): Promise<string> => {
    const { manifest } = await createBackup(parts, '/data', repository, { isReplayed: true });
    const image = imageOfBackup(manifest, (sha256) => repository.objectPath(sha256));
    const asMaster = { ...image, manifest: { ...image.manifest, role: 'master' as const, upstream: '' } };
    return (await restoreImage(parts, asMaster, { kind: 'end' }, '/restored')).digest;
  };
  const digest = await of.group.until(work());
  return { disk: fileSystem, digest };
}

it('two groups own their slots again, reach QUORUM with new disks, and fail over', async () => {
  const old = new TestCluster(1);
  // A group of one is at QUORUM by its own disk alone: its old list must not count.
  await old.foundGroups({ g1: ['a'], g2: ['c', 'd'] });
  for (const [group, key] of Object.entries(KEYS))
    await old.group.set(masterOf(old, group), key, `of ${group}`, AT_QUORUM);
  await old.group.clock.advance(2_000);
  const g1 = await restored(old, masterOf(old, 'g1'));
  const g2 = await restored(old, masterOf(old, 'g2'));

  await old.stop();

  const cluster = begun(new TestCluster(2));
  const adopting = (name: string, fileSystem: MemoryFileSystem) =>
    cluster.start(name, {
      fileSystem,
      directory: '/restored',
      member: { ...cluster.memberOptions(name), adopts: true },
    });
  // The names are those of before: only the incarnations tell the lives apart.
  const a = await adopting('a', g1.disk);
  const c = await adopting('c', g2.disk);
  for (const name of ['b', 'd', 'e']) await cluster.start(name);
  await cluster.group.untilTrue(() => cluster.coordinator.isActive, 'an active coordinator');
  await cluster.group.clock.advance(2_000);
  expect(a.node.ports.admin.digest().digest).toBe(g1.digest);
  expect(c.node.ports.admin.digest().digest).toBe(g2.digest);

  const init = (groups: Readonly<Record<string, readonly string[]>>) => {
    const plans = Object.entries(groups).map(([id, nodes]) => ({ id, nodes }));
    return cluster.group.until(cluster.coordinator.requests.initCluster({ kind: 'given', groups: plans }));
  };
  await expect(init({ g1: ['a', 'b'] })).rejects.toThrow(
    'slots 8192 to 16383 belong to none of g1 by their logs: name the restored group that owns them, too',
  );
  await init({ g1: ['a'], g2: ['c', 'd', 'e'] });
  await cluster.untilLed(20_000, 2);
  expect(masterOf(cluster, 'g1')).toBe(a);
  expect(masterOf(cluster, 'g2')).toBe(c);
  expect(cluster.coordinator.map?.slots).toEqual([
    { first: 0, last: 8_191, group: 'g1' },
    { first: 8_192, last: 16_383, group: 'g2' },
  ]);
  for (const [group, key] of Object.entries(KEYS)) {
    const master = masterOf(cluster, group);
    expect(await cluster.group.get(master, key)).toBe(`of ${group}`);
    const written = await cluster.group.set(master, key, `new of ${group}`, AT_QUORUM);
    expect(written).toMatchObject({ durabilityReached: 'quorum' });
    // A session of the old cluster, which had failed over 100 times after the backup.
    const atLeast = { epoch: makeEpoch(102, 7), lsn: toLsn(3) };
    const lost = Promise.resolve().then(() => master.node.get({ key, waitMs: 0, atLeast }));
    await expect(cluster.group.until(lost)).rejects.toMatchObject({ code: 'discarded_history' });
  }
  await cluster.group.clock.advance(2_000);
  // What the logs list is what the map lists.
  for (const [id, { voters }] of cluster.coordinator.map?.groups ?? [])
    expect([id, voters.map(({ node }) => node)]).toEqual([id, id === 'g1' ? ['a'] : ['c', 'd', 'e']]);
  expect(cluster.coordinator.alarms).toEqual([]);
  cluster.kill('c');
  await cluster.untilLed(20_000, 2);
  expect(await cluster.group.get(masterOf(cluster, 'g2'), KEYS.g2)).toBe('new of g2');
});
