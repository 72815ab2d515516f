/** Runbooks about disks, states and clocks of single nodes, and about backups. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createNodeClock } from '#platform/node-clock.ts';
import { alterEntry } from '#test/doubles/altered-memory.ts';
import { sabotageApply } from '#test/doubles/engines.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { type LiveNode, level, until } from './live-node.ts';
import { at, engines, rig, says } from './rig.ts';
import { Runbook } from './runbook.ts';

describe('The disk is full', () => {
  it('writes are refused, room is made, a checkpoint is tried', async () => {
    const book = new Runbook('The disk is full');
    const fileSystem = new MemoryFileSystem();
    const master = await rig.group.add('master', 'master').start({ fileSystem });
    await master.set('before', 'it');
    fileSystem.bytesMax = fileSystem.usedBytes;
    await expect(master.set('more', 'x'.repeat(4_096))).rejects.toMatchObject({ code: 'resource_exhausted' });
    fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    expect((await book.type('checkpoint', at(master))).code).toBe(0);
    await until(
      () => master.status.state === 'serving',
      () => master.reasons,
    );
    await master.set('after', 'it');
  });
});

describe('Checkpoints fail', () => {
  it('Status says why until one succeeds', async () => {
    const book = new Runbook('Checkpoints fail');
    const fileSystem = new MemoryFileSystem();
    const master = await rig.group.add('master', 'master').start({ fileSystem });
    await master.set('large', 'x'.repeat(8_192));
    fileSystem.bytesMax = fileSystem.usedBytes + 1_024;
    await expect(master.node.ports.admin.checkpoint()).rejects.toMatchObject({
      code: 'resource_exhausted',
    });
    expect((await book.type('status', at(master))).out).toMatch(/the last checkpoint failed: ENOSPC/);
    fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    expect((await book.type('checkpoint', at(master))).code).toBe(0);
    expect(master.reasons).toBe('');
  });
});

/** Starts a master whose log has a damaged record in the middle. */
async function damagedMaster(): Promise<LiveNode> {
  const master = await rig.group.add('master', 'master').start();
  for (let i = 0; i < 40; i++) await master.set(`k${i}`, 'v'.repeat(500));
  await master.stop();
  const file = readdirSync(master.directory)
    .filter((name) => name.endsWith('.wal'))
    .sort()[1] as string;
  const bytes = readFileSync(join(master.directory, file));
  bytes[bytes.length / 2] = (bytes[bytes.length / 2] as number) ^ 1;
  bytes.writeUInt8(bytes.readUInt8(2_000) ^ 1, 2_000);
  writeFileSync(join(master.directory, file), bytes);
  return master;
}

describe('Exit 3: the data directory cannot be used', () => {
  it('and Cutting a damaged log: what is damaged is told, cut, and the node starts', async () => {
    const master = await damagedMaster();
    const places = { DIR: master.directory, LSN: '1' };
    await expect(master.start()).rejects.toMatchObject({ name: 'WalOpenError' });
    const first = new Runbook('Exit 3: the data directory cannot be used');
    expect((await first.type('wal verify', places)).code).toBe(1);
    expect((await first.type('wal repair', places)).code).toBe(1);
    const then = new Runbook('Cutting a damaged log');
    expect((await then.type('wal verify', places)).code).toBe(1);
    expect((await then.type('wal dump', places)).out).toContain('k1');
    expect((await then.type('wal repair', places)).code).toBe(1);
    expect((await then.type('wal repair', places)).code).toBe(0);
    await master.start();
    expect(await master.get('k1')).toBe('v'.repeat(500));
    await master.set('after', 'it');
  });
});

describe('A replica is far behind', () => {
  it('catches up by itself; removed, it stays away until it is added', async () => {
    const book = new Runbook('A replica is far behind');
    const { master, one } = await rig.group.trio();
    await one.stop();
    for (let i = 0; i < 20; i++) await master.set(`late${i}`, 'v');
    await one.start({ upstream: master.address });
    await level(master, one);
    const places = { ...at(master), 'HOST:PORT': one.address };
    expect((await book.type('status', places)).out).toContain(one.address);
    expect((await book.type('remove-replica', places)).code).toBe(0);
    await says(one, /was removed/);
    expect((await book.type('add-replica', places)).code).toBe(0);
    await master.set('again', 'it');
    await level(master, one);
  });
});

describe('A state that differs', () => {
  it('is told, put right, and compared', async () => {
    const book = new Runbook('A state that differs');
    const { master, one, two } = await rig.group.trio();
    // The second of the trio: a node of the test before may have opened one late.
    const replica = engines.at(-2);
    if (replica === undefined) throw new Error('no engine');
    sabotageApply(replica, ({ op }) => op === 'delete');
    await master.node.delete({ key: 'k1', returnPrevious: false, minAcks: 0, timeoutMs: 0 });
    await until(
      () => one.status.integrity.digestMismatches > 0,
      () => one.reasons,
    );
    const places = { ...at(master), DIR: master.directory, MASTER: master.address };
    expect((await book.type('status', places)).code).toBe(0);
    await level(master, one, two);
    expect((await book.type('digest --compare', places)).code).toBe(0);
    expect((await book.type('drill', places)).code).toBe(0);
  });
});

describe('Altered memory', () => {
  it('is found by a scrub, given up, and recovered from the disk', async () => {
    const book = new Runbook('Altered memory');
    const { master, one } = await rig.group.trio();
    // The second of the trio: a node of the test before may have opened one late.
    const replica = engines.at(-2);
    if (replica === undefined) throw new Error('no engine');
    alterEntry(replica.store, 'k1');
    expect((await book.type('scrub', at(one))).code).toBe(1);
    await until(
      () => one.status.isReady,
      () => one.reasons,
    );
    expect(await one.get('k1')).toBe('v');
    await level(master, one);
  });
});

describe('A clock that is wrong', () => {
  it('is looked at, and mended where it needs it', async () => {
    const book = new Runbook('A clock that is wrong');
    const clock = createNodeClock();
    const ahead = Object.create(clock, {
      wallMs: { value: () => clock.wallMs() + 3_600_000 },
    }) as typeof clock;
    const master = await rig.group.add('master', 'master').start({ clock: ahead });
    await master.set('k', 'v');
    await master.stop();
    await master.start();
    await says(master, /clock/);
    expect((await book.type('clock', at(master))).code).toBe(0);
    expect((await book.type('clock --apply', at(master))).code).toBe(0);
    await until(
      () => master.reasons === '',
      () => master.reasons,
    );
    expect(await master.get('k')).toBe('v');
  });
});

describe('A delayed replica', () => {
  it('is stopped before a mistake, released up to it, and goes on', async () => {
    const book = new Runbook('A delayed replica');
    const master = await rig.group.add('master', 'master').start();
    const late = await rig.group
      .add('replica', 'late')
      .start({ upstream: master.address, applyDelayMs: 3_600_000 });
    await master.set('user:1', 'good');
    await until(
      () => (late.status.delay?.waitingRecords ?? 0) > 0,
      () => late.reasons,
    );
    const mistake = master.node.digest().position.lsn + 1;
    await master.set('user:1', 'spoilt');
    await until(
      () => late.status.durableLsn >= mistake,
      () => late.reasons,
    );
    const places = {
      REPLICA: late.address,
      DIRECTORY: late.directory,
      '41800': '1',
      '41871': `${mistake - 1}`,
    };
    expect((await book.type('delay pause', places)).code).toBe(0);
    expect((await book.type('wal dump', places)).out).toContain('user:1');
    expect((await book.type('delay release', places)).code).toBe(0);
    expect((await book.type('scan', places)).out).toContain('good');
    expect((await book.type('delay resume', places)).code).toBe(0);
    expect((await book.type('delay release', { ...places, ...at(late) })).code).toBe(0);
    await level(master, late);
  });
});

describe('Backup, Restore, Bringing keys back, Recovery drill', () => {
  it('a backup is made, checked, restored, and the group put back; a key is brought back; files recover', async () => {
    const repository = join(rig.group.path, 'backups');
    const { master, one, two } = await rig.group.trio();
    const places = {
      ...at(master),
      DIR: master.directory,
      REPOSITORY: repository,
      SOURCE: master.directory,
      NEWDIR: join(rig.group.path, 'restored'),
    };
    const backup = new Runbook('Backup');
    expect((await backup.type('backup create', places)).code).toBe(0);
    expect((await backup.type('backup list', places)).code).toBe(0);
    expect((await backup.type('backup verify', { ...places, REPOSITORY: repository })).code).toBe(0);
    const again = { ...places, '…': `--from ${master.directory} --to ${repository}` };
    expect((await backup.type('backup create', again)).code).toBe(0);
    expect((await backup.type('rotate', places)).code).toBe(0);
    const lsn = `${master.status.durableLsn}`;
    await master.set('k1', 'spoilt');
    const bringing = new Runbook('Bringing keys back on a running master');
    expect((await bringing.type('restore-to', { ...places, N: lsn }, '--apply')).code).toBe(0);
    expect(await master.get('k1')).toBe('v');
    expect((await bringing.type('wal dump', places)).out).toContain('k1');
    expect((await backup.type('checkpoint', places)).code).toBe(0);
    const drill = new Runbook('Recovery drill');
    expect((await drill.type('drill', places)).code).toBe(0);
    expect((await drill.type('rotate', places)).code).toBe(0);
    expect((await drill.type('checkpoint', places)).code).toBe(0);
    const before = await drill.type('digest', places);
    await master.stop();
    await master.start();
    const after = await drill.type('digest', places);
    const digestIn = (text: string) => /[0-9a-f]{32}/.exec(text)?.[0];
    expect(digestIn(after.out)).toBe(digestIn(before.out));
    for (const node of [master, one, two]) await node.stop();
    const restore = new Runbook('Restore');
    expect((await restore.type('backup restore', places)).code).toBe(0);
    const restored = await rig.group.add('master', 'restored').start({ forcedRole: 'master' });
    for (const node of [one, two]) await node.start({ upstream: restored.address });
    await level(restored, one, two);
  });
});
