/** A plain group that is restored from a backup does not take positions of its later terms for its future. */
import { expect, it } from 'vitest';
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { BackupRepository } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { restoreImage } from '#backup/restore-backup.ts';
import { type Position, termOf } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const positionOf = (one: TestNode) => one.node.status().position;

/** A master of term 4, stopped, and a backup of it in term 1, restored to `/restored` on the same disk. */
async function restored() {
  const group = new TestGroup();
  let master = await group.master();
  await group.set(master, 'k', 'in the backup');
  await group.clock.advance(2_000);
  const { fileSystem } = master;
  const parts = { fileSystem, clock: group.clock, random: new SeededRandom(9), logger: silentLogger };
  const repository = new BackupRepository(parts, '/backups');
  const { manifest } = await group.until(createBackup(parts, '/data', repository, { isReplayed: true }));
  for (let i = 0; i < 3; i++)
    master = await group.master({ fileSystem: await group.stop(master), forcedRole: 'master' });
  await group.set(master, 'k', 'after the backup');
  const atLeast = positionOf(master);
  expect(termOf(atLeast.epoch)).toBe(4);
  await group.stop(master);
  const image = imageOfBackup(manifest, (sha256) => repository.objectPath(sha256));
  await group.until(restoreImage(parts, image, { kind: 'end' }, '/restored'));
  const forced = { fileSystem, directory: '/restored', forcedRole: 'master' } as const;
  return { group, atLeast, forced };
}

async function expectLost(group: TestGroup, one: TestNode, atLeast: Position): Promise<void> {
  const read = Promise.resolve().then(() => one.node.get({ key: 'k', waitMs: 0, atLeast }));
  await expect(group.until(read)).rejects.toMatchObject({ code: 'discarded_history' });
  expect(await group.get(one, 'k')).toBe('in the backup');
  expect(termOf(positionOf(one).epoch)).toBe(514);
}

it('a restored group that is forced to lead tells what its later terms wrote as lost, and leads the next term after that', async () => {
  const { group, atLeast, forced } = await restored();
  const first = await group.master(forced);
  await expectLost(group, first, atLeast);
  await group.stop(first);
  expect(termOf(positionOf(await group.master(forced)).epoch)).toBe(515);
});

it('the same where it is promoted: a forced start after that leaves no terms out again', async () => {
  const { group, atLeast, forced } = await restored();
  const replica = await group.start('master', 'replica', {
    ...forced,
    forcedRole: 'replica',
    upstream: 'gone:1',
  });
  await group.until(replica.node.promote(true));
  await expectLost(group, replica, atLeast);
  await group.stop(replica);
  expect(termOf(positionOf(await group.master(forced)).epoch)).toBe(515);
});
