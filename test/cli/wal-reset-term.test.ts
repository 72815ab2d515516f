/** `walnut wal reset-term`: its output, its change, and that a node leads again after it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TERM_MAX, termOf } from '#model/position.ts';
import { encodeManifest, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { runCli } from './memory-io.ts';
import { RunningMaster } from './running-node.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-term-'));
  const master = await RunningMaster.start(directory);
  await master.set('kept', 'yes');
  await master.stop();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const manifest = async (): Promise<Manifest> =>
  tryDecodeManifest(await readFile(join(directory, 'MANIFEST'))) as Manifest;

const poison = async (fields: Partial<Manifest>) =>
  writeFile(join(directory, 'MANIFEST'), encodeManifest({ ...(await manifest()), ...fields }));

const reset = (...args: string[]) => runCli(['wal', 'reset-term', directory, ...args]);

describe('walnut wal reset-term', () => {
  it.each([
    ['the highest', { term: TERM_MAX }],
    ['one beyond the highest, promoted to', { term: TERM_MAX + 1, promotedTo: TERM_MAX + 1 }],
  ])('takes back %s, and the node leads the term after the log’s', async (_name, fields) => {
    await poison(fields);
    const looked = await reset();
    expect(looked.code).toBe(1);
    expect(looked.out).toMatch(/MANIFEST has term \d+, the log's last record 1\. .*--apply/);
    expect((await manifest()).term).toBe(fields.term);
    expect(await reset('--apply')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/the term is 1 now/),
    });
    const master = await RunningMaster.start(directory, { forcedRole: 'master' });
    expect(termOf(master.node.status().position.epoch)).toBe(2);
    expect(master.contents()).toEqual({ kept: 'yes' });
    await master.set('more', 'of it');
    await master.stop();
  });

  it('changes nothing where the log accounts for the term', async () => {
    await poison({ term: 9 });
    expect(await reset('--apply')).toMatchObject({ code: 0, out: expect.stringMatching(/nothing to reset/) });
    expect((await manifest()).term).toBe(9);
    expect(JSON.parse((await reset('--json')).out)).toEqual({
      was: 9,
      term: 1,
      plan: 'needless',
      done: false,
    });
  });

  it('refuses while a node runs on the directory, and where there is none', async () => {
    const master = await RunningMaster.start(directory);
    await poison({ term: TERM_MAX });
    expect(await reset('--apply')).toMatchObject({ code: 1, err: expect.stringMatching(/another process/) });
    await master.stop();
    expect((await runCli(['wal', 'reset-term', '/nowhere'])).code).toBe(6);
  });
});
