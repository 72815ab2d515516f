import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LiveLog } from '#test/backup/live-log.ts';
import { runCli } from '#test/cli/memory-io.ts';

let root: string;
let data: string;
let backups: string;
let live: LiveLog;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'walnut-cli-backup-'));
  [data, backups] = [join(root, 'data'), join(root, 'backups')];
  live = await LiveLog.open(data, { seed: 3 });
  await live.write(30);
});

afterEach(async () => {
  await live.close();
  await rm(root, { recursive: true });
});

const create = (...more: string[]) => runCli(['backup', 'create', '--from', data, '--to', backups, ...more]);
const json = async (...args: string[]) => {
  const ran = await runCli([...args, '--json']);
  expect(ran.code, ran.err).toBe(0);
  return JSON.parse(ran.out);
};

describe('walnut backup', () => {
  it('creates, lists, verifies and restores', async () => {
    const created = JSON.parse((await create('--verify', '--json')).out);
    expect(created).toMatchObject({
      to: expect.stringMatching(/-31$/),
      digest: live.digests[31],
      reusedBytes: 0,
    });
    await live.write(10);
    const text = await create();
    expect(text.code).toBe(0);
    expect(text.out).toMatch(/records {8}LSN 0 to 41/);
    expect(await json('backup', 'list', backups)).toMatchObject([{ id: created.id }, { digest: null }]);
    expect((await runCli(['backup', 'list', backups])).out).toContain('0 to 41');
    expect(await json('backup', 'verify', `${backups}/${created.id}`)).toMatchObject([
      { digest: live.digests[31] },
    ]);
    expect(await json('backup', 'verify', backups, '--all')).toHaveLength(2);
    const to = join(root, 'restored');
    const restored = await json('backup', 'restore', backups, '--to', to, '--to-lsn', '40');
    expect(restored).toMatchObject({ directory: to, digest: live.digests[40], leftOut: 1 });
    expect((await runCli(['wal', 'inspect', to])).out).toContain('no damage found');
  });

  it.skipIf(process.platform !== 'linux')(
    'does not blame the log where the copy cannot be written',
    async () => {
      const { code, err } = await runCli(['backup', 'create', '--from', data, '--to', '/proc/backups']);
      expect(err).toContain('/proc takes no new directory');
      expect(err).not.toContain('damage');
      expect(code).toBe(6);
    },
  );

  it('finds the backup that reaches a position, and says why where none does', async () => {
    await create();
    await live.checkpoint();
    await live.write(5);
    await create();
    const at = (lsn: number, to: string) =>
      runCli(['backup', 'restore', backups, '--to', join(root, to), '--to-lsn', String(lsn), '--json']);
    expect(JSON.parse((await at(20, 'a')).out)).toMatchObject({ digest: live.digests[20] });
    expect(JSON.parse((await at(34, 'b')).out)).toMatchObject({ digest: live.digests[34] });
    const none = await at(37, 'c');
    expect(none.code).toBe(2);
    expect(none.err).toContain('LSN 37 is not in it: it reaches from 31 to 36');
    expect((await at(20, 'a')).err).toContain('not empty');
  });

  it('restores to a moment', async () => {
    await create();
    const timeMs = live.timestamps[10] ?? 0;
    const lsn = live.timestamps.findLastIndex((each) => each <= timeMs);
    const time = new Date(timeMs).toISOString();
    const to = join(root, 'then');
    expect(await json('backup', 'restore', backups, '--to', to, '--to-time', time)).toMatchObject({
      digest: live.digests[lsn],
      timestampMs: timeMs,
    });
  });

  it('exits 1 on damage', async () => {
    const { id } = JSON.parse((await create('--json')).out);
    const manifest = join(backups, `${id}.backup.json`);
    const { files } = JSON.parse(await readFile(manifest, 'utf8')) as { files: { sha256: string }[] };
    const name = files[0]?.sha256 ?? '';
    const object = join(backups, 'objects', name.slice(0, 2), name);
    const bytes = await readFile(object);
    await writeFile(object, bytes.fill(7, 300, 301));
    const verified = await runCli(['backup', 'verify', backups]);
    expect(verified.code).toBe(1);
    expect(verified.err).toContain('SHA-256 differs');
    expect((await runCli(['backup', 'restore', backups, '--to', join(root, 'r')])).code).toBe(1);
    expect(await readdir(root)).not.toContain('r');
    await live.checkpoint();
    await create();
    const all = await runCli(['backup', 'verify', backups, '--all', '--json']);
    expect(all.code).toBe(1);
    expect(JSON.parse(all.out)).toMatchObject([
      { id, damage: expect.stringContaining('SHA-256 differs') },
      { digest: live.digests[31] },
    ]);
    await writeFile(manifest, '{}');
    const listed = await runCli(['backup', 'list', backups]);
    expect(listed.code).toBe(1);
    expect(listed.out).toContain('damaged:');
    expect((await runCli(['backup', 'verify', `${backups}/${id}`])).code).toBe(1);
  });

  it('exits 2 on what cannot be met', async () => {
    expect((await runCli(['backup', 'create', '--from', root, '--to', backups])).err).toContain('MANIFEST');
    expect((await runCli(['backup', 'list', backups])).code).toBe(2);
    await create();
    const refused = [
      ['create', '--from', data],
      ['create', '--from', root, '--to', backups],
      ['verify', `${backups}/nothing`],
      ['verify', root],
      ['restore', backups, '--to', data],
      ['restore', backups, '--to', join(root, 'x'), '--to-lsn', 'many'],
      ['restore', backups, '--to', join(root, 'x'), '--to-time', 'yesterday'],
      ['restore', backups, '--to', join(root, 'x'), '--to-lsn', '3', '--to-time', '2027-01-31T12:00:00Z'],
    ];
    for (const args of refused) expect((await runCli(['backup', ...args])).code, args.join(' ')).toBe(2);
  });
});
