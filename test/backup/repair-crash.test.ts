/** The power goes at every call of a repair: what is left is the damaged log, whole, or the repaired one. */
import { describe, expect, it } from 'vitest';
import { applyRepair, type Cut, planRepair } from '#backup/repair/repair-directory.ts';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { DIR, Rig, stateOf } from '#test/engine/rig.ts';
import { tryDecodeManifest } from '#wal/manifest.ts';
import { openDirectory } from '#wal/wal-directory.ts';

type Files = ReadonlyMap<string, Buffer>;

interface Scenario {
  /** The directory has taken the step to format level 1, and its records have content types. */
  readonly isStepped?: boolean;
  readonly checkpointAt: number | undefined;
  readonly retentionBytes: number;
  readonly damage: (files: Map<string, Buffer>) => void;
}

const flip = (bytes: Buffer | undefined, at: number): void => {
  if (bytes === undefined) throw new Error('no such file');
  bytes[at] = (bytes[at] as number) ^ 1;
};
const segmentsOf = (files: Files): string[] =>
  [...files.keys()].filter((path) => path.endsWith('.wal')).sort();
const snapshotOf = (files: Files): string =>
  [...files.keys()].find((path) => path.endsWith('.snapshot')) ?? '';

const SCENARIOS: readonly (readonly [string, Scenario])[] = [
  [
    'a damaged segment',
    {
      checkpointAt: undefined,
      retentionBytes: 0,
      damage: (files) => flip(files.get(segmentsOf(files)[1] as string), 300),
    },
  ],
  [
    'a damaged snapshot, given up',
    {
      checkpointAt: 20,
      retentionBytes: 1 << 20,
      damage: (files) => flip(files.get(snapshotOf(files)), 200),
    },
  ],
  [
    'a damaged snapshot, and a damaged segment in the log that replaces it',
    {
      checkpointAt: 20,
      retentionBytes: 1 << 20,
      damage: (files) => {
        flip(files.get(snapshotOf(files)), 200);
        flip(files.get(segmentsOf(files)[1] as string), 300);
      },
    },
  ],
  [
    'a damaged snapshot, and a damaged segment in the log that replaces it, of format level 1',
    {
      isStepped: true,
      checkpointAt: 20,
      retentionBytes: 1 << 20,
      damage: (files) => {
        flip(files.get(snapshotOf(files)), 200);
        flip(files.get(segmentsOf(files)[1] as string), 300);
      },
    },
  ],
];

async function damagedFiles({ checkpointAt, retentionBytes, damage, isStepped }: Scenario): Promise<Files> {
  const rig = await Rig.open({ maxFileBytes: 1_024, retentionBytes });
  if (isStepped) await rig.until(rig.engine.formats.take());
  for (let i = 0; i < 60; i++) {
    if (i === checkpointAt) await rig.until(rig.host.checkpoint());
    await rig.set(`key ${i % 9}`, `value ${i}`.repeat(5), isStepped ? { contentType: 'text/plain' } : {});
  }
  const disk = await rig.close();
  const files = new Map<string, Buffer>();
  for (const path of disk.paths(DIR)) if (!path.endsWith('/LOCK')) files.set(path, disk.content(path));
  damage(files);
  return files;
}

function diskOf(files: Files, seed: number): MemoryFileSystem {
  const disk = new MemoryFileSystem({ seed, pageBytes: 64, hasShortWrites: seed % 2 === 0 });
  for (const [path, bytes] of files) disk.put(path, bytes);
  return disk;
}

const partsOf = (fileSystem: MemoryFileSystem) => ({
  fileSystem,
  clock: new VirtualClock(),
  random: new SeededRandom(1),
});

async function repair(disk: MemoryFileSystem): Promise<void> {
  const directory = await openDirectory({ fileSystem: disk, path: DIR, logger: silentLogger });
  const plan = await planRepair(partsOf(disk), DIR, true);
  if (plan.kind === 'cut') await applyRepair(directory, plan, partsOf(disk));
  await directory.close();
}

function incarnationIn(disk: MemoryFileSystem): number | undefined {
  const manifest = tryDecodeManifest(disk.content(`${DIR}/MANIFEST`));
  return typeof manifest === 'string' ? undefined : manifest.incarnation;
}

/** Every original, byte by byte, is in its place or aside. */
function expectNothingGone(files: Files, disk: MemoryFileSystem, label: string): void {
  const contents = new Set(disk.paths(DIR).map((path) => disk.content(path).toString('base64')));
  for (const [path, bytes] of files) {
    if (path.endsWith('MANIFEST')) continue;
    expect(contents.has(bytes.toString('base64')), `${label}: ${path}`).toBe(true);
  }
}

describe.each(SCENARIOS)('the repair of %s', (_name, scenario) => {
  it('survives a power cut at every call', async () => {
    const files = await damagedFiles(scenario);
    const plan = (await planRepair(partsOf(diskOf(files, 1)), DIR, true)) as Cut;
    expect(plan.kind).toBe('cut');
    const whole = diskOf(files, 1);
    const before = whole.callCount;
    await repair(whole);
    const calls = whole.callCount - before;
    expect(calls).toBeGreaterThan(8);
    // A cluster must not count it as the member that had the records.
    expect(incarnationIn(whole)).not.toBe(incarnationIn(diskOf(files, 1)));
    const outcomes = new Set<string>();
    for (let call = 1; call <= calls; call++) {
      const disk = diskOf(files, call);
      disk.crashAtCall = disk.callCount + call;
      await repair(disk).catch(() => {});
      expect(disk.isCrashed).toBe(true);
      for (let seed = 0; seed < 3; seed++) {
        const label = `call ${call}, seed ${seed}`;
        const after = disk.crash(call * 10 + seed);
        expectNothingGone(files, after, label);
        const now = await planRepair(partsOf(after), DIR, true);
        outcomes.add(now.kind);
        if (now.kind === 'cut') expect([now.keep, now.loss], label).toEqual([plan.keep, plan.loss]);
        else if (now.kind === 'nothing') expect(now.rehearsal?.end, label).toEqual(plan.keep);
        await repair(after);
        expectNothingGone(files, after, label);
        const rig = await Rig.open({ fileSystem: after, maxFileBytes: 1_024 });
        // A cut log goes on with an epoch of its own; a dropped snapshot changes no history.
        expect(rig.engine.store.stateDigest(), label).toBe(plan.rehearsal.store.stateDigest());
        expect(stateOf(rig.engine)).toContain(` ${plan.rehearsal.store.entries} `);
        await rig.close();
      }
    }
    expect(outcomes).toEqual(new Set(['cut', 'nothing']));
  });
});
