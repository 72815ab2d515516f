import { readdirSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LiveLog } from '#test/backup/live-log.ts';
import { FakeNode } from '#test/cli/fake-node.ts';
import { runCli } from '#test/cli/memory-io.ts';
import { lintMetrics } from '#test/doubles/metrics-lint.ts';

let root: string;
let data: string;
let scratch: string;
let live: LiveLog;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'walnut-cli-drill-'));
  [data, scratch] = [join(root, 'data'), join(root, 'scratch')];
  await mkdir(scratch);
  live = await LiveLog.open(data, { seed: 5 });
  await live.write(80);
});

afterEach(async () => {
  await live.close();
  await rm(root, { recursive: true });
});

const drill = (...more: string[]) => runCli(['drill', '--from', data, '--scratch', scratch, ...more]);

async function damageFirstSegment(): Promise<string> {
  const [name = ''] = (await readdir(data)).filter((each) => each.endsWith('.wal')).sort();
  const bytes = await readFile(join(data, name));
  bytes[700] = (bytes[700] ?? 0) ^ 4;
  await writeFile(join(data, name), bytes);
  return name;
}

describe('walnut drill', () => {
  it('passes, reports figures, and leaves nothing behind', async () => {
    const ran = await drill('--json');
    expect(ran.code, ran.err).toBe(0);
    expect(JSON.parse(ran.out)).toMatchObject({
      isPassed: true,
      lastLsn: 81,
      digest: live.digests[81],
      lostRecords: 0,
      live: 'not compared',
      firstBad: null,
      recoverySeconds: expect.any(Number),
      recordsPerSecond: expect.any(Number),
      bytesPerSecond: expect.any(Number),
    });
    expect(await readdir(scratch)).toEqual([]);
    const left: string[][] = [];
    const text = await runCli(['drill', '--from', data, '--scratch', scratch, '--cut', 'each-segment'], {
      onWrite: () => left.push(readdirSync(scratch)),
    });
    expect([text.code, left]).toEqual([0, [[]]]);
    expect(text.out).toMatch(/^drill +passed$/m);
    expect(text.out).toMatch(/^RPO +59 records$/m);
  });

  it('cuts at random by a seed that it shows', async () => {
    const first = JSON.parse((await drill('--cut', 'random', '--runs', '4', '--json')).out);
    expect(first).toMatchObject({ isPassed: true, cut: 'random', seed: expect.any(Number) });
    const again = JSON.parse(
      (await drill('--cut', 'random', '--runs', '4', '--seed', String(first.seed), '--json')).out,
    );
    expect(again.runs.map((run: { cut: string }) => run.cut)).toEqual(
      first.runs.map((run: { cut: string }) => run.cut),
    );
  });

  it('finds a planted bit flip and exits 1', async () => {
    const name = await damageFirstSegment();
    const ran = await drill();
    expect(ran.code).toBe(1);
    expect(ran.out).toContain(`first bad record  ${join(data, name)}: byte`);
    expect(JSON.parse((await drill('--json')).out)).toMatchObject({
      isPassed: false,
      firstBad: { file: join(data, name), lsn: expect.any(Number) },
    });
    expect(await readdir(scratch)).toEqual([]);
  });

  it('compares with the running node at --address', async () => {
    const node = await new FakeNode().start();
    try {
      node.lsn = BigInt(live.engine.position.lsn);
      node.digest = live.engine.store.stateDigest();
      for (let i = 0; i < live.engine.store.entries; i++) node.data.set(`k${i}`, {} as never);
      const same = await drill('--address', node.address, '--json');
      expect(JSON.parse(same.out)).toMatchObject({ live: 'same', isPassed: true });
      node.digest = 'e'.repeat(32);
      const different = await drill('--address', node.address);
      expect(different.code).toBe(1);
      expect(different.out).toContain('different');
    } finally {
      await node.stop();
    }
    expect((await drill('--address', '127.0.0.1:1')).code).toBe(5);
  });

  it('leaves metrics with the time of the last success', async () => {
    const file = join(root, 'walnut_drill.prom');
    const metric = async (name: string) =>
      Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await readFile(file, 'utf8'))?.[1]);
    const beforeSeconds = Date.now() / 1_000;
    expect((await drill('--metrics-file', file)).code).toBe(0);
    expect(lintMetrics(await readFile(file, 'utf8'))).toEqual([]);
    const success = await metric('walnut_drill_last_success_timestamp_seconds');
    expect(success).toBeGreaterThanOrEqual(Math.floor(beforeSeconds));
    expect(await metric('walnut_drill_success')).toBe(1);
    expect((await stat(file)).mode & 0o777 & 0o444).toBe(0o444);
    await damageFirstSegment();
    expect((await drill('--metrics-file', file)).code).toBe(1);
    expect(await metric('walnut_drill_success')).toBe(0);
    expect(await metric('walnut_drill_last_success_timestamp_seconds')).toBe(success);
    expect((await readdir(root)).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('reports and ends as it found where its metrics cannot be written', async () => {
    const file = join(root, 'none', 'walnut_drill.prom');
    const passed = await drill('--metrics-file', file, '--json');
    expect(passed.code).toBe(0);
    expect(JSON.parse(passed.out)).toMatchObject({ isPassed: true });
    expect(passed.err).toContain('warning: no metrics were left');
    await mkdir(join(root, 'walnut_drill.prom'));
    await damageFirstSegment();
    const failed = await drill('--metrics-file', join(root, 'walnut_drill.prom'));
    expect(failed.code).toBe(1);
    expect(failed.out).toContain('first bad record');
    expect((await readdir(root)).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('replaces no link, pipe or device by its metrics', async () => {
    const [target, link] = [join(root, 'target.prom'), join(root, 'link.prom')];
    await symlink(target, link);
    const { code, err } = await drill('--metrics-file', link);
    expect(code).toBe(0);
    expect(err).toContain('is no plain file, and is not replaced');
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
  });

  it('leaves metrics of a failure where it could not even begin', async () => {
    const file = join(root, 'walnut_drill.prom');
    const passed = ['--metrics-file', file];
    expect((await drill(...passed)).code).toBe(0);
    expect((await drill(...passed, '--address', '127.0.0.1:1')).code).toBe(5);
    expect(await readFile(file, 'utf8')).toContain('walnut_drill_success 0');
    expect((await drill(...passed)).code).toBe(0);
    expect((await drill(...passed, '--scratch', join(root, 'none'))).code).toBe(6);
    const text = await readFile(file, 'utf8');
    expect(text).toContain('walnut_drill_success 0');
    expect(text).not.toContain('NaN');
    expect(text).toMatch(/^walnut_drill_last_success_timestamp_seconds \d{9,}/m);
  });

  it('keeps the shadow where asked, and refuses what cannot be', async () => {
    const kept = JSON.parse((await drill('--keep', '--json')).out).kept as string;
    expect((await readdir(kept)).sort()).toEqual(['copy', 'run-1']);
    expect((await runCli(['wal', 'inspect', join(kept, 'run-1')])).code).toBe(0);
    expect((await drill('--cut', 'sideways')).code).toBe(2);
    expect((await drill('--cut', 'none', '--seed', '7')).code).toBe(2);
    expect((await drill('--runs', '7')).code).toBe(2);
    expect((await runCli(['drill'])).code).toBe(2);
    expect((await runCli(['drill', '--from', root, '--scratch', scratch])).code).toBe(2);
    expect((await runCli(['drill', '--from', data, '--scratch', join(root, 'none')])).code).toBe(6);
  });
});
