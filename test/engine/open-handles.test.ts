/** No failing call on the disk leaves a file, a directory or a lock open. */
import { describe, expect, it } from 'vitest';
import type { EngineHost } from '#engine/engine-host.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import type { Role } from '#model/status.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { leftOpenByFailures } from '#test/doubles/probed-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import { DIR, LOG_ID, openBareHost, settled } from '#test/engine/rig.ts';
import { encodeManifest, tryDecodeManifest } from '#wal/manifest.ts';

const WHY = { reason: 'another history', sinceMs: 1_000, upstream: 'master:1' };
const LIMITS = { maxFileBytes: 4_096, retentionBytes: 0, snapshotEveryBytes: 1 << 30 };
const EPOCH = makeEpoch(1, 7);

type Work = (host: EngineHost, until: <T>(promise: Promise<T>) => Promise<T>) => Promise<void>;

/** Opens the directory, works on it and closes it, whatever fails. */
/** Opens the directory, works on it and closes it, whatever fails. */
async function live(fileSystem: FileSystem, options: { role?: Role; applyDelayMs?: number }, work: Work) {
  const clock = new VirtualClock();
  const until = <T>(promise: Promise<T>): Promise<T> => settled(clock, promise);
  const host = await openBareHost({ ...LIMITS, ...options, fileSystem, clock });
  try {
    if (host.manifest.logId !== '') await until(host.open());
    await work(host, until);
  } finally {
    await until(host.close());
  }
}

function logged(submit: (done: (error?: Error) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    submit((error) => (error === undefined ? resolve() : reject(error)));
  });
}

const write: Work = async (host, until) => {
  const { engine } = host;
  if (engine === undefined) throw new Error('no engine is open');
  for (let i = 0; i < 3; i++) {
    const mutation = {
      op: 'set',
      key: `k${i}`,
      value: Buffer.alloc(90),
      expireAtMs: 0,
      cause: 'client',
    } as const;
    await until(logged((done) => engine.submit(payloadOf([mutation]), done)));
  }
};

/** What a master leaves: a snapshot, and log behind it. */
const writeLog: Work = async (host, until) => {
  await until(logged((done) => host.engine?.submitEpoch(EPOCH, done)));
  await write(host, until);
  await until(host.engine?.log.rotate() ?? Promise.reject());
  await write(host, until);
  await until(host.checkpoint());
  await write(host, until);
};

/** The files of a directory after `work`. */
async function filesAfter(work: Work): Promise<ReadonlyMap<string, Buffer>> {
  const disk = new MemoryFileSystem();
  await live(disk, {}, work);
  return new Map(disk.paths(DIR).map((path) => [path, disk.content(path)]));
}

const CODES = ['EIO', 'EMFILE', 'ENOSPC'];

describe('a call on the disk that fails', () => {
  it.each(CODES)('leaves nothing open in the life of a directory: %s', async (code) => {
    const work: Work = async (host, until) => {
      await writeLog(host, until);
      await until(host.cutTo({ epoch: EPOCH, lsn: toLsn(8) }, WHY));
      await until(host.rebuild(() => undefined));
    };
    const disk = () => new MemoryFileSystem();
    expect(await leftOpenByFailures(disk, (fileSystem) => live(fileSystem, {}, work), code)).toEqual([]);
  });

  it.each(CODES)('leaves nothing open on a replica that takes a snapshot: %s', async (code) => {
    const files = await filesAfter(writeLog);
    const snapshot = [...files].find(([path]) => path.endsWith('.snapshot'))?.[1] as Buffer;
    const work: Work = async (host, until) => {
      const { fileSystem } = host.options;
      const file = await fileSystem.open(host.incomingPath, 'replace');
      await file.write(snapshot, 0).finally(() => file.close());
      await until(host.installSnapshot(LOG_ID));
      await until(host.discard(WHY));
    };
    const disk = () => new MemoryFileSystem();
    const replica = { role: 'replica', applyDelayMs: 5 } as const;
    expect(await leftOpenByFailures(disk, (fileSystem) => live(fileSystem, replica, work), code)).toEqual([]);
  });

  it.each(CODES)('leaves nothing open where records are applied late: %s', async (code) => {
    const files = new Map([...(await filesAfter(writeLog))].filter(([path]) => !path.endsWith('LOCK')));
    const manifest = tryDecodeManifest(files.get(`${DIR}/MANIFEST`) as Buffer);
    if (typeof manifest === 'string') throw new Error(manifest);
    files.set(`${DIR}/MANIFEST`, encodeManifest({ ...manifest, role: 'replica' }));
    const disk = () => {
      const fresh = new MemoryFileSystem();
      for (const [path, bytes] of files) fresh.put(path, bytes);
      return fresh;
    };
    const work: Work = async () => undefined;
    const replica = { role: 'replica', applyDelayMs: 5 } as const;
    expect(await leftOpenByFailures(disk, (fileSystem) => live(fileSystem, replica, work), code)).toEqual([]);
  });
});
