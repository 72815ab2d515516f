/** `walnut cluster backup`, `backups`, `restore` and `drill` on directories of two groups. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LiveLog } from '#test/backup/live-log.ts';
import { runCli } from '#test/cli/memory-io.ts';
import { lintMetrics } from '#test/doubles/metrics-lint.ts';
import type { Manifest } from '#wal/manifest.ts';
import { longestMs } from '../../cmd/walnut/cluster/backup-views.ts';

let root: string;
let backups: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'walnut-cli-cluster-backup-'));
  backups = join(root, 'backups');
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

async function member(group: string, first: number, last: number): Promise<string> {
  const path = join(root, group);
  const live = await LiveLog.open(path, { formatLevel: 1 });
  const place = { cluster: 'main', node: `${group}-1`, clusterId: 'c'.repeat(32), group };
  await live.host.directory.update((manifest) => ({ ...(manifest as Manifest), member: place }));
  await new Promise<void>((resolve) =>
    live.engine.submitOwnership({ mapEpoch: 3, owned: [{ first, last }] }, () => resolve()),
  );
  await live.write(5);
  await live.close();
  return path;
}

const run = (...args: string[]) => runCli(['cluster', ...args]);
const json = async (...args: string[]) => {
  const ran = await run(...args, '--json');
  expect(ran.code, ran.err).toBe(0);
  return JSON.parse(ran.out);
};

it('walnut cluster backup, backups, drill and restore are one way', async () => {
  const g1 = await member('g1', 0, 8_191);
  const missing = await run('backup', '--to', backups, '--from', g1);
  expect(missing).toMatchObject({ code: 2, out: '' });
  expect(missing.err).toContain('g1: LSN 7,');
  expect(missing.err).toContain('a group is missing: slots 8192 to 16383');
  const g2 = await member('g2', 8_192, 16_383);
  const made = await json('backup', '--to', backups, '--from', g1, '--from', g2);
  expect(made).toMatchObject({
    cluster: 'main',
    groups: [
      { group: 'g1', term: 1 },
      { group: 'g2', term: 1 },
    ],
  });
  const text = await run('backup', '--to', backups, '--from', g1, '--from', g2);
  expect(text.out).toMatch(/backup +\S+\n/);
  expect(text.out).toMatch(/^g2 +1 +\d+-7 .* 8192-16383$/m);
  expect(text.err).toMatch(/^g1: LSN 7, 0 B copied \(1 of 2\)\ng2: LSN 7, 0 B copied \(2 of 2\)\n$/);
  expect(await json('backups', backups)).toMatchObject([{ id: made.id }, { clusterId: 'c'.repeat(32) }]);
  expect((await run('backups', backups)).out).toMatch(/ main \(c{32}\) +g1 at \d+-7, term 1; g2 at /);
  // What --backup names is found by its group.
  expect((await runCli(['backup', 'list', backups])).out).toMatch(/ [0-9a-f]{8} of g2 in main\n/);
  const [listed] = JSON.parse((await runCli(['backup', 'list', backups, '--json'])).out);
  expect(listed).toMatchObject({ place: { cluster: 'main', group: 'g1' } });

  expect(await json('drill', backups, '--scratch', root)).toMatchObject({
    isPassed: true,
    groups: [{ group: 'g1', failure: null, digest: made.groups[0].digest }, { group: 'g2' }],
  });
  expect((await readdir(root)).filter((name) => name.startsWith('walnut-drill'))).toEqual([]);
  const to = join(root, 'restored');
  const restored = await run('restore', `${backups}/${made.id}`, '--to', to);
  expect(restored).toMatchObject({
    code: 0,
    out: expect.stringContaining('--group g1=NODE,NODE --group g2='),
  });
  expect(await readdir(to)).toEqual(['g1', 'g2']);
  const again = await run('restore', backups, '--to', to);
  expect(again).toMatchObject({ code: 2, err: expect.stringContaining(`${to}/g1 is not empty`) });
  expect(again.err).not.toContain('unfinished');
  for (const [place, message] of [
    [`${backups}/new`, `is within the repository ${backups}. Restore into a directory of its own`],
    [backups, `is within the repository ${backups}.`],
    [`${g1}/new/er`, `is within ${g1}, the data directory of a node.`],
  ] as const) {
    const one = [`${backups}/${made.groups[0].backup}`, '--to', place];
    for (const ran of [
      await run('restore', backups, '--to', place),
      await runCli(['backup', 'restore', ...one]),
    ])
      expect(ran).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
  }
  await rm(join(to, 'g1', 'MANIFEST'));
  const unfinished = await run('restore', backups, '--to', to);
  expect(unfinished.err).toContain(
    'this is an unfinished restore, which may be removed. Restore into another',
  );
  expect(await run('drill', join(root, 'nothing'))).toMatchObject({
    code: 2,
    err: expect.stringContaining(
      `${root} contains neither a directory nor a backup of a cluster with the name nothing. Expected REPOSITORY or`,
    ),
  });
  expect((await run('drill', backups, '--scratch', join(root, 'nothing'))).err).toContain(
    'Expected a path whose',
  );
  expect(await json('restore', backups, '--to', `${to}-2`, '--group', 'g2')).toMatchObject({
    groups: [{ group: 'g2', digest: made.groups[1].digest, leftOut: 0 }],
  });
});

it('Ctrl-C ends a restore after a group, says which are left, and is too late after the last one', async () => {
  const from = [await member('g1', 0, 8_191), await member('g2', 8_192, 16_383)];
  await json('backup', '--to', backups, ...from.flatMap((path) => ['--from', path]));
  const to = join(root, 'restored');
  const interrupted = AbortSignal.abort();
  const restore = (...more: string[]) =>
    runCli(['cluster', 'restore', backups, '--to', to, ...more], { interrupted });
  const ran = await restore();
  expect(ran).toMatchObject({ code: 130, out: '' });
  expect(ran.err).toContain('interrupted: the other groups were not restored');
  expect(ran.err).toContain('Restore them with the same command and: --group g2\n');
  expect(await restore('--group', 'g2')).toMatchObject({ code: 0 });
  expect(await readdir(to)).toEqual(['g1', 'g2']);
});

it('damage ends a drill with 1, and says of which group', async () => {
  const directories = [await member('g1', 0, 8_191), await member('g2', 8_192, 16_383)];
  const { groups } = await json(
    'backup',
    '--to',
    backups,
    ...directories.flatMap((path) => ['--from', path]),
  );
  const manifest = join(backups, `${groups[1].backup}.backup.json`);
  const { files } = JSON.parse(await readFile(manifest, 'utf8')) as { files: { sha256: string }[] };
  const name = files[0]?.sha256 ?? '';
  const object = join(backups, 'objects', name.slice(0, 2), name);
  await writeFile(object, (await readFile(object)).fill(7, 300, 301));
  const drilled = await run('drill', backups, '--scratch', root);
  expect(drilled.code).toBe(1);
  expect(drilled.out).toMatch(/failed for 1 of 2 groups/);
  expect(drilled.out).toMatch(/^g1 .* the digest of the backup$/m);
  expect(drilled.err).toContain('SHA-256 differs (2 of 2)');
  expect((await run('restore', backups, '--to', join(root, 'x'))).code).toBe(1);
});

it('the RTO of a drill is the time of its slowest group, as the table shows it', () => {
  const restored = { recoveryMs: 5 };
  const lines = [900, 1_200, 30].map((tookMs) => ({ tookMs, restored }));
  expect([longestMs(lines), longestMs([])]).toEqual([1_200, 0]);
});

it('a drill leaves metrics, and keeps the time of the last success', async () => {
  const directories = [await member('g1', 0, 8_191), await member('g2', 8_192, 16_383)];
  await json('backup', '--to', backups, ...directories.flatMap((path) => ['--from', path]));
  const file = join(root, 'drill.prom');
  const drill = (what: string) => run('drill', what, '--scratch', root, '--metrics-file', file);
  const metric = async (name: string): Promise<number> => {
    const text = await readFile(file, 'utf8');
    expect(lintMetrics(text)).toEqual([]);
    return Number(new RegExp(`^walnut_drill_${name}\\{of="cluster"\\} (\\S+)$`, 'm').exec(text)?.[1]);
  };
  expect((await drill(backups)).code).toBe(0);
  const passedAt = await metric('last_success_timestamp_seconds');
  expect(passedAt).toBeGreaterThan(1e9);
  expect([await metric('success'), (await metric('recovery_seconds')) >= 0]).toEqual([1, true]);
  const objects = join(backups, 'objects');
  for (const folder of await readdir(objects)) await rm(join(objects, folder), { recursive: true });
  expect((await drill(backups)).code).toBe(1);
  expect([await metric('success'), await metric('last_success_timestamp_seconds')]).toEqual([0, passedAt]);
  expect((await drill(join(root, 'none'))).code).not.toBe(0);
  expect([await metric('success'), await metric('recovery_seconds')]).toEqual([0, Number.NaN]);
  expect(await metric('last_success_timestamp_seconds')).toBe(passedAt);
});

it.each([
  [['backup', '--to', '/tmp/x'], 'expected --from DIR for each group'],
  [['drill', '/dev/null/nothing'], 'there is no directory'],
  [
    ['restore', '/', '--to', '/tmp/x'],
    'contains no backup of a cluster: make one with walnut cluster backup --to /',
  ],
])('%j is wrong usage', async (args, message) => {
  expect(await run(...args)).toMatchObject({ code: 2, err: expect.stringContaining(message) });
});
