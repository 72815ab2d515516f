import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stated } from '#model/entry.ts';
import { makeEpoch } from '#model/position.ts';
import { runCli } from './memory-io.ts';
import { change, EPOCH, fingerprint, flipAt, segmentsIn, WalRig, type Written } from './wal-rig.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-dump-'));
});
afterEach(() => rm(directory, { recursive: true }));

interface Line {
  readonly position: string;
  readonly type: string;
  readonly file: string;
  readonly byte: number;
  readonly mutations?: readonly Record<string, unknown>[];
}

const linesOf = (out: string): Line[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

const lsnsOf = (out: string): number[] => linesOf(out).map(({ position }) => Number(position.split('-')[1]));

const dump = (...args: string[]) => runCli(['wal', 'dump', directory, ...args]);

function expectedMutations({ mutations }: Written): unknown[] {
  return mutations.map((mutation) =>
    mutation.op === 'delete'
      ? { op: 'delete', cause: 'client', key: mutation.key }
      : {
          op: 'set',
          cause: 'client',
          key: mutation.key,
          bytes: stated(mutation).value.length,
          valueBase64: Buffer.from(stated(mutation).value).toString('base64'),
          expireAtMs: stated(mutation).expireAtMs,
        },
  );
}

async function writtenLog(records: number): Promise<WalRig> {
  const rig = await WalRig.open(directory);
  await rig.write(records);
  await rig.close();
  return rig;
}

describe('wal dump', () => {
  it('prints every record of every segment as it was written, and changes nothing', async () => {
    const rig = await writtenLog(100);
    expect((await segmentsIn(directory)).length).toBeGreaterThan(2);
    const before = await fingerprint(directory);
    const { code, out, err } = await dump();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const lines = linesOf(out);
    expect(lines[0]).toMatchObject({ position: `${EPOCH}-1`, type: 'epoch', parent: '0-0' });
    expect(lines.map(({ position }) => position)).toEqual(rig.written.map(({ lsn }) => `${EPOCH}-${lsn}`));
    expect(lines.slice(1).map(({ mutations }) => mutations)).toEqual(
      rig.written.slice(1).map(expectedMutations),
    );
    expect(await fingerprint(directory)).toBe(before);
  });

  it('prints the range that was asked for, and sizes only where values are not wanted', async () => {
    const rig = await writtenLog(60);
    const { out } = await dump('--from', '20', '--to', '40', '--no-values');
    expect(lsnsOf(out)).toEqual(Array.from({ length: 21 }, (_, i) => 20 + i));
    expect(out).not.toContain('valueBase64');
    const sizes = linesOf(out).map(({ mutations }) => mutations?.map(({ bytes }) => bytes));
    const expected = rig.written.slice(19, 40).map(({ mutations }) => {
      return mutations.map((mutation) => (mutation.op === 'set' ? mutation.value.length : undefined));
    });
    expect(sizes).toEqual(expected);
    expect(await dump('--from', '9', '--to', '3')).toMatchObject({ code: 2 });
    expect(await dump('--from', '0')).toMatchObject({ code: 2 });
  });

  it('steps over damage, names it, and exits 1', async () => {
    const rig = await writtenLog(100);
    const [first] = await segmentsIn(directory);
    const place = linesOf((await dump()).out)[5] as Line;
    await change(directory, first as string, flipAt(place.byte + 60));
    const { code, out, err } = await dump();
    expect(code).toBe(1);
    expect(lsnsOf(out)).toEqual(rig.written.map(({ lsn }) => lsn).filter((lsn) => lsn !== 6));
    expect(err).toContain(`damage: ${first}: byte ${place.byte}, LSN 6: payload CRC differs`);
    expect(err).toContain('LSN 6 to 6 are not there');
  });

  it('reads the records of a segment whose header is damaged', async () => {
    const rig = await writtenLog(100);
    const second = (await segmentsIn(directory))[1] as string;
    await change(directory, second, flipAt(70));
    const { code, out, err } = await dump();
    expect(code).toBe(1);
    expect(lsnsOf(out)).toEqual(rig.written.map(({ lsn }) => lsn));
    expect(err).toContain(`damage: ${second}: byte 0`);
  });

  it('does not take the records of one segment for those of another', async () => {
    const rig = await writtenLog(100);
    const [, second, third] = (await segmentsIn(directory)) as [string, string, string];
    const [secondLsn, thirdLsn] = [second, third].map((name) => Number(name.slice(11, -4))) as [
      number,
      number,
    ];
    const other = await readFile(join(directory, third));
    await change(directory, second, () => other);
    const { code, out, err } = await dump();
    expect(code).toBe(1);
    const isThere = (lsn: number) => lsn < secondLsn || lsn >= thirdLsn;
    expect(lsnsOf(out)).toEqual(rig.written.map(({ lsn }) => lsn).filter(isThere));
    expect(err).toContain(
      `damage: ${second}: byte 32, LSN ${secondLsn}: the file name and the header differ`,
    );
    expect(err).toContain(`LSN ${secondLsn} to ${thirdLsn - 1} are not there`);
  });

  it('tells an unfinished end, which is no damage', async () => {
    await writtenLog(5);
    const [only] = await segmentsIn(directory);
    const last = linesOf((await dump()).out).at(-1) as Line;
    await change(directory, only as string, (bytes) => bytes.subarray(0, last.byte + 30));
    const { code, out, err } = await dump();
    expect({ code, last: lsnsOf(out).at(-1) }).toEqual({ code: 0, last: 5 });
    expect(err).toContain('unfinished end');
  });

  it('says where the log does not reach back as far as was asked for', async () => {
    const rig = await WalRig.open(directory);
    await rig.write(60);
    await rig.host.checkpoint();
    await rig.write(20);
    await rig.close();
    const whole = await dump();
    const earliest = lsnsOf(whole.out)[0] as number;
    expect({ code: whole.code, isCompacted: earliest > 2 }).toEqual({ code: 0, isCompacted: true });
    const { code, err } = await dump('--from', '2');
    expect(code).toBe(1);
    expect(err).toContain(`LSN 2 to ${earliest - 1} are not there`);
  });

  it('follows a live log through rotation and compaction until --to', async () => {
    const rig = await WalRig.open(directory);
    await rig.write(5);
    const follow = dump('--follow', '--to', '300', '--every', '10ms', '--no-values');
    for (let i = 0; i < 30; i++) {
      await rig.write(10);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (i % 10 === 9) await rig.host.checkpoint();
    }
    const { code, out, err } = await follow;
    await rig.close();
    const lsns = lsnsOf(out);
    expect(lsns.at(-1)).toBe(300);
    // Records that a checkpoint deleted before they were read are reported as a gap.
    const missing = 300 - lsns.length;
    const told = [...err.matchAll(/LSN (\d+) to (\d+) are not there/g)].reduce(
      (sum, [, from, to]) => sum + Number(to) - Number(from) + 1,
      0,
    );
    expect({ missing, code }).toEqual({ missing: told, code: told === 0 ? 0 : 1 });
    expect(lsns).toEqual([...lsns].sort((a, b) => a - b));
  });

  it('says where a log that it follows was cut back, and goes on with what took its place', async () => {
    const rig = await WalRig.open(directory);
    await rig.write(20);
    const follow = dump('--follow', '--to', '40', '--every', '10ms', '--no-values');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const epoch = makeEpoch(2, 9);
    await rig.cutTo(15, epoch);
    await rig.write(24);
    const { code, out, err } = await follow;
    await rig.close();
    expect(code).toBe(0);
    expect(err).toMatch(/cut: .*LSN 16: the log was cut back before it, from LSN 21/);
    const positions = linesOf(out).map(({ position }) => position);
    const expected = [
      ...Array.from({ length: 21 }, (_, i) => `${EPOCH}-${i + 1}`),
      ...Array.from({ length: 25 }, (_, i) => `${epoch}-${i + 16}`),
    ];
    expect(positions).toEqual(expected);
  });

  it('ends following at Ctrl-C', async () => {
    const rig = await writtenLog(5);
    const interruption = new AbortController();
    const { code, out } = await runCli(['wal', 'dump', directory, '--follow'], {
      interrupted: interruption.signal,
      onWrite: () => interruption.abort(),
    });
    expect(code).toBe(130);
    expect(lsnsOf(out)).toEqual(rig.written.map(({ lsn }) => lsn));
  });

  it('ends with 6 where there is no directory', async () => {
    expect(await runCli(['wal', 'dump', join(directory, 'none')])).toMatchObject({ code: 6 });
  });

  it('refuses a directory of something else as usage, as inspect and verify do', async () => {
    await writeFile(join(directory, 'readme.txt'), 'something else');
    for (const command of ['dump', 'inspect', 'verify']) {
      const { code, err } = await runCli(['wal', command, directory]);
      expect({ command, code }).toEqual({ command, code: 2 });
      expect(err).toContain('contains no log');
    }
  });
});
