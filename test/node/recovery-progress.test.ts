import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineHost } from '#engine/engine-host.ts';
import type { RecoveryProgress } from '#engine/recovery-meter.ts';
import { describeRecovery, RecoveryWatch } from '#node/recovery-watch.ts';
import type { Clock } from '#platform/clock.ts';
import { type LogFields, silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { openDirectory } from '#wal/wal-directory.ts';
import { WalRig } from '../cli/wal-rig.ts';

let path = '';
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'walnut-progress-'));
});
afterEach(() => rm(path, { recursive: true }));

/** Recovers the directory by a clock of which every look is `stepMs` later. */
async function recover(stepMs: number) {
  let nowMs = 0;
  const monotonicMs = (): number => {
    nowMs += stepMs;
    return nowMs;
  };
  const clock: Clock = { ...createNodeClock(), monotonicMs };
  const lines: { readonly fields: LogFields; readonly atMs: number }[] = [];
  const logger = {
    ...silentLogger,
    info: (fields: LogFields, message: string) => {
      if (message === 'recovering') lines.push({ fields, atMs: nowMs });
    },
  };
  const watch = new RecoveryWatch(clock, logger);
  const seen: RecoveryProgress[] = [];
  const fileSystem = createNodeFileSystem();
  const directory = await openDirectory({ fileSystem, path, logger });
  const options = { fileSystem, clock, random: new SeededRandom(1), logger, fsync: 'never' } as const;
  const sizes = { maxFileBytes: 4_096, retentionBytes: 0, snapshotEveryBytes: 1 << 30 };
  const host = new EngineHost(
    directory,
    { ...options, ...sizes, syncIntervalMs: 1_000, requestedSyncGapMs: 0 },
    (progress) => {
      watch.note(progress);
      seen.push(progress);
    },
  );
  await host.open();
  await host.close();
  return { seen, lines, watch };
}

describe('progress of a recovery', () => {
  it('rises over snapshot and log to 1, with the time left', async () => {
    const rig = await WalRig.open(path);
    await rig.write(150);
    await rig.host.checkpoint();
    await rig.write(150);
    await rig.close();
    const { seen, watch } = await recover(10);
    expect(new Set(seen.map(({ phase }) => phase))).toEqual(new Set(['snapshot', 'log', 'done']));
    const fractions = seen.map(({ fraction }) => fraction);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    const middle = seen.find(({ phase, fraction }) => phase === 'log' && fraction < 1);
    expect(middle?.etaMs).toBeCloseTo(
      ((middle?.elapsedMs ?? 0) * (1 - (middle?.fraction ?? 0))) / (middle?.fraction ?? 1),
      -1,
    );
    expect(watch.progress).toMatchObject({ phase: 'done', fraction: 1, records: 150, etaMs: 0 });
    expect(watch.progress.bytesDone).toBe(watch.progress.bytesTotal);
    expect(watch.progress.recordsPerS).toBeGreaterThan(0);
  });

  it('is logged every two seconds while it lasts, and not where it is short', async () => {
    const rig = await WalRig.open(path);
    await rig.write(300);
    await rig.close();
    expect((await recover(1)).lines).toEqual([]);
    const { lines } = await recover(300);
    expect(lines.length).toBeGreaterThan(3);
    for (const [index, { atMs }] of lines.entries()) {
      if (index > 0) expect(atMs - (lines[index - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(2_000);
    }
    expect(lines[0]?.fields).toMatchObject({ phase: 'log', percent: expect.any(Number) });
  });

  it('is told as a reason while the node loads, and in Status afterwards', async () => {
    const group = new TestGroup();
    const master = await group.master();
    expect(master.node.status().recovery).toMatchObject({ phase: 'done', fraction: 1, records: 0 });
    for (let i = 0; i < 50; i++) await group.set(master, `k${i}`, `v${i}`);
    const disk = await group.stop(master);
    const again = await group.master({ fileSystem: disk });
    expect(again.node.status().recovery).toMatchObject({ phase: 'done', fraction: 1 });
    expect(again.node.status().recovery?.records).toBeGreaterThanOrEqual(50);
    const progress = {
      phase: 'log',
      fraction: 0.43,
      records: 12_000,
      recordsPerS: 4_000,
      etaMs: 2_500,
    } as const;
    expect(describeRecovery({ ...progress, bytesDone: 43, bytesTotal: 100, elapsedMs: 3_000 })).toBe(
      'loading: log 43 %, 12000 records, 4000 records/s, about 3 s left',
    );
  });
});
