import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Entry, EntrySchema, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { termOf, toLsn } from '#model/position.ts';
import { createStore } from '#storage/store.ts';
import { FakeNode } from '#test/cli/fake-node.ts';
import { runCli } from '#test/cli/memory-io.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { type Change, chunkChanges, diffWithLive } from '../../cmd/walnut/backup/restore-diff.ts';

let root: string;
let master: RunningMaster;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'walnut-restore-to-'));
  master = await RunningMaster.start(join(root, 'data'));
});

afterEach(async () => {
  await master.stop();
  await rm(root, { recursive: true });
});

function restoreTo(...more: string[]) {
  const source = more.includes('--source') ? [] : ['--source', master.directory];
  return runCli(['restore-to', ...source, '--address', master.address, ...more]);
}

async function writeSome(): Promise<number> {
  for (const key of ['user:1', 'user:2', 'user:3', 'other']) await master.set(key, `${key} then`);
  const { lsn } = master;
  await master.set('user:1', 'user:1 now');
  await master.delete('user:2');
  await master.set('user:4', 'user:4 now');
  await master.set('other', 'other now');
  return lsn;
}

const THEN = { 'user:1': 'user:1 then', 'user:2': 'user:2 then', 'user:3': 'user:3 then' };

describe('walnut restore-to', () => {
  it('shows the diff and writes nothing without --apply', async () => {
    const lsn = await writeSome();
    const before = master.node.digest();
    const ran = await restoreTo('--lsn', String(lsn), '--prefix', 'user:');
    expect(ran.code, ran.err).toBe(0);
    expect(ran.out).toMatch(/^to set +2$/m);
    expect(ran.out).toMatch(/^to delete +1$/m);
    expect(ran.out).toMatch(/^the same +1$/m);
    expect(ran.out).toContain('nothing was written: a dry run');
    const { isApplied, sets, deletes, same, changes } = JSON.parse(
      (await restoreTo('--lsn', String(lsn), '--json')).out,
    );
    expect({ isApplied, sets, deletes, same }).toEqual({ isApplied: false, sets: 3, deletes: 1, same: 1 });
    const byKey = Object.fromEntries(changes.map((change: { key: string }) => [change.key, change]));
    expect(byKey['user:2']).toEqual({ op: 'set', key: 'user:2', seen: null, bytes: 11, expireAtMs: 0 });
    expect(byKey['user:4']).toMatchObject({ op: 'delete', seen: expect.stringMatching(/^\d+-\d+$/) });
    expect(master.node.digest()).toEqual(before);
  });

  it('brings content types back, and takes another type of the same value for a change', async () => {
    const html = { expiry: { kind: 'at', expireAtMs: 0 }, contentType: 'text/html' } as const;
    const options = { returnPrevious: false, minAcks: 0, timeoutMs: 0 };
    for (const key of ['page:gone', 'page:plain'])
      await master.node.set({ key, value: Buffer.from('<p>'), ...html, ...options });
    const { lsn } = master;
    await master.delete('page:gone');
    await master.set('page:plain', '<p>');
    const ran = await restoreTo('--lsn', String(lsn), '--prefix', 'page:', '--apply', '--json');
    expect(ran.code, ran.err).toBe(0);
    expect(JSON.parse(ran.out)).toMatchObject({ changes: [{ contentType: 'text/html' }, {}], applied: 2 });
    const { entries } = master.node.scan({ prefix: 'page:', cursor: '', limit: 9, keysOnly: false });
    expect(entries.map(({ contentType }) => contentType)).toEqual(['text/html', 'text/html']);
  });

  it('brings a prefix back with new entries that say why', async () => {
    const lsn = await writeSome();
    const before = master.node.digest();
    const seen: object[] = [];
    const args = ['--address', master.address, '--lsn', String(lsn), '--prefix', 'user:', '--apply'];
    const ran = await runCli(['restore-to', '--source', master.directory, ...args], {
      onWrite: () => seen.push(master.contents()),
    });
    // Where nobody reads what is shown, the process ends there.
    expect(seen).toEqual([{ ...THEN, other: 'other now' }]);
    expect(ran.code, ran.err).toBe(0);
    expect(ran.out).toContain('3 changes made');
    expect(master.contents()).toEqual({ ...THEN, other: 'other now' });
    const { position } = before;
    expect(master.lsn).toBe(position.lsn + 1);
    expect(master.node.digest().position.epoch).toBe(position.epoch);
    const command = { after: position, format: 'entries', bytesMax: 0 } as const;
    const { updates } = await master.node.getUpdates(command);
    expect(updates.map(({ op, cause }) => `${op} ${cause}`).sort()).toEqual([
      'delete restored',
      'set restored',
      'set restored',
    ]);
    expect((await restoreTo('--lsn', String(lsn), '--prefix', 'user:')).out).toMatch(/^to set +0$/m);
  });

  it('brings everything back from a backup, by time, through checkpoints', async () => {
    const backups = join(root, 'backups');
    const random = new SeededRandom(9);
    for (let i = 0; i < 300; i++) await master.set(`key ${random.below(100)}`, `then ${i}`);
    const then = master.contents();
    const create = ['backup', 'create', '--from', master.directory, '--to', backups];
    expect((await runCli(create)).code).toBe(0);
    const [made] = JSON.parse((await runCli(['backup', 'list', backups, '--json'])).out);
    for (let i = 0; i < 300; i++) {
      const key = `key ${random.below(200)}`;
      if (random.chance(0.3)) await master.delete(key);
      else await master.set(key, `now ${i}`);
    }
    await master.node.checkpoint();
    expect(master.contents()).not.toEqual(then);
    const time = new Date(made.createdMs).toISOString();
    const ran = await restoreTo('--source', backups, '--time', time, '--apply', '--json');
    expect(ran.code, ran.err).toBe(0);
    expect(JSON.parse(ran.out)).toMatchObject({ isApplied: true, conflicts: [], failures: [] });
    expect(master.contents()).toEqual(then);
  });

  it('takes deadlines with it', async () => {
    const later = Date.now() + 3_600_000;
    await master.set('lasting', 'then', later);
    const { lsn } = master;
    await master.delete('lasting');
    const ran = await restoreTo('--lsn', String(lsn), '--apply', '--json');
    expect(JSON.parse(ran.out)).toMatchObject({ sets: 1, changes: [{ key: 'lasting', expireAtMs: later }] });
    expect(master.contents()).toEqual({ lasting: 'then' });
    const { entries } = master.node.scan({ prefix: '', cursor: '', limit: 1, keysOnly: false });
    expect(entries[0]?.expireAtMs).toBe(later);
  });

  it('leaves alone what was written after it was compared, lists it, and exits 1', async () => {
    const lsn = await writeSome();
    const scan = master.node.scan.bind(master.node);
    // A write happens between the comparison and the change.
    let isFirst = true;
    master.node.scan = (command) => {
      const answer = scan(command);
      if (isFirst) void master.set('user:1', 'newest').then(() => master.delete('user:4'));
      isFirst = false;
      return answer;
    };
    const ran = await restoreTo('--lsn', String(lsn), '--apply', '--json');
    expect(ran.code).toBe(1);
    const { applied, conflicts } = JSON.parse(ran.out);
    expect(applied).toBe(2);
    expect(conflicts).toEqual([
      { key: 'user:1', why: expect.stringContaining('it was written at') },
      { key: 'user:4', why: 'it is gone' },
    ]);
    expect(master.contents()).toMatchObject({ 'user:1': 'newest', 'user:2': 'user:2 then' });
  });

  it('refuses replicas, other logs and positions that are not there', async () => {
    const lsn = await writeSome();
    const other = await RunningMaster.start(join(root, 'other'));
    try {
      await other.set('foreign', 'x');
      const foreign = await restoreTo('--source', other.directory);
      expect(foreign.code).toBe(2);
      expect(foreign.err).toContain('--other-log');
      expect((await restoreTo('--source', other.directory, '--other-log')).code).toBe(0);
    } finally {
      await other.stop();
    }
    expect((await restoreTo('--lsn', String(lsn + 100))).code).toBe(2);
    expect((await restoreTo('--source', root)).code).toBe(2);
    expect((await restoreTo('--lsn', '3', '--time', '2027-01-31T12:00:00Z')).code).toBe(2);
    const unreachable = ['restore-to', '--source', master.directory, '--address', '127.0.0.1:1'];
    expect((await runCli(unreachable)).code).toBe(5);
    const replica = await new FakeNode({ master: master.address }).start();
    const asked = await runCli(['restore-to', '--source', master.directory, '--address', replica.address]);
    await replica.stop();
    expect(asked.code).toBe(2);
    expect(asked.err).toContain(`--address ${master.address}`);
  });
});

describe('a restored directory', () => {
  it('starts as a master with a new epoch under its old term', async () => {
    await writeSome();
    const backups = join(root, 'backups');
    await master.node.checkpoint();
    await master.set('last', 'one');
    const { position, digest } = master.node.digest();
    await runCli(['backup', 'create', '--from', master.directory, '--to', backups]);
    const to = join(root, 'restored');
    const restored = await runCli(['backup', 'restore', backups, '--to', to, '--json']);
    expect(JSON.parse(restored.out)).toMatchObject({ digest });
    const second = await RunningMaster.start(to);
    try {
      const now = second.node.digest();
      expect(now).toMatchObject({ digest, position: { lsn: position.lsn + 1 } });
      expect(now.position.epoch).not.toBe(position.epoch);
      expect(termOf(now.position.epoch)).toBe(termOf(position.epoch));
      expect(second.node.status()).toMatchObject({ state: 'serving', logId: master.node.status().logId });
      expect(second.node.status().nodeId).not.toBe(master.node.status().nodeId);
    } finally {
      await second.stop();
    }
  });
});

describe('the comparison', () => {
  const { signal: interrupted } = new AbortController();
  const version = (lsn: number) => create(PositionSchema, { epoch: 7n, lsn: BigInt(lsn) });
  const entry = (key: string, value: string, lsn: number, expireAtMs = 0) =>
    create(EntrySchema, {
      key,
      value: Buffer.from(value),
      version: version(lsn),
      expireAtMs: BigInt(expireAtMs),
    });

  async function compare(now: Entry[][], nowMs: number, shiftMs = 0) {
    const then = createStore({ limits: { entriesMax: 0, bytesMax: 0, policy: 'none' } });
    const keys: [string, number][] = [
      ['same', 0],
      ['other deadline', 50],
      ['expired', 40],
      ['gone', 0],
      ['gone too', 40],
    ];
    keys.forEach(([key, expireAtMs], i) => {
      const set = { op: 'set', key, value: Buffer.from('v'), expireAtMs, cause: 'client' } as const;
      then.apply(set, { epoch: 7, lsn: toLsn(i + 1) });
    });
    const scan = async ({ cursor = '' }: { cursor?: string }) => {
      const page = Number(cursor);
      return { entries: now[page] ?? [], nextCursor: page + 1 < now.length ? String(page + 1) : '' };
    };
    const diff = await diffWithLive(then, { scan } as never, '', { nowMs, shiftMs }, { interrupted });
    return [diff.same, ...diff.changes.map(({ op, key, seen }) => `${op} ${key} ${seen?.lsn ?? 'missing'}`)];
  }

  it('does not bring back what has expired since', async () => {
    const now = [entry('same', 'v', 11), entry('other deadline', 'v', 12), entry('expired', 'x', 13)];
    expect(await compare([now], 45)).toEqual([
      1,
      'set other deadline 12',
      'delete expired 13',
      'set gone missing',
    ]);
  });

  it('takes deadlines as the log has them, however far its clock is from wall time', async () => {
    const now = [entry('same', 'v', 11), entry('other deadline', 'v', 12, 1_050), entry('gone', 'v', 4)];
    expect(await compare([now], 45, 1_000)).toEqual([3]);
    expect(await compare([now], 45)).toEqual([2, 'set other deadline 12']);
  });

  it('brings back the deadline of an entry that was touched since: its version is the same', async () => {
    const soon = 10_000_000;
    const now = [entry('same', 'v', 1, soon), entry('other deadline', 'v', 2, 55), entry('gone', 'v', 4)];
    // The log clock may be slewed by a little while the keys are read.
    expect(await compare([now], 45)).toEqual([2, 'set same 1']);
  });

  it('is not misled by a key that the scan gives twice', async () => {
    const pages = [
      [entry('same', 'v', 11), entry('other deadline', 'v', 12), entry('new', 'x', 13)],
      [entry('same', 'changed', 20), entry('other deadline', 'x', 21), entry('new', 'y', 22)],
    ];
    expect(await compare(pages, 0)).toEqual([
      1,
      'set other deadline 12',
      'delete new 22',
      'set expired missing',
      'set gone missing',
      'set gone too missing',
    ]);
  });
});

describe('requests', () => {
  it('are bounded in changes and bytes, and lose nothing', () => {
    const random = new SeededRandom(4);
    const changes = Array.from({ length: 3_000 }, (_, i): Change => {
      const value = new Uint8Array(random.chance(0.01) ? 2 << 20 : random.below(3_000));
      return { op: 'set', key: `key ${i}`, seen: undefined, value, expireAtMs: 0, contentType: '' };
    });
    const chunks = chunkChanges(changes);
    expect(chunks.flat()).toEqual(changes);
    for (const chunk of chunks) {
      expect(chunk.length).toBeLessThanOrEqual(500);
      const bytes = chunk.reduce((sum, each) => sum + (each.op === 'set' ? each.value.length : 0), 0);
      expect(chunk.length === 1 || bytes <= 1 << 20).toBe(true);
    }
    expect(chunkChanges([])).toEqual([]);
  });
});
