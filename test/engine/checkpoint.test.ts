import { describe, expect, it } from 'vitest';
import { checkFrames } from '#engine/checked-frames.ts';
import { loadSnapshot } from '#engine/open-engine.ts';
import type { StoreLimits } from '#model/entry.ts';
import type { File, OpenMode } from '#platform/file-system.ts';
import type { SnapshotMeta } from '#storage/snapshot-header.ts';
import { createStore, type Store } from '#storage/store.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import {
  DIR,
  deleteOf,
  drainVictims,
  type LoggedRecord,
  openBareHost,
  Rig,
  setOf,
  settled,
  stateOf,
  toRecord,
  UNLIMITED,
  watch,
} from '#test/engine/rig.ts';
import { frameAfter } from '#test/wal/harness.ts';
import { encodeFrame } from '#wal/frame.ts';
import { WalOpenError } from '#wal/wal-errors.ts';

/** Small segments and no retention, so that a checkpoint has something to delete. */
const TIGHT = { maxFileBytes: 2_000, retentionBytes: 0 } as const;

async function filled(options: Parameters<typeof Rig.open>[0] = {}): Promise<Rig> {
  const rig = await Rig.open(options);
  for (let i = 0; i < 40; i++) await rig.set(`k${i % 15}`, `value ${i}`.padEnd(100, '.'));
  await rig.delete('k3');
  return rig;
}

function load(
  fileSystem: MemoryFileSystem,
  name: string,
): Promise<{ store: Store; meta: SnapshotMeta; entries: number }> {
  const random = new SeededRandom(9);
  return loadSnapshot(`${DIR}/${name}`, { fileSystem, clock: new VirtualClock(), random }, () => undefined);
}

function digestAt(records: readonly LoggedRecord[], lsn: number): string {
  const store = createStore({ limits: UNLIMITED });
  for (const { position, mutations } of records) {
    if (position.lsn > lsn) break;
    for (const mutation of mutations) store.apply(mutation, position);
  }
  return store.stateDigest();
}

/** A disk on which writes to a snapshot being made wait, from `hold` on. */
class SlowSnapshots extends MemoryFileSystem {
  #gate = Promise.resolve();
  #open: ((error?: Error) => void) | undefined;

  hold(): void {
    this.#gate = new Promise((resolve, reject) => {
      this.#open = (error) => (error === undefined ? resolve() : reject(error));
    });
  }

  release(error?: Error): void {
    this.#open?.(error);
  }

  override async open(path: string, mode: OpenMode): Promise<File> {
    const file = await super.open(path, mode);
    if (!path.endsWith('.tmp') || !path.includes('.snapshot')) return file;
    const write = file.write.bind(file);
    file.write = async (source, position) => {
      await this.#gate;
      return write(source, position);
    };
    return file;
  }
}

describe('a checkpoint', () => {
  it('is exact at its position though writes go on', async () => {
    const rig = await Rig.open({ fsync: 'interval', maxFileBytes: 64 << 20 });
    const random = new SeededRandom(4);
    const records: LoggedRecord[] = [];
    rig.engine.appliedFrames.subscribe((frame) => {
      records.push(toRecord({ ...frame, payload: Buffer.from(frame.payload) }));
    });
    for (let i = 0; i < 3_000; i++) void rig.master.set(setOf(`k${i}`, 'x'.repeat(400)));
    await rig.settle();
    const at = rig.engine.position;
    const checkpoint = watch(rig.host.checkpoint());
    let turns = 0;
    for (; checkpoint.value === undefined && turns < 5_000; turns++) {
      for (let i = 0; i < 20; i++) {
        const key = `k${random.below(3_500)}`;
        if (random.chance(0.3)) void rig.master.delete(deleteOf(key));
        else void rig.master.set(setOf(key, `new ${turns}`));
      }
      rig.get(`k${random.below(3_500)}`);
      await (turns % 10 === 9 ? rig.clock.advance(10) : new Promise((resolve) => setImmediate(resolve)));
    }
    expect(checkpoint.value).toMatchObject({ position: at, entries: 3_000 });
    expect(rig.engine.position.lsn).toBeGreaterThan(at.lsn + 100);
    const snapshot = await load(rig.fileSystem, rig.host.manifest.snapshot);
    expect(snapshot.meta.position).toMatchObject(at);
    expect(snapshot.entries).toBe(3_000);
    expect(snapshot.store.stateDigest()).toBe(digestAt(records, at.lsn));
    await rig.settle();
    const live = stateOf(rig.engine);
    const again = await Rig.open({ fileSystem: await rig.close(), fsync: 'interval' });
    expect(stateOf(again.engine)).toBe(live);
  });

  it('delays the log while more than 64 MiB wait for a slow disk, and lets it go on', async () => {
    const fileSystem = new SlowSnapshots();
    const rig = await Rig.open({ fileSystem, fsync: 'interval', maxFileBytes: 200 << 20 });
    const mebibyte = 'x'.repeat(1 << 20);
    for (let i = 0; i < 70; i++) await rig.set(`k${i}`, mebibyte);
    const digest = rig.engine.store.stateDigest();
    fileSystem.hold();
    const checkpoint = watch(rig.host.checkpoint());
    await rig.settle();
    const sets: ReturnType<typeof watch>[] = [];
    for (let i = 0; i < 70; i++) {
      sets.push(watch(rig.master.set(setOf(`k${i}`, 'small'))));
      await rig.settle();
    }
    const applied = sets.filter(({ value }) => value !== undefined).length;
    expect(applied).toBeGreaterThan(60);
    expect(applied).toBeLessThan(70);
    expect(rig.get('k69')).toBe(mebibyte);
    fileSystem.release();
    await rig.until(Promise.all(sets.map(({ promise }) => promise)));
    await rig.until(checkpoint.promise);
    expect(rig.get('k69')).toBe('small');
    expect((await load(fileSystem, rig.host.manifest.snapshot)).store.stateDigest()).toBe(digest);
    await rig.close();
  });

  it('lets the log go on where it fails, and where the node stops', async () => {
    const fileSystem = new SlowSnapshots();
    const rig = await Rig.open({ fileSystem, fsync: 'interval', maxFileBytes: 200 << 20 });
    for (let i = 0; i < 70; i++) await rig.set(`k${i}`, 'x'.repeat(1 << 20));
    fileSystem.hold();
    const checkpoint = watch(rig.host.checkpoint());
    await rig.settle();
    for (let i = 0; i < 70; i++) {
      void rig.master.set(setOf(`k${i}`, 'small'));
      await rig.settle();
    }
    fileSystem.release(new Error('the disk under the snapshot is gone'));
    await rig.settle();
    expect(String(checkpoint.error)).toMatch(/is gone/);
    expect(rig.get('k69')).toBe('small');
    await rig.close();
  });

  it('is made by itself after snapshot.every bytes of log, again and again, and deletes what it covers', async () => {
    const rig = await Rig.open({ ...TIGHT, snapshotEveryBytes: 8_000 });
    const bases = new Set<string>();
    for (let i = 0; i < 200; i++) {
      await rig.set(`k${i % 20}`, 'x'.repeat(100));
      bases.add(rig.host.manifest.snapshot);
    }
    expect(bases.size).toBeGreaterThan(3);
    expect(rig.fileSystem.paths(DIR).filter((path) => path.endsWith('.snapshot'))).toHaveLength(1);
    expect(rig.engine.log.bytes).toBeLessThan(14_000);
    expect(rig.engine.log.earliestLsn).toBeGreaterThan(50);
    const before = stateOf(rig.engine);
    const again = await Rig.open({ fileSystem: await rig.close(), ...TIGHT });
    expect(stateOf(again.engine)).toBe(before);
  });

  it('counts the log found at the start towards the next one', async () => {
    const rig = await filled({ snapshotEveryBytes: 1 << 30 });
    const again = await Rig.open({ fileSystem: await rig.close(), snapshotEveryBytes: 4_000 });
    await again.set('a', 'x');
    await again.settle();
    expect(again.host.manifest.snapshot).not.toBe('');
  });

  it('keeps limits, epochs, deadlines and the order of recency', async () => {
    const limits: StoreLimits = { entriesMax: 10, bytesMax: 1 << 20, policy: 'lru' };
    const rig = await Rig.open({ limits, ...TIGHT });
    for (let i = 0; i < 12; i++) await rig.set(`k${i}`, 'x', { expiry: { kind: 'ttl', ttlMs: 60_000 + i } });
    for (const key of ['k5', 'k2', 'k11']) rig.get(key);
    await rig.until(rig.host.checkpoint());
    rig.get('k4');
    await rig.set('k7', 'y');
    const { epochs, store } = rig.engine;
    const [before, starts, deadline] = [stateOf(rig.engine), epochs.starts(), store.peek('k9')?.expireAtMs];
    const again = await Rig.open({ fileSystem: await rig.close(), limits });
    expect(stateOf(again.engine)).toBe(before);
    expect(again.engine.epochs.starts()).toEqual(starts);
    expect(again.engine.store.limits).toEqual(limits);
    expect(again.engine.store.peek('k9')?.expireAtMs).toBe(deadline);
    // The touch of k4 came after the snapshot and is not in the log.
    expect(drainVictims(again.engine)).toEqual([
      'k3',
      'k4',
      'k6',
      'k8',
      'k9',
      'k10',
      'k5',
      'k2',
      'k11',
      'k7',
    ]);
  });

  it('is published only when the log is durable through its position', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    await rig.set('a', 'x');
    rig.fileSystem.holdSyncs();
    const checkpoint = watch(rig.host.checkpoint());
    await rig.settle();
    expect(rig.fileSystem.heldSyncCount).toBeGreaterThan(0);
    expect(rig.host.manifest.snapshot).toBe('');
    expect(rig.fileSystem.paths(DIR).filter((path) => path.endsWith('.snapshot'))).toEqual([]);
    rig.fileSystem.releaseSyncs();
    await rig.clock.advance(20);
    expect(checkpoint.value).toMatchObject({ position: rig.engine.position });
    expect(rig.engine.durableLsn).toBe(rig.engine.applied.lsn);
    expect(rig.host.manifest.snapshot).not.toBe('');
  });

  it('asked for twice is made once', async () => {
    const rig = await filled();
    const first = rig.host.checkpoint();
    expect(rig.host.checkpoint()).toBe(first);
    await rig.until(first);
    // Nothing was written since: the same one again.
    expect(await rig.until(rig.host.checkpoint())).toMatchObject({ position: rig.engine.position });
    const before = stateOf(rig.engine);
    const again = await Rig.open({ fileSystem: await rig.close() });
    expect(stateOf(again.engine)).toBe(before);
  });

  it('that finds no room leaves the old one, the whole log and no file, and works later', async () => {
    const rig = await filled(TIGHT);
    rig.fileSystem.bytesMax = rig.fileSystem.usedBytes + 100;
    const paths = rig.fileSystem.paths(DIR);
    await expect(rig.until(rig.host.checkpoint())).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(rig.fileSystem.paths(DIR)).toEqual(paths);
    expect(rig.host.manifest.snapshot).toBe('');
    expect(rig.host.checkpoints.status).toEqual({ failures: 1, why: expect.stringContaining('ENOSPC') });
    rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    expect((await rig.until(rig.host.checkpoint())).deletedSegments).toBeGreaterThan(0);
    expect(rig.host.checkpoints.status).toEqual({ failures: 1, why: '' });
    const before = stateOf(rig.engine);
    const again = await Rig.open({ fileSystem: await rig.close() });
    expect(stateOf(again.engine)).toBe(before);
  });

  it('under way is given up when the node stops', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    for (let i = 0; i < 3_000; i++) void rig.master.set(setOf(`k${i}`, 'x'.repeat(400)));
    await rig.settle();
    const before = stateOf(rig.engine);
    const checkpoint = watch(rig.host.checkpoint());
    const disk = await rig.close();
    expect(checkpoint.error).toMatchObject({ code: 'unavailable' });
    expect(rig.host.checkpoints.status.failures).toBe(0);
    expect(disk.paths(DIR).filter((path) => path.includes('.snapshot'))).toEqual([]);
    expect(stateOf((await Rig.open({ fileSystem: disk })).engine)).toBe(before);
  });
});

describe('a power cut during a checkpoint', () => {
  it('at whatever call leaves the exact state, and the next checkpoint works', async () => {
    let points = 0;
    let directorySyncs = 0;
    for (let k = 1; ; k++) {
      const rig = await filled(TIGHT);
      // An older base has to give way too.
      await rig.until(rig.host.checkpoint());
      for (let i = 0; i < 30; i++) await rig.set(`k${i % 20}`, `later ${i}`.padEnd(100, '.'));
      const before = stateOf(rig.engine);
      rig.fileSystem.crashAtCall = rig.fileSystem.callCount + k;
      const syncsBefore = rig.fileSystem.counts.get('syncDirectory') ?? 0;
      const checkpoint = watch(rig.host.checkpoint());
      await rig.clock.advance(100);
      const isOver = checkpoint.value !== undefined && !rig.fileSystem.isCrashed;
      // One moment can lead to several disks: what was not synced is there or not.
      const syncs = (rig.fileSystem.counts.get('syncDirectory') ?? 0) - syncsBefore;
      const disks = isOver ? 1 : syncs > directorySyncs ? 20 : 2;
      directorySyncs = syncs;
      for (let seed = k; seed < k + disks * 100; seed += 100) {
        const again = await Rig.open({ fileSystem: rig.powerCut(seed), ...TIGHT });
        const found = `${again.engine.store.entries} ${again.engine.store.stateDigest()}`;
        expect(found, `crash at call ${k}, seed ${seed}`).toBe(before.split(' ').slice(1).join(' '));
        if (seed !== k) continue;
        await again.set('after', 'x');
        await again.until(again.host.checkpoint());
        const after = stateOf(again.engine);
        const third = await Rig.open({ fileSystem: await again.close(), ...TIGHT });
        expect(stateOf(third.engine)).toBe(after);
      }
      points = k;
      if (isOver) break;
    }
    expect(points).toBeGreaterThan(12);
  });
});

describe('a base snapshot that cannot be used', () => {
  async function checkpointed(): Promise<{ disk: MemoryFileSystem; path: string }> {
    const rig = await filled(TIGHT);
    await rig.until(rig.host.checkpoint());
    const path = `${DIR}/${rig.host.manifest.snapshot}`;
    return { disk: await rig.close(), path };
  }

  async function refusal(disk: MemoryFileSystem): Promise<WalOpenError> {
    const paths = disk.paths(DIR);
    const error: unknown = await Rig.open({ fileSystem: disk }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(WalOpenError);
    expect(disk.paths(DIR)).toEqual(paths);
    return error as WalOpenError;
  }

  it('for a flipped bit is corruption that names the file and what to run', async () => {
    const { disk, path } = await checkpointed();
    const bytes = disk.content(path);
    for (let at = 0; at < bytes.length; at += 97) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ 0x10;
      const damaged = new MemoryFileSystem();
      for (const other of disk.paths('/')) damaged.put(other, other === path ? flipped : disk.content(other));
      const error = await refusal(damaged);
      expect(error).toMatchObject({ kind: 'corrupt' });
      expect(error.message).toContain(path);
      expect(error.message).toContain('walnut ');
    }
  });

  it('for being cut, or gone, is corruption too', async () => {
    const { disk, path } = await checkpointed();
    disk.put(path, disk.content(path).subarray(0, -1));
    expect(await refusal(disk)).toMatchObject({ kind: 'corrupt' });
    await disk.remove(path);
    const error = await refusal(disk);
    expect(error).toMatchObject({ kind: 'corrupt' });
    expect(error.message).toContain(path);
  });

  it('for being that of another position or log is refused', async () => {
    const { disk, path } = await checkpointed();
    const rig = await filled(TIGHT);
    await rig.set('one', 'more');
    await rig.until(rig.host.checkpoint());
    const other = rig.fileSystem.content(`${DIR}/${rig.host.manifest.snapshot}`);
    const own = disk.content(path);
    disk.put(path, other);
    expect(await refusal(disk)).toMatchObject({ kind: 'corrupt' });
    disk.put(path, own);
    const again = await Rig.open({ fileSystem: disk });
    await again.host.directory.update(
      (manifest) => ({ ...(manifest as never as object), logId: 'f'.repeat(32) }) as never,
    );
    await again.host.directory.close();
    expect(await refusal(again.kill())).toMatchObject({ kind: 'foreign' });
  });

  it('for a disk that does not give it is unusable', async () => {
    const { disk } = await checkpointed();
    disk.fail({ call: 'read', path: /\.snapshot$/, code: 'EIO' });
    expect(await refusal(disk)).toMatchObject({ kind: 'unusable' });
  });
});

describe('the log clock after a recovery', () => {
  it('is not behind any timestamp that the snapshot covers', async () => {
    const clock = new VirtualClock();
    const host = await openBareHost({ clock });
    const engine = await settled(clock, host.open());
    // A replica whose master is ahead in time has this.
    const frame = frameAfter(engine.log.tail, Buffer.from([1, 0, 0, 0, 0]));
    const timestampMs = clock.wallMs() + 3_600_000;
    const ahead = encodeFrame({ ...frame, timestampMs }, frame.payload.length, (target, at) =>
      target.set(frame.payload, at),
    );
    await settled(
      clock,
      new Promise<void>((resolve) => engine.appendFrames(checkFrames([ahead]), () => resolve())),
    );
    await settled(clock, host.checkpoint());
    await settled(clock, engine.log.rotate());
    await settled(clock, host.close());
    const again = await openBareHost({ clock, fileSystem: host.options.fileSystem as MemoryFileSystem });
    const recovered = await settled(clock, again.open());
    expect(recovered.logClock.nowMs()).toBeGreaterThanOrEqual(timestampMs);
  });
});
