/** Backups of whole clusters: what ties the groups, what is refused, and what comes of a restore and a drill. */
import { beforeEach, describe, expect, it } from 'vitest';
import { BackupRepository } from '#backup/backup-repository.ts';
import { ClusterBackups } from '#backup/cluster-backups.ts';
import { encodeClusterManifest, tryDecodeClusterManifest } from '#backup/cluster-manifest.ts';
import { createBackup } from '#backup/create-backup.ts';
import { createClusterBackup } from '#backup/create-cluster-backup.ts';
import type { FoldTarget } from '#backup/fold-log.ts';
import { type DrilledGroup, drillCluster, restoreCluster } from '#backup/restore-cluster.ts';
import type { SlotRun } from '#model/slots.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { fileParts, LiveLog } from '#test/backup/live-log.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { readWholeFile } from '#wal/whole-files.ts';

const CLUSTER = 'c'.repeat(32);
const LOW = [{ first: 0, last: 8_191 }];
const HIGH = [{ first: 8_192, last: 16_383 }];
const END: FoldTarget = { kind: 'end' };

let parts: typeof fileParts;
let disk: MemoryFileSystem;
/** How far the clocks are ahead. */
let shiftMs: number;
let repository: BackupRepository;
let backups: ClusterBackups;

beforeEach(() => {
  disk = new MemoryFileSystem();
  shiftMs = 0;
  const clock = createNodeClock();
  parts = {
    ...fileParts,
    fileSystem: disk,
    clock: {
      ...clock,
      wallMs: () => clock.wallMs() + shiftMs,
      monotonicMs: () => clock.monotonicMs() + shiftMs,
    },
  };
  repository = new BackupRepository(parts, '/backups');
  backups = new ClusterBackups(repository);
});

interface Wanted {
  readonly owned?: readonly SlotRun[];
  readonly clusterId?: string;
  readonly role?: 'master' | 'replica';
  /** How long after its first record its log says the slots. */
  readonly ownedAfterMs?: number;
}

/** The directory of a member of a group, with some records; it is stopped. */
async function member(
  group: string,
  { owned, clusterId = CLUSTER, role = 'master', ownedAfterMs = 0 }: Wanted,
): Promise<string> {
  const path = `/data/${group}-${clusterId.slice(0, 1)}`;
  const live = await LiveLog.open(path, { parts, seed: group.length + 3, role, formatLevel: 1 });
  const place = { cluster: 'main', node: `${group}-1`, clusterId, group };
  await live.host.directory.update((manifest) => ({ ...(manifest as Manifest), member: place }));
  shiftMs += ownedAfterMs;
  if (owned !== undefined)
    await new Promise<void>((resolve) =>
      live.engine.submitOwnership({ mapEpoch: 3, owned }, () => resolve()),
    );
  await live.write(20);
  await live.close();
  return path;
}

const create = (directories: readonly string[], ids: readonly string[] = []) =>
  createClusterBackup(parts, repository, { directories, backups: ids }, () => {});
const whole = async () =>
  create([await member('g1', { owned: LOW }), await member('g2', { owned: HIGH, role: 'replica' })]);
const restore = (id: string, to: string, more: { target?: FoldTarget; only?: readonly string[] } = {}) =>
  backups
    .find(id)
    .then((manifest) => restoreCluster(parts, repository, manifest, { to, target: END, ...more }, () => {}));

/** Alters a byte of the largest object of a group's backup. */
async function damage(backup: string): Promise<void> {
  const { files } = await repository.find(backup);
  const [largest] = [...files].sort((a, b) => b.bytes - a.bytes);
  const file = await parts.fileSystem.open(repository.objectPath(largest?.sha256 ?? ''), 'write');
  await file.write(Buffer.of(0xff, 0xff, 0xff), (largest?.bytes ?? 0) - 40);
  await file.close();
}

describe('a backup of a cluster', () => {
  it('ties a backup of each group, each at its own position, with its digest and slots', async () => {
    const { manifest } = await whole();
    expect(manifest).toMatchObject({
      cluster: 'main',
      clusterId: CLUSTER,
      groups: [
        { group: 'g1', owned: LOW, to: { lsn: 22 } },
        { group: 'g2', owned: HIGH, to: { lsn: 22 } },
      ],
    });
    const [one, two] = manifest.groups;
    expect(one?.digest).not.toBe(two?.digest);
    expect(await backups.find('latest')).toEqual(manifest);
    expect(await repository.find(one?.backup ?? '')).toMatchObject({
      place: { cluster: 'main', clusterId: CLUSTER, group: 'g1' },
      state: { digest: one?.digest, owned: LOW },
    });
    // A backup of one group stays one by itself.
    expect(await repository.list()).toHaveLength(2);
  });

  it('may tie what walnut backup create --verify made elsewhere', async () => {
    const path = await member('g2', { owned: HIGH });
    const { manifest: two } = await createBackup(parts, path, repository, { isReplayed: true });
    const { manifest } = await create([await member('g1', { owned: LOW })], [two.id]);
    expect(manifest.groups.map(({ group, backup }) => [group, backup])).toEqual([
      ['g1', expect.any(String)],
      ['g2', two.id],
    ]);
    const { manifest: blind } = await createBackup(parts, path, repository, { isReplayed: false });
    await expect(create([], [blind.id])).rejects.toThrow('was not replayed when it was made');
  });

  it('is refused where a group is missing, named twice, of another cluster, or of none, and is not there then', async () => {
    const g1 = await member('g1', { owned: LOW });
    await expect(create([g1])).rejects.toThrow(
      'a group is missing: slots 8192 to 16383 belong to none of g1. See whose they are with walnut cluster map',
    );
    await expect(create([g1, g1])).rejects.toThrow('are both of group g1');
    const other = await member('g2', { owned: HIGH, clusterId: 'd'.repeat(32) });
    await expect(create([g1, other])).rejects.toThrow(
      `${other} is of cluster main (${'d'.repeat(32)}), and ${g1} of cluster main (${CLUSTER})`,
    );
    const overlapping = await member('g2', { owned: [{ first: 8_000, last: 16_383 }] });
    await expect(create([g1, overlapping])).rejects.toThrow('slot 8000 belongs to g1 and to g2');
    const silent = await member('g3', {});
    await expect(create([g1, silent])).rejects.toThrow('does not say which slots it owns');
    const plain = await LiveLog.open('/data/plain', { parts });
    await plain.write(1);
    await plain.close();
    await expect(create([g1, '/data/plain'])).rejects.toThrow('belongs to no group of a cluster');
    expect(await backups.list()).toEqual([]);
  });

  it('has a manifest of which no byte can be changed unnoticed', async () => {
    const { manifest } = await whole();
    const bytes = encodeClusterManifest(manifest);
    expect(tryDecodeClusterManifest(bytes)).toEqual(manifest);
    for (let i = 0; i < bytes.length; i += 7) {
      const altered = Buffer.from(bytes);
      altered[i] = (altered[i] as number) ^ 1;
      expect(tryDecodeClusterManifest(altered)).toBeTypeOf('string');
    }
    const climbing = { ...manifest, groups: manifest.groups.map((one) => ({ ...one, group: '../g1' })) };
    expect(tryDecodeClusterManifest(encodeClusterManifest(climbing))).toContain('it names a group');
  });
});

describe('a restore of a cluster', () => {
  it('makes the directory of a master without a cluster for each group, with the digest of the backup', async () => {
    const { manifest } = await whole();
    const done = await restore(manifest.id, '/restored');
    expect(done.map(({ directory, restored }) => [directory, restored.digest])).toEqual(
      manifest.groups.map(({ group, digest }) => [`/restored/${group}`, digest]),
    );
    for (const { directory } of done) {
      const bytes = await readWholeFile(parts.fileSystem, `${directory}/MANIFEST`);
      expect(tryDecodeManifest(bytes)).toMatchObject({ role: 'master', upstream: '', quarantine: null });
      expect(tryDecodeManifest(bytes)).not.toHaveProperty('member');
    }
    await expect(restore(manifest.id, '/restored')).rejects.toThrow('/restored/g1 is not empty');
  });

  it('makes nothing where any group is damaged or missing', async () => {
    const { manifest } = await whole();
    const two = manifest.groups[1]?.backup ?? '';
    await damage(two);
    await expect(restore(manifest.id, '/restored')).rejects.toThrow('SHA-256 differs');
    expect(await parts.fileSystem.stat('/restored/g1')).toBeUndefined();
    // One that is whole can be restored by itself.
    expect(await restore(manifest.id, '/restored', { only: ['g1'] })).toHaveLength(1);
    await expect(restore(manifest.id, '/other', { only: ['g7'] })).rejects.toThrow('it has g1, g2');
    await parts.fileSystem.remove(`/backups/${two}.backup.json`);
    await expect(restore(manifest.id, '/more')).rejects.toThrow(`g2 is missing: its backup ${two} is not in`);
    expect(await parts.fileSystem.stat('/more/g1')).toBeUndefined();
  });

  it('refuses a backup that took the place of the one that was tied', async () => {
    const { manifest } = await whole();
    const backup = await repository.find(manifest.groups[0]?.backup ?? '');
    await repository.putManifest({ ...backup, term: 77 });
    await expect(restore(manifest.id, '/restored')).rejects.toThrow(
      'the manifest of g1 is another one than when the backup of the cluster was made',
    );
  });
});

describe('a restore of a cluster to a time', () => {
  /** When the log of g1 begins. It says its slots 1,000 s later; that of g2 begins then, and says its own 1,000 s later. */
  let begunMs: number;

  const late = async (): Promise<string> => {
    begunMs = parts.clock.wallMs();
    const paths = [
      await member('g1', { owned: LOW, ownedAfterMs: 1_000_000 }),
      await member('g2', { owned: HIGH, ownedAfterMs: 1_000_000 }),
    ];
    shiftMs += 1_000_000;
    return (await create(paths)).manifest.id;
  };
  const at = (seconds: number): { target: FoldTarget } => ({
    target: { kind: 'time', timeMs: begunMs + seconds * 1_000 },
  });

  it('is refused before the first record, naming group and backup, and makes nothing', async () => {
    const id = await late();
    const ids = (await backups.find(id)).groups.map(({ backup }) => backup);
    const early = /is before its beginning: its first record is of \d{4}-/;
    await expect(restore(id, '/restored', at(-1))).rejects.toThrow(`group g1, backup ${ids[0]}: `);
    await expect(restore(id, '/restored', at(500))).rejects.toThrow(`group g2, backup ${ids[1]}: `);
    await expect(restore(id, '/restored', at(500))).rejects.toThrow(early);
    expect(disk.paths('/restored')).toEqual([]);
    // Backups of v0.1.0 do not say when their first record was written.
    for (const one of ids)
      await repository.putManifest({ ...(await repository.find(one)), fromTimestampMs: 0 });
    const { manifest } = await create([], ids);
    await expect(restore(manifest.id, '/restored', at(-1))).rejects.toThrow(early);
    expect(disk.paths('/restored')).toEqual([]);
  });

  it('is refused while a log does not say which slots its group owns, and makes nothing', async () => {
    const id = await late();
    await expect(restore(id, '/restored', at(1_500))).rejects.toThrow(
      /the log of group g2 did not say at .* yet which/,
    );
    const only = { only: ['g1'] };
    await expect(restore(id, '/restored', { ...at(500), ...only })).rejects.toThrow(
      'the log of group g1 did not',
    );
    expect(disk.paths('/restored')).toEqual([]);
    expect(await restore(id, '/one', { ...at(1_500), ...only })).toHaveLength(1);
    expect(await restore(id, '/restored', at(2_500))).toHaveLength(2);
  });

  it('takes the newest backup that reaches the time', async () => {
    const id = await late();
    const [one = '', two = ''] = (await backups.find(id)).groups.map(({ backup }) => backup);
    const moved = {
      ...(await repository.find(one)),
      id: `3${one.slice(1)}`,
      fromTimestampMs: begunMs + 2_400_000,
    };
    await repository.putManifest(moved);
    shiftMs += 1_000;
    const tied = (await create([], [moved.id, two])).manifest.id;
    const found = (target: FoldTarget): Promise<string> =>
      backups.findReaching(target).then((manifest) => manifest.id);
    expect(await found(END)).toBe(tied);
    expect(await found(at(2_450).target)).toBe(tied);
    expect(await found(at(2_100).target)).toBe(id);
    await expect(found(at(-1).target)).rejects.toThrow(
      /reaches there\ngroup g1, backup 3.*\ngroup g1, backup 2/,
    );
  });
});

it('names no newest backup where a repository has those of several clusters', async () => {
  const { manifest } = await whole();
  await backups.put({ ...manifest, id: `x${manifest.id}`, clusterId: 'd'.repeat(32) });
  await expect(backups.findReaching(END)).rejects.toThrow(
    `has backups of 2 clusters. Name one backup; the newest of each is of main (${CLUSTER}) /backups/${manifest.id}, of main (`,
  );
});

describe('a drill of a cluster', () => {
  const drill = async (id: string, isKept = false): Promise<DrilledGroup[]> => {
    const drilled: DrilledGroup[] = [];
    const manifest = await backups.find(id);
    await drillCluster(parts, repository, manifest, '/scratch', isKept, (one) => drilled.push(one));
    return drilled;
  };

  it('restores each group, compares its digest, and leaves nothing', async () => {
    const { manifest } = await whole();
    expect(await drill(manifest.id)).toMatchObject(
      manifest.groups.map(({ group, digest }) => ({ group, failure: undefined, restored: { digest } })),
    );
    expect(await parts.fileSystem.readDirectory('/scratch/g1')).toEqual([]);
  });

  it('goes on where a group is damaged, and says which', async () => {
    const { manifest } = await whole();
    await damage(manifest.groups[0]?.backup ?? '');
    expect(await drill(manifest.id)).toMatchObject([
      { group: 'g1', failure: expect.stringContaining('SHA-256 differs') },
      { group: 'g2', failure: undefined },
    ]);
  });

  it('notices a digest that is another one than that of the backup', async () => {
    const { manifest } = await whole();
    const [one, two] = manifest.groups;
    const swapped = [{ ...one, digest: two?.digest }, two] as typeof manifest.groups;
    await backups.put({ ...manifest, groups: swapped });
    expect(await drill(manifest.id)).toMatchObject([
      { group: 'g1', failure: expect.stringContaining('when it was backed up it had') },
      { failure: undefined },
    ]);
  });
});
