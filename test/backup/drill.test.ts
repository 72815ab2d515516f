import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DrillOptions, runDrill, whyWrong } from '#backup/drill.ts';
import { FORMAT_LEVELS, type FormatLevel, fileParts, LiveLog } from '#test/backup/live-log.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';

let root: string;
let data: string;
let live: LiveLog;
let drills = 0;

async function begin(formatLevel: FormatLevel): Promise<void> {
  root = await mkdtemp(join(tmpdir(), 'walnut-drill-test-'));
  data = join(root, 'data');
  live = await LiveLog.open(data, { seed: 21, formatLevel });
  await live.write(30);
  await live.checkpoint();
  await live.write(120);
}

afterEach(async () => {
  await live.close();
  await rm(root, { recursive: true });
});

async function drill(cut: DrillOptions['cut'], changes: Partial<DrillOptions> = {}) {
  const scratch = join(root, `scratch-${++drills}`);
  await mkdir(scratch);
  return runDrill(fileParts, { from: data, scratch, cut, random: new SeededRandom(5), runs: 12, ...changes });
}

function digestNow() {
  const { engine } = live;
  return { position: engine.position, entries: engine.store.entries, digest: engine.store.stateDigest() };
}

describe.each(FORMAT_LEVELS)('a recovery drill, at format level %i', (formatLevel) => {
  beforeEach(() => begin(formatLevel));

  it('recovers everything without a cut, as the live node has it', async () => {
    const report = await drill('none', { live: digestNow() });
    expect(report).toMatchObject({
      isPassed: true,
      lastLsn: 151,
      digest: live.digests[151],
      live: 'same',
      firstBad: undefined,
      runs: [{ recoveredLsn: 151, lostRecords: 0, records: 120, failure: undefined }],
    });
  });

  it('loses the last record to a torn tail', async () => {
    const report = await drill('torn-tail', { live: digestNow() });
    expect(report).toMatchObject({ isPassed: true, live: 'same' });
    expect(report.runs).toMatchObject([{ expectedLsn: 150, recoveredLsn: 150, lostRecords: 1 }]);
  });

  it('recovers to the end of each segment, and to the snapshot', async () => {
    const report = await drill('each-segment');
    const segments = (await readdir(data)).filter((name) => name.endsWith('.wal'));
    expect(report.isPassed).toBe(true);
    expect(report.runs.length).toBeGreaterThan(3);
    expect(report.runs.length).toBeLessThanOrEqual(segments.length + 1);
    expect(report.runs[0]).toMatchObject({ recoveredLsn: 31, records: 0 });
    expect(report.runs.at(-1)).toMatchObject({ recoveredLsn: 151, lostRecords: 0 });
  });

  it('recovers from random cuts, the same for the same seed', async () => {
    const report = await drill('random');
    expect(report).toMatchObject({ isPassed: true });
    const lsns = report.runs.map(({ recoveredLsn }) => recoveredLsn);
    expect(new Set(lsns).size).toBeGreaterThan(6);
    expect(Math.min(...lsns)).toBeGreaterThanOrEqual(31);
    const again = await drill('random');
    expect(again.runs.map(({ cut }) => cut)).toEqual(report.runs.map(({ cut }) => cut));
  });

  it('copies what it needs while writes and checkpoints go on', async () => {
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        await live.write(10);
        if (live.random.chance(0.3)) await live.checkpoint();
      }
    })();
    for (const cut of ['none', 'torn-tail', 'random'] as const) {
      const report = await drill(cut, { live: digestNow(), runs: 2 });
      expect(report.firstBad).toBeUndefined();
      expect(report.isPassed).toBe(true);
      expect(report.live).not.toBe('different');
    }
    isOver = true;
    await writing;
  });

  it('says where the first bad record is after any planted bit flip', async () => {
    const names = (await readdir(data)).filter((name) => /\.(wal|snapshot)$/.test(name)).sort();
    const base = live.host.manifest.snapshot;
    const sealed = names.filter((name) => name === base || (name.endsWith('.wal') && name !== names.at(-1)));
    for (const name of sealed) {
      const path = join(data, name);
      const bytes = await readFile(path);
      for (let i = 0; i < 4; i++) {
        const damaged = Buffer.from(bytes);
        const offset = live.random.below(bytes.length);
        damaged[offset] = (damaged[offset] ?? 0) ^ (1 << live.random.below(8));
        await writeFile(path, damaged);
        const report = await drill('none');
        expect(report.isPassed, `${name} byte ${offset}`).toBe(false);
        expect(report.firstBad, `${name} byte ${offset}`).toMatchObject({ file: path });
        expect(report.firstBad?.byte).toBeLessThanOrEqual(offset);
      }
      await writeFile(path, bytes);
    }
    expect(sealed.length).toBeGreaterThan(3);
    expect(await drill('none')).toMatchObject({ isPassed: true });
  });

  it('fails where the recovered state is another one', () => {
    const fold = { entries: 3, digest: 'a'.repeat(32) };
    const recovered = { position: { lsn: 7 }, ...fold };
    expect(whyWrong({ expectedLsn: 7 }, recovered, fold)).toBeUndefined();
    expect(whyWrong({ expectedLsn: 8 }, recovered, fold)).toContain('expected LSN 8');
    expect(whyWrong({ expectedLsn: 7 }, { ...recovered, entries: 2 }, fold)).toContain('2 entries');
    const digest = 'b'.repeat(32);
    expect(whyWrong({ expectedLsn: 7 }, { ...recovered, digest }, fold)).toContain(`digest ${digest}`);
    expect(whyWrong({ expectedLsn: 7 }, recovered, undefined)).toContain('did not come by');
  });

  it('fails where the live node has another state', async () => {
    const wrong = { ...digestNow(), digest: '0'.repeat(32) };
    expect(await drill('none', { live: wrong })).toMatchObject({ isPassed: false, live: 'different' });
    const elsewhere = { ...digestNow(), position: { epoch: 1, lsn: 3 as never } };
    expect(await drill('none', { live: elsewhere })).toMatchObject({ isPassed: true, live: 'not compared' });
  });
});
