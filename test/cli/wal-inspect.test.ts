import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import { toLsn } from '#model/position.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { formatSegmentName, formatSnapshotName } from '#wal/file-names.ts';
import { encodeFrame } from '#wal/frame.ts';
import { encodeManifest, type Manifest } from '#wal/manifest.ts';
import {
  encodeMark,
  encodeSeal,
  encodeSegmentHeader,
  PREFIX_BYTES,
  SEGMENT_HEADER_BYTES,
  writeRecordPrefix,
} from '#wal/segment-format.ts';
import { inspectWal } from '../../cmd/walnut/log/wal-inspect.ts';
import { runCli } from './memory-io.ts';

const LOG_ID = 'ab'.repeat(16);
const EPOCH = 4_294_967_303;
const PAYLOAD_BYTES = 20;
const RECORD_BYTES = PREFIX_BYTES + 44 + PAYLOAD_BYTES;
const MANIFEST: Manifest = {
  format: 1,
  logId: LOG_ID,
  nodeId: 'cd'.repeat(16),
  role: 'master',
  upstream: '',
  term: 1,
  snapshot: '',
  lowestSegment: 1,
  replicas: { added: [], removed: [] },
  quarantine: null,
};

let directory = '';
let crc = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-inspect-'));
  crc = 0;
  await writeFile(join(directory, 'MANIFEST'), encodeManifest(MANIFEST));
});
afterEach(() => rm(directory, { recursive: true }));

type End = 'seal' | 'stop' | 'none';

/**
 * Writes a segment of `records` records that continues the segment written before. `durLag`
 * is stated in each record.
 */
async function writeSegment(
  seq: number,
  firstLsn: number,
  records: number,
  end: End,
  durLag = 0,
): Promise<string> {
  const salt = 1_000 + seq;
  const header = { logId: LOG_ID, seq, firstLsn: toLsn(firstLsn), epoch: EPOCH, lastCrc: crc, salt };
  const parts = [encodeSegmentHeader(header)];
  for (let lsn = firstLsn; lsn < firstLsn + records; lsn++) {
    const frame = encodeFrame(
      {
        lsn: toLsn(lsn),
        epoch: EPOCH,
        prevCrc: crc,
        type: RECORD_TYPE.data,
        flags: 0,
        timestampMs: 1_700_000_000_000 + lsn,
      },
      PAYLOAD_BYTES,
      (target, offset) => void target.fill(lsn, offset),
    );
    crc = frame.crc;
    const bytes = Buffer.concat([Buffer.alloc(PREFIX_BYTES), frame.bytes]);
    writeRecordPrefix(bytes, 0, salt, durLag);
    parts.push(bytes);
  }
  const lastLsn = firstLsn + records - 1;
  if (end === 'seal') parts.push(encodeSeal(salt, { lastLsn, lastCrc: crc, records, durLag: 0 }));
  if (end === 'stop') parts.push(encodeMark(salt, { lastLsn, durLag: 0, isCleanStop: true }));
  const name = formatSegmentName(seq, firstLsn);
  await writeFile(join(directory, name), Buffer.concat(parts));
  return name;
}

async function damage(name: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  const path = join(directory, name);
  await writeFile(path, change(await readFile(path)));
}

const flipAt = (offset: number) => (bytes: Buffer) => {
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  return bytes;
};

const inspect = () => inspectWal(createNodeFileSystem(), directory);

describe('wal inspect', () => {
  it('shows ranges, sizes and epochs of a whole log', async () => {
    const first = await writeSegment(1, 1, 5, 'seal');
    const second = await writeSegment(2, 6, 3, 'stop');
    const { code, out } = await runCli(['wal', 'inspect', `${directory}/`, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      manifest: { logId: LOG_ID },
      segments: [
        {
          name: first,
          firstLsn: 1,
          lastLsn: 5,
          records: 5,
          epochs: [EPOCH],
          end: 'sealed',
          firstTimestampMs: 1_700_000_000_001,
        },
        {
          name: second,
          firstLsn: 6,
          lastLsn: 8,
          records: 3,
          end: 'stopped',
          bytes: 96 + 3 * RECORD_BYTES + 28,
        },
      ],
      firstLsn: 1,
      lastLsn: 8,
      records: 8,
      findings: [],
    });
    const table = await runCli(['wal', 'inspect', directory]);
    expect(table.out).toContain('no damage found');
    expect(table.out).toMatch(/1 to 5 +5 .*sealed/);
  });

  it('changes nothing', async () => {
    await writeSegment(1, 1, 5, 'seal');
    const torn = await writeSegment(2, 6, 3, 'none', 10);
    await damage(torn, (bytes) => bytes.subarray(0, -5));
    const fingerprint = async () => {
      const names = (await readdir(directory)).sort();
      const files = await Promise.all(
        names.map(async (name) => {
          const path = join(directory, name);
          const digest = createHash('sha256')
            .update(await readFile(path))
            .digest('hex');
          return [name, digest, (await stat(path)).mtimeMs];
        }),
      );
      return JSON.stringify(files);
    };
    const before = await fingerprint();
    expect((await runCli(['wal', 'inspect', directory])).code).toBe(1);
    expect(await fingerprint()).toBe(before);
  });

  const lastRecordAt = SEGMENT_HEADER_BYTES + 2 * RECORD_BYTES;
  it.each([
    ['cut short', (bytes: Buffer) => bytes.subarray(0, -5), lastRecordAt],
    [
      'followed by zeros',
      (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(5_000)]),
      lastRecordAt + RECORD_BYTES,
    ],
    ['of flipped bits that nothing vouches for', flipAt(lastRecordAt + 60), lastRecordAt],
  ] as const)('calls an end %s torn', async (_what, change, byte) => {
    await writeSegment(1, 1, 2, 'seal');
    const name = await writeSegment(2, 3, 3, 'none', 10);
    await damage(name, change);
    const { segments, findings } = await inspect();
    expect(findings).toMatchObject([{ kind: 'torn', file: name, byte }]);
    expect(segments[1]?.end).toBe('damaged');
    expect((await runCli(['wal', 'inspect', directory])).out).toContain(`torn: ${name}: byte ${byte}`);
  });

  it('calls damage corrupt that a later item shows to have been durable', async () => {
    const name = await writeSegment(1, 1, 3, 'stop');
    await damage(name, flipAt(SEGMENT_HEADER_BYTES + RECORD_BYTES + 60));
    const { findings } = await inspect();
    expect(findings).toMatchObject([
      { kind: 'corrupt', file: name, byte: SEGMENT_HEADER_BYTES + RECORD_BYTES, lsn: 2 },
    ]);
  });

  it('calls any damage corrupt that has a segment behind it, and goes on there', async () => {
    const names = [
      await writeSegment(1, 1, 2, 'seal'),
      await writeSegment(2, 3, 2, 'seal'),
      await writeSegment(3, 5, 2, 'stop'),
    ];
    await damage(names[0] as string, flipAt(20));
    await damage(names[1] as string, (bytes) => bytes.subarray(0, -28));
    const { findings, segments } = await inspect();
    expect(findings).toMatchObject([
      { kind: 'corrupt', file: names[0], byte: 0 },
      {
        kind: 'corrupt',
        file: names[1],
        why: 'the segment ends without its seal, though a later segment shows that it was durable',
      },
    ]);
    expect(segments[2]).toMatchObject({ records: 2, end: 'stopped' });
  });

  it('calls damage decayed that lies below the base snapshot', async () => {
    const snapshot = formatSnapshotName({ epoch: EPOCH, lsn: 3 });
    await writeFile(join(directory, 'MANIFEST'), encodeManifest({ ...MANIFEST, snapshot }));
    await writeFile(join(directory, snapshot), 'not read');
    const name = await writeSegment(1, 1, 2, 'seal');
    await writeSegment(2, 3, 2, 'stop');
    await damage(name, flipAt(SEGMENT_HEADER_BYTES + 60));
    const { findings, snapshots } = await inspect();
    expect(findings).toMatchObject([{ kind: 'decayed', file: name, lsn: 1 }]);
    expect(snapshots).toEqual([{ name: snapshot, bytes: 8, position: `${EPOCH}-3`, isBase: true }]);
  });

  it('misses segments, the base snapshot and MANIFEST', async () => {
    await writeSegment(1, 1, 2, 'seal');
    const second = await writeSegment(2, 3, 2, 'seal');
    const third = await writeSegment(3, 5, 2, 'stop');
    await rm(join(directory, second));
    expect((await inspect()).findings).toMatchObject([
      { kind: 'corrupt', file: third, why: expect.stringContaining('LSN 3 is missing') },
    ]);
    await rm(join(directory, formatSegmentName(1, 1)));
    expect((await inspect()).findings).toMatchObject([{ kind: 'missing', file: third, lsn: 1 }]);
    const snapshot = formatSnapshotName({ epoch: EPOCH, lsn: 4 });
    await writeFile(join(directory, 'MANIFEST'), encodeManifest({ ...MANIFEST, snapshot }));
    expect((await inspect()).findings).toMatchObject([{ kind: 'missing', file: snapshot, lsn: 4 }]);
    await rm(join(directory, 'MANIFEST'));
    expect((await inspect()).findings[0]).toMatchObject({ kind: 'missing', file: 'MANIFEST' });
    await writeFile(join(directory, 'MANIFEST'), 'garbage');
    expect((await inspect()).findings[0]).toMatchObject({ kind: 'corrupt', file: 'MANIFEST' });
  });

  it('tells a foreign segment, and leaves out what MANIFEST excludes and what lies aside', async () => {
    await writeSegment(1, 1, 2, 'seal');
    crc = 0;
    await writeSegment(2, 1, 2, 'stop');
    await writeFile(join(directory, 'MANIFEST'), encodeManifest({ ...MANIFEST, lowestSegment: 2 }));
    await mkdir(join(directory, 'aside', '1'), { recursive: true });
    await writeFile(join(directory, 'aside', '1', 'old.wal'), 'x');
    await writeFile(join(directory, 'aside', 'notes.txt'), 'somebody else put this here');
    const whole = await inspect();
    expect(whole).toMatchObject({
      findings: [],
      excluded: [{ name: formatSegmentName(1, 1) }],
      aside: [{ name: 'aside/1/old.wal', bytes: 1 }],
    });
    await writeFile(
      join(directory, 'MANIFEST'),
      encodeManifest({ ...MANIFEST, lowestSegment: 2, logId: 'ef'.repeat(16) }),
    );
    expect((await inspect()).findings).toMatchObject([
      { kind: 'corrupt', why: expect.stringContaining('belongs to log') },
    ]);
  });

  it('does not mind a newest segment without a record, or a directory without one', async () => {
    expect((await runCli(['wal', 'inspect', directory])).code).toBe(0);
    await writeSegment(1, 1, 2, 'seal');
    await writeFile(join(directory, formatSegmentName(2, 3)), Buffer.alloc(50));
    expect(await inspect()).toMatchObject({ findings: [], segments: [{}, { end: 'empty' }] });
  });

  it('looks again where the log is changed under its eyes', async () => {
    await writeSegment(1, 1, 2, 'seal');
    const second = await writeSegment(2, 3, 2, 'stop');
    const fileSystem = createNodeFileSystem();
    let hasCompacted = false;
    const compacting = {
      ...fileSystem,
      open: async (path: string, mode: 'read') => {
        if (!hasCompacted && path.endsWith('.wal')) {
          hasCompacted = true;
          const snapshot = formatSnapshotName({ epoch: EPOCH, lsn: 2 });
          await writeFile(join(directory, snapshot), '');
          await writeFile(join(directory, 'MANIFEST'), encodeManifest({ ...MANIFEST, snapshot }));
          await rm(join(directory, formatSegmentName(1, 1)));
        }
        return fileSystem.open(path, mode);
      },
    } as typeof fileSystem;
    const report = await inspectWal(compacting, directory);
    expect(report.findings).toEqual([]);
    expect(report.segments.map(({ name }) => name)).toEqual([second]);
  });

  it('looks again where MANIFEST changed between reading it and the files', async () => {
    await writeSegment(1, 1, 2, 'seal');
    const second = await writeSegment(2, 3, 2, 'stop');
    const fileSystem = createNodeFileSystem();
    let listings = 0;
    const compacting = {
      ...fileSystem,
      readDirectory: async (path: string) => {
        if (listings++ === 0) {
          const snapshot = formatSnapshotName({ epoch: EPOCH, lsn: 2 });
          await writeFile(join(directory, snapshot), '');
          await writeFile(join(directory, 'MANIFEST'), encodeManifest({ ...MANIFEST, snapshot }));
          await rm(join(directory, formatSegmentName(1, 1)));
        }
        return fileSystem.readDirectory(path);
      },
    };
    const report = await inspectWal(compacting, directory);
    expect(report.findings).toEqual([]);
    expect(report.segments.map(({ name }) => name)).toEqual([second]);
    expect(listings).toBe(2);
  });

  it('finds what stands behind a seal', async () => {
    const name = await writeSegment(1, 1, 2, 'seal');
    const mark = encodeMark(1_001, { lastLsn: 2, durLag: 0, isCleanStop: true });
    await damage(name, (bytes) => Buffer.concat([bytes, mark]));
    expect((await inspect()).findings).toMatchObject([
      { file: name, why: 'there is an item after the seal' },
    ]);
  });

  it('ends with 6 where there is no directory, and with 2 where none is named', async () => {
    expect(await runCli(['wal', 'inspect', join(directory, 'none')])).toMatchObject({ code: 6 });
    expect(await runCli(['wal', 'inspect'])).toMatchObject({ code: 2 });
  });
});
