import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { runCli } from './memory-io.ts';
import {
  change,
  EPOCH,
  fingerprint,
  flipAt,
  segmentsIn,
  stateAt,
  stateOf,
  WalRig,
  type Written,
} from './wal-rig.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-repair-'));
});
afterEach(() => rm(directory, { recursive: true }));

const repair = (...args: string[]) => runCli(['wal', 'repair', directory, ...args]);

interface RepairJson {
  readonly plan: string;
  readonly applied: boolean;
  readonly keep: { readonly position: string };
  readonly dropsSnapshot: boolean;
  readonly files: readonly { readonly name: string; readonly fromByte: number; readonly bytes: number }[];
  readonly loss: {
    readonly records: number;
    readonly mutations: number;
    readonly lastLsn: number;
    readonly keys: readonly Record<string, unknown>[];
    readonly unreadable: readonly { readonly firstLsn: number; readonly lastLsn: number }[];
  };
  readonly aside: readonly string[];
}

interface VerifyJson {
  readonly verdict: string;
}

const parse = (out: string) => JSON.parse(out) as RepairJson;
const keptLsn = ({ keep }: RepairJson): number => Number(keep.position.split('-')[1]);

/** Computes the expected loss from the writes: everything beyond `kept` except what cannot be read. */
function modelLoss(written: readonly Written[], kept: number, unreadable: ReadonlySet<number>) {
  const lost = written.filter(({ lsn }) => lsn > kept && !unreadable.has(lsn));
  const keys = new Map<string, { key: string; writes: number; lost: string; op: string }>();
  for (const { lsn, mutations } of lost) {
    for (const { key, op } of mutations) {
      const writes = (keys.get(key)?.writes ?? 0) + 1;
      keys.set(key, { key, writes, lost: `${EPOCH}-${lsn}`, op });
    }
  }
  const state = stateAt(written, kept);
  const versionOf = (key: string): string | null => state.get(key)?.split('@')[1] ?? null;
  const byKey = [...keys.values()].map((each) => ({ ...each, kept: versionOf(each.key) }));
  return {
    records: lost.length,
    mutations: lost.reduce((sum, { mutations }) => sum + mutations.length, 0),
    keys: byKey.sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

function lossOf({ loss }: RepairJson) {
  const keys = [...loss.keys].sort((a, b) => (String(a['key']) < String(b['key']) ? -1 : 1));
  return { records: loss.records, mutations: loss.mutations, keys };
}

function lsnsOf({ loss }: RepairJson): Set<number> {
  const lsns = new Set<number>();
  for (const { firstLsn, lastLsn } of loss.unreadable) {
    for (let lsn = firstLsn; lsn <= lastLsn; lsn++) lsns.add(lsn);
  }
  return lsns;
}

async function expectRefused(): Promise<void> {
  await expect(WalRig.open(directory)).rejects.toMatchObject({ kind: 'corrupt' });
}

/**
 * Repairs with --apply, opens with the node's own recovery, and compares with the model.
 * `isEndGone`: records were cut off the end without a trace.
 */
async function repairAndCompare(
  written: readonly Written[],
  isEndGone = false,
  ...flags: string[]
): Promise<RepairJson> {
  await expectRefused();
  const before = await fingerprint(directory);
  const dry = await repair('--json');
  expect(dry.code).toBe(1);
  expect(await fingerprint(directory)).toBe(before);
  const { code, out, err } = await repair('--json', '--apply', ...flags);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const done = parse(out);
  expect({ ...done, applied: false, aside: [] }).toEqual(parse(dry.out));
  const kept = keptLsn(done);
  const lastLsn = isEndGone ? done.loss.lastLsn : written.length;
  expect(lossOf(done)).toEqual(modelLoss(written.slice(0, lastLsn), kept, lsnsOf(done)));
  // Damage below the snapshot remains, because a start does not need those records.
  const verified = JSON.parse((await runCli(['wal', 'verify', directory, '--json'])).out) as VerifyJson;
  expect(verified).toMatchObject({ starts: true, position: done.keep.position });
  expect(verified.verdict).not.toBe('damaged');
  expect(await repair()).toMatchObject({ code: 0 });
  const rig = await WalRig.open(directory);
  expect(rig.engine.applied.lsn).toBe(kept);
  expect(stateOf(rig.engine)).toEqual(stateAt(written, kept));
  await rig.write(3);
  await rig.close();
  return done;
}

async function writtenLog(records: number, options: { checkpointAt?: number; retentionBytes?: number } = {}) {
  const rig = await WalRig.open(directory, { retentionBytes: options.retentionBytes ?? 0 });
  await rig.write(options.checkpointAt ?? records);
  if (options.checkpointAt !== undefined) {
    await rig.host.checkpoint();
    await rig.write(records - options.checkpointAt);
  }
  await rig.close();
  return rig;
}

/** The offset of record `lsn`, by `wal dump`. */
async function placeOf(lsn: number): Promise<{ file: string; byte: number }> {
  const { out } = await runCli(['wal', 'dump', directory, '--from', String(lsn), '--to', String(lsn)]);
  return JSON.parse(out) as { file: string; byte: number };
}

describe('wal repair', () => {
  it('keeps what is left where the newest segment is gone, and tells which LSNs MANIFEST knows of', async () => {
    const { written } = await writtenLog(120);
    const newest = (await segmentsIn(directory)).at(-1) as string;
    const firstLsn = Number(newest.slice(11, 31));
    await rm(join(directory, newest));
    const { loss } = await repairAndCompare(written);
    expect(loss.unreadable).toEqual([{ firstLsn, lastLsn: written.length }]);
  });

  it('cuts at a record damaged in the middle of the first segment', async () => {
    const { written } = await writtenLog(120);
    const { file, byte } = await placeOf(9);
    await change(directory, file, flipAt(byte + 60));
    const done = await repairAndCompare(written);
    expect(keptLsn(done)).toBe(8);
    expect(done.files[0]).toMatchObject({ name: file, fromByte: byte });
    expect(done.loss.unreadable).toEqual([{ firstLsn: 9, lastLsn: 9 }]);
    expect(done.loss.lastLsn).toBe(121);
  });

  it('keeps everything it cuts, byte by byte', async () => {
    await writtenLog(120);
    const { file, byte } = await placeOf(9);
    await change(directory, file, flipAt(byte + 60));
    const segments = await segmentsIn(directory);
    const contents = new Map<string, string>();
    for (const name of segments) contents.set(name, await readFile(join(directory, name), 'base64'));
    const { aside } = parse((await repair('--json', '--apply')).out);
    expect(aside.map((name) => name.split('/')[2])).toEqual(segments);
    for (const name of aside) {
      const kept = await readFile(join(directory, name), 'base64');
      expect(kept).toBe(contents.get(name.split('/')[2] as string));
    }
  });

  it('shows which keys lose what, and says how to do it', async () => {
    await writtenLog(120);
    const { file, byte } = await placeOf(100);
    await change(directory, file, flipAt(byte + 60));
    const { code, out } = await repair('--keys', '3');
    expect(code).toBe(1);
    expect(out).toContain(`everything up to ${EPOCH}-99`);
    expect(out).toContain('LSN 100: which keys they wrote is not known');
    expect(out).toMatch(/KEY +WRITES LOST +THE LAST +GOES BACK TO/);
    expect(out).toContain('keys written before these');
    expect(out).toContain('run again with --apply');
    const done = await repair('--apply');
    expect(done).toMatchObject({ code: 0, out: expect.stringContaining('Repaired and verified.') });
  });

  it('cuts where a segment is missing, where its header is damaged, where its seal is gone', async () => {
    const { written } = await writtenLog(120);
    const copy = new Map<string, Buffer>();
    for (const name of await readdir(directory)) {
      if (name !== 'LOCK') copy.set(name, await readFile(join(directory, name)));
    }
    const segments = await segmentsIn(directory);
    const second = segments[1] as string;
    const lastOfFirst = Number(second.slice(11, 31)) - 1;
    const edits: readonly (() => Promise<void>)[] = [
      () => rm(join(directory, second)),
      () => change(directory, second, flipAt(70)),
      () => change(directory, segments[0] as string, (bytes) => bytes.subarray(0, -28)),
    ];
    for (const edit of edits) {
      await rm(directory, { recursive: true });
      directory = await mkdtemp(join(tmpdir(), 'walnut-repair-'));
      for (const [name, bytes] of copy) await writeFile(join(directory, name), bytes);
      await edit();
      expect(keptLsn(await repairAndCompare(written))).toBe(lastOfFirst);
    }
  });

  it('cuts a last segment whose end was vouched for by its closing mark', async () => {
    const { written } = await writtenLog(4);
    const { file, byte } = await placeOf(5);
    await change(directory, file, flipAt(byte + 60));
    const done = await repairAndCompare(written);
    expect(keptLsn(done)).toBe(4);
    expect(done.loss).toMatchObject({ records: 0, unreadable: [{ firstLsn: 5, lastLsn: 5 }] });
  });

  it('keeps the snapshot and what follows it, whatever is damaged below it', async () => {
    const rig = await WalRig.open(directory, { maxFileBytes: 20_000 });
    await rig.write(30);
    await rig.host.checkpoint();
    await rig.write(200);
    await rig.close();
    const below = await placeOf(10);
    const behind = await placeOf(60);
    expect(behind.file).toBe(below.file);
    await change(directory, below.file, flipAt(below.byte + 60));
    await change(directory, behind.file, flipAt(behind.byte + 60));
    expect(keptLsn(await repairAndCompare(rig.written))).toBe(59);
  });

  it('goes back to the snapshot where the first record behind it is damaged', async () => {
    const rig = await WalRig.open(directory, { retentionBytes: 1_000_000 });
    await rig.write(50);
    await rig.host.checkpoint();
    await rig.engine.log.rotate();
    await rig.write(100);
    await rig.close();
    const { file, byte } = await placeOf(52);
    await change(directory, file, flipAt(byte + 60));
    expect(keptLsn(await repairAndCompare(rig.written))).toBe(51);
  });

  it('gives a damaged snapshot up where the log reaches back to its beginning: nothing is lost', async () => {
    const { written, host } = await writtenLog(100, { checkpointAt: 60, retentionBytes: 10_000_000 });
    await change(directory, host.manifest.snapshot, flipAt(500));
    const done = await repairAndCompare(written);
    expect(done).toMatchObject({ dropsSnapshot: true, loss: { records: 0, keys: [] } });
    expect(keptLsn(done)).toBe(101);
    expect(done.aside).toEqual([`aside/1/${host.manifest.snapshot}`]);
  });

  it('gives a damaged snapshot up and cuts the log that replaces it', async () => {
    const { written, host } = await writtenLog(100, { checkpointAt: 60, retentionBytes: 10_000_000 });
    await rm(join(directory, host.manifest.snapshot));
    const { file, byte } = await placeOf(30);
    await change(directory, file, flipAt(byte + 60));
    const done = await repairAndCompare(written);
    expect({ kept: keptLsn(done), dropsSnapshot: done.dropsSnapshot }).toEqual({
      kept: 29,
      dropsSnapshot: true,
    });
  });

  it('empties a log of which nothing can be kept only when told so', async () => {
    const { written, host } = await writtenLog(100, { checkpointAt: 60 });
    await change(directory, host.manifest.snapshot, flipAt(500));
    const before = await fingerprint(directory);
    const refused = await repair('--apply');
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining('nothing of the state would be left'),
    });
    expect(await fingerprint(directory)).toBe(before);
    expect(keptLsn(await repairAndCompare(written, false, '--allow-empty'))).toBe(0);
  });

  it('refuses a live directory, and changes nothing', async () => {
    const rig = await WalRig.open(directory);
    await rig.write(10);
    const before = await fingerprint(directory);
    expect(await repair('--apply')).toMatchObject({
      code: 1,
      err: expect.stringContaining('another process'),
    });
    expect(await repair()).toMatchObject({ code: 0, out: expect.stringContaining('nothing to repair') });
    expect(await fingerprint(directory)).toBe(before);
    await rig.close();
  });

  it('leaves alone what a start puts right by itself', async () => {
    await writtenLog(50);
    const last = (await segmentsIn(directory)).at(-1) as string;
    await change(directory, last, (bytes) => Buffer.concat([bytes, Buffer.alloc(300, 7)]));
    const before = await fingerprint(directory);
    const { code, out } = await repair('--apply');
    expect({ code, isTold: out.includes('torn end') }).toEqual({ code: 0, isTold: true });
    expect(await fingerprint(directory)).toBe(before);
  });

  it('refuses what it cannot decide: no MANIFEST, segments of another log, no directory', async () => {
    await writtenLog(50);
    const manifest = await readFile(join(directory, 'MANIFEST'));
    await rm(join(directory, 'MANIFEST'));
    expect(await repair('--apply')).toMatchObject({ code: 1, err: expect.stringContaining('MANIFEST') });
    expect(await readdir(directory)).not.toContain('MANIFEST');
    const other = manifest.toString().replace(/"logId":"0011/, '"logId":"ffff');
    const { encodeManifest } = await import('#wal/manifest.ts');
    const json = JSON.parse(other.split('\n')[0] as string) as Parameters<typeof encodeManifest>[0];
    await writeFile(join(directory, 'MANIFEST'), encodeManifest(json));
    expect(await repair('--apply')).toMatchObject({
      code: 1,
      err: expect.stringContaining('belongs to log'),
    });
    expect(await runCli(['wal', 'repair', join(directory, 'none'), '--apply'])).toMatchObject({ code: 6 });
    expect(await readdir(directory)).not.toContain('none');
  });

  const SEED = 20_261_121;
  it(`keeps what the model says for random damage (seed ${SEED})`, async () => {
    const random = new SeededRandom(SEED);
    const rig = await writtenLog(90, { checkpointAt: 30, retentionBytes: 3_000 });
    const files = new Map<string, Buffer>();
    for (const name of await readdir(directory)) {
      if (name !== 'LOCK') files.set(name, await readFile(join(directory, name)));
    }
    const names = [...files.keys()].filter((name) => name.endsWith('.wal')).sort();
    let repaired = 0;
    for (let round = 0; round < 16; round++) {
      await rm(directory, { recursive: true });
      directory = await mkdtemp(join(tmpdir(), 'walnut-repair-'));
      for (const [name, bytes] of files) await writeFile(join(directory, name), bytes);
      let isEndGone = false;
      for (let i = random.between(1, 2); i > 0; i--) {
        const name = random.pick(names);
        const isFlip = random.chance(0.7);
        isEndGone ||= !isFlip && name === names.at(-1);
        await change(directory, name, (bytes) => {
          const at = random.below(bytes.length);
          return isFlip ? flipAt(at)(bytes) : bytes.subarray(0, at);
        });
      }
      if ((await repair()).code === 0) continue;
      repaired++;
      await repairAndCompare(rig.written, isEndGone, '--allow-empty');
    }
    expect(repaired).toBeGreaterThan(6);
  }, 60_000);
});
