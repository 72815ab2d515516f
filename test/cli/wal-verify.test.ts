import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { withFormatVersion, withNote, withRecords } from '#test/wal/append-record.ts';
import { encodeManifest } from '#wal/manifest.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { verifyWal } from '../../cmd/walnut/log/wal-verify.ts';
import { runCli } from './memory-io.ts';
import { change, EPOCH, fingerprint, flipAt, segmentsIn, WalRig } from './wal-rig.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-verify-'));
});
afterEach(() => rm(directory, { recursive: true }));

const verify = (...args: string[]) => runCli(['wal', 'verify', directory, ...args]);

async function verdict() {
  const { code, out } = await verify('--json');
  const { verdict: said, findings } = JSON.parse(out) as { verdict: string; findings: { kind: string }[] };
  return { code, verdict: said, kinds: findings.map(({ kind }) => kind) };
}

/** Writes a snapshot, segments below it that are kept for replicas, and segments after it. */
async function logWithSnapshot(): Promise<{ rig: WalRig; snapshotLsn: number; digest: string }> {
  const rig = await WalRig.open(directory, { retentionBytes: 1_000_000 });
  await rig.write(80);
  const { position } = await rig.host.checkpoint();
  await rig.write(80);
  const digest = rig.engine.store.stateDigest();
  await rig.close();
  return { rig, snapshotLsn: position.lsn, digest };
}

const snapshotOf = async (rig: WalRig): Promise<string> => rig.host.manifest.snapshot;

describe('wal verify', () => {
  it('finds a whole directory whole, with the state it contains, and changes nothing', async () => {
    const { rig, digest } = await logWithSnapshot();
    const before = await fingerprint(directory);
    const { code, out, err } = await verify('--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toMatchObject({
      verdict: 'whole',
      starts: true,
      position: `${EPOCH}-161`,
      digest,
      recordsRead: 161,
      recordsReplayed: 80,
      snapshot: await snapshotOf(rig),
      findings: [],
    });
    expect((await verify()).out).toContain('whole: no damage found');
    expect(await fingerprint(directory)).toBe(before);
  });

  it('finds a directory whole while a node writes, rotates and compacts', async () => {
    const rig = await WalRig.open(directory);
    await rig.write(20);
    const verdicts: Promise<Awaited<ReturnType<typeof verdict>>>[] = [];
    for (let i = 0; i < 40; i++) {
      if (i % 4 === 0) verdicts.push(verdict());
      await rig.write(15);
      if (i % 10 === 9) await rig.host.checkpoint();
    }
    for (const each of await Promise.all(verdicts)) {
      expect(each).toEqual({ code: 0, verdict: 'whole', kinds: [] });
    }
    await rig.close();
  });

  it('calls a torn end torn, which a start does not mind', async () => {
    await logWithSnapshot();
    const last = (await segmentsIn(directory)).at(-1) as string;
    await change(directory, last, (bytes) => Buffer.concat([bytes, Buffer.alloc(300, 7)]));
    expect(await verdict()).toEqual({ code: 0, verdict: 'torn', kinds: ['torn'] });
  });

  it('calls damage below the snapshot decayed', async () => {
    await logWithSnapshot();
    const first = (await segmentsIn(directory))[0] as string;
    await change(directory, first, flipAt(200));
    expect(await verdict()).toEqual({ code: 1, verdict: 'decayed', kinds: ['decayed'] });
    expect((await verify()).out).toContain('a start does not need what is damaged');
  });

  it('calls damage decayed that lies below the snapshot in the segment that goes on behind it', async () => {
    const rig = await WalRig.open(directory, { maxFileBytes: 1_000_000 });
    await rig.write(30);
    await rig.host.checkpoint();
    await rig.write(10);
    await rig.close();
    await change(directory, (await segmentsIn(directory))[0] as string, flipAt(200));
    expect(await verdict()).toEqual({ code: 1, verdict: 'decayed', kinds: ['decayed'] });
  });

  it('calls damage behind the snapshot damaged, and names the repair', async () => {
    await logWithSnapshot();
    const segments = await segmentsIn(directory);
    await change(directory, segments.at(-2) as string, flipAt(200));
    expect(await verdict()).toEqual({ code: 1, verdict: 'damaged', kinds: ['corrupt'] });
    expect((await verify()).out).toContain(`walnut wal repair ${directory}`);
  });

  it.each([
    ['the newest segment', 1],
    ['every segment', 99],
  ])('misses %s after a clean stop, though what is left is whole in itself', async (_what, count) => {
    await logWithSnapshot();
    const segments = await segmentsIn(directory);
    for (const name of segments.slice(-count)) await rm(join(directory, name));
    expect(await verdict()).toEqual({ code: 1, verdict: 'damaged', kinds: ['missing'] });
    const { out } = await verify();
    expect(out).toContain(`missing: ${segments.at(-1)}`);
    expect(out).toContain('MANIFEST knows that LSN 161 was durable');
    expect((await runCli(['wal', 'inspect', directory])).code).toBe(1);
    const backup = await runCli([
      'backup',
      'create',
      '--from',
      directory,
      '--to',
      join(directory, 'backups'),
    ]);
    expect(backup.code).not.toBe(0);
    expect(backup.err).toContain('this segment is missing');
  });

  describe('of a log that was killed', () => {
    /** Writes ten records after the last change of MANIFEST. Returns the newest segment. */
    async function killed(): Promise<string> {
      const live = await mkdtemp(join(tmpdir(), 'walnut-verify-live-'));
      const rig = await WalRig.open(live);
      await rig.write(10);
      await cp(live, directory, { recursive: true });
      await rig.close();
      await rm(live, { recursive: true });
      return (await segmentsIn(directory)).at(-1) as string;
    }

    it('says from which LSN on records could have vanished whole', async () => {
      const newest = await killed();
      await change(directory, newest, (bytes) => bytes.subarray(0, SEGMENT_HEADER_BYTES));
      expect(await verdict()).toEqual({ code: 0, verdict: 'whole', kinds: [] });
      expect(JSON.parse((await verify('--json')).out)).toMatchObject({ unvouchedFromLsn: 1 });
      const { out } = await verify();
      expect(out).toContain('MANIFEST vouches for records up to LSN 0 only');
      expect(out).toContain(`vanished whole from the end of ${newest}`);
    });

    it.each([0, SEGMENT_HEADER_BYTES - 1])(
      'misses the header of its newest segment (%i bytes)',
      async (size) => {
        const newest = await killed();
        await change(directory, newest, (bytes) => bytes.subarray(0, size));
        expect(await verdict()).toEqual({ code: 1, verdict: 'damaged', kinds: ['missing'] });
        expect((await verify()).out).toContain(`cut to ${size} bytes: MANIFEST knows that it had a header`);
        const to = join(directory, 'backups');
        const backup = await runCli(['backup', 'create', '--from', directory, '--to', to]);
        expect(backup.err).toContain(`cut to ${size} bytes`);
        expect((await runCli(['wal', 'repair', directory, '--apply', '--allow-empty'])).code).toBe(0);
        expect(await verdict()).toMatchObject({ code: 0 });
      },
    );
  });

  it('says of a clean stop that nothing could have vanished', async () => {
    await logWithSnapshot();
    expect(JSON.parse((await verify('--json')).out)).toMatchObject({ unvouchedFromLsn: null });
    expect((await verify()).out).not.toContain('vouches');
  });

  it.each([
    ['flipped', (bytes: Buffer) => flipAt(bytes.length >> 1)(bytes)],
    ['cut', (bytes: Buffer) => bytes.subarray(0, -10)],
    ['prolonged', (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)])],
  ])('reads the whole snapshot: %s', async (_what, edit) => {
    const { rig } = await logWithSnapshot();
    await change(directory, await snapshotOf(rig), edit);
    expect(await verdict()).toEqual({ code: 1, verdict: 'damaged', kinds: ['corrupt'] });
  });

  it('misses the snapshot, a segment, MANIFEST', async () => {
    const { rig } = await logWithSnapshot();
    const segments = await segmentsIn(directory);
    await rm(join(directory, segments.at(-2) as string));
    expect(await verdict()).toEqual({ code: 1, verdict: 'damaged', kinds: ['corrupt'] });
    await rm(join(directory, await snapshotOf(rig)));
    expect((await verdict()).kinds).toEqual(expect.arrayContaining(['missing']));
    await rm(join(directory, 'MANIFEST'));
    expect(await verdict()).toMatchObject({ code: 1, verdict: 'damaged' });
  });

  it('finds that the log does not continue the snapshot', async () => {
    const { rig } = await logWithSnapshot();
    const other = await mkdtemp(join(tmpdir(), 'walnut-verify-other-'));
    const twin = await WalRig.open(other, { seed: 9, retentionBytes: 1_000_000 });
    await twin.write(80);
    await twin.host.checkpoint();
    await twin.close();
    const bytes = createNodeFileSystem();
    const file = await bytes.open(join(other, await snapshotOf(twin)), 'read');
    const copy = Buffer.alloc((await file.stat()).sizeBytes);
    await file.read(copy, 0);
    await file.close();
    await change(directory, await snapshotOf(rig), () => copy);
    await rm(other, { recursive: true });
    expect(await verdict()).toEqual({ code: 1, verdict: 'damaged', kinds: ['corrupt'] });
  });

  it('takes a replica’s directory without a log yet, and refuses what is no data directory', async () => {
    // A check of a lost or wrong directory must not succeed.
    expect(await verify()).toMatchObject({ code: 2, out: '' });
    await (await WalRig.open(directory)).close();
    const text = await readFile(join(directory, 'MANIFEST'), 'utf8');
    const manifest = { ...JSON.parse(text.split('\n')[0] ?? ''), logId: '' };
    for (const name of await segmentsIn(directory)) await rm(join(directory, name));
    await writeFile(join(directory, 'MANIFEST'), encodeManifest(manifest));
    expect(await verdict()).toEqual({ code: 0, verdict: 'whole', kinds: [] });
    expect(await runCli(['wal', 'verify', join(directory, 'none')])).toMatchObject({ code: 6 });
  });

  it('tells on the way how far it is, from two seconds on', async () => {
    await logWithSnapshot();
    const real = createNodeClock();
    let readings = 0;
    // Each reading of the clock is a second later.
    const clock = { ...real, monotonicMs: () => 1_000 * readings++ };
    const notes: string[] = [];
    const parts = { fileSystem: createNodeFileSystem(), clock, random: createNodeRandom() };
    await verifyWal(parts, directory, (text) => notes.push(text));
    expect(notes.length).toBeGreaterThan(2);
    expect(notes[0]).toMatch(/^verifying: \d+ %, .*\/s, about .* left\n$/);
    const percents = notes.map((note) => Number(/(\d+) %/.exec(note)?.[1]));
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
  });
});

describe('a log that a newer version wrote', () => {
  const append = async (): Promise<string> => {
    const rig = await WalRig.open(directory);
    await rig.write(5);
    await rig.close();
    const last = (await segmentsIn(directory)).at(-1) as string;
    await change(directory, last, (bytes) => withRecords(bytes, { type: 9, payload: Buffer.from([1, 2]) }));
    return fingerprint(directory);
  };

  it('is called newer by verify, which names the type and says what to do', async () => {
    const before = await append();
    expect(await verdict()).toEqual({ code: 1, verdict: 'newer', kinds: ['newer'] });
    const { out } = await verify();
    expect(out).toContain('unknown record type 9');
    expect(out).toContain('Nothing is damaged: a newer version of Walnut wrote this');
    expect(await fingerprint(directory)).toBe(before);
  });

  it('is shown by dump with the bytes of what it does not know', async () => {
    const before = await append();
    const { code, out } = await runCli(['wal', 'dump', directory]);
    expect(code).toBe(1);
    expect(JSON.parse(out.trim().split('\n').at(-1) as string)).toMatchObject({
      position: `${EPOCH}-7`,
      type: 'unknown',
      recordType: 9,
      why: expect.stringContaining('unknown record type 9'),
      payloadBase64: Buffer.from([1, 2]).toString('base64'),
    });
    expect(await fingerprint(directory)).toBe(before);
  });

  it.each([
    ['wal', 'repair', '--apply'],
    ['wal', 'reset-term'],
  ])('is left alone by %s %s', async (...args) => {
    const before = await append();
    const { code, err } = await runCli([...args, directory]);
    expect(code).toBe(1);
    expect(err).toContain('unknown record type 9');
    expect(err).toContain('a newer version of Walnut wrote this');
    expect(await fingerprint(directory)).toBe(before);
  });

  it('is shown as newer by inspect, where an item or a segment header says so', async () => {
    await append();
    const last = (await segmentsIn(directory)).at(-1) as string;
    await change(directory, last, (bytes) => withNote(bytes, 4, () => {}));
    const { code, out } = await runCli(['wal', 'inspect', directory, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(out).findings).toMatchObject([{ kind: 'newer', why: 'unknown item kind 4' }]);
    await change(directory, last, (bytes) => withFormatVersion(bytes, 2));
    const again = await runCli(['wal', 'inspect', directory, '--json']);
    expect(JSON.parse(again.out).findings).toMatchObject([
      { kind: 'newer', why: 'format version 2 is not known to this program' },
    ]);
  });
});
