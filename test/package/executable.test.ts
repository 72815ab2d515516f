/** The single executable, built here and run without anything of this project beside it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';
import { buildExecutable, whyNot } from '../../package/build-executable.ts';

const why = whyNot();
if (why !== undefined) process.stderr.write(`SKIPPED the single executable: ${why}\n`);

describe.skipIf(why !== undefined)('the single executable', () => {
  let directory = '';
  let executable = '';
  let master: ChildProcess | undefined;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'walnut-executable-'));
    const built = await buildExecutable(join(directory, 'dist'));
    expect(readdirSync(join(directory, 'dist'))).toEqual(['walnut']);
    executable = join(directory, 'walnut');
    renameSync(built, executable);
  }, 240_000);
  afterAll(() => {
    master?.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  const run = (...args: string[]) => spawnSync(executable, args, { encoding: 'utf8', cwd: directory });

  it('is the tool and, by their names, the servers', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(run('--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
    expect(run('gateway', '--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
    expect(run('coordinator', '--check-config')).toMatchObject({ status: 2 });
    expect(run('mastr').stderr).toContain("unknown command 'mastr'");
  });

  it('runs a master with its page, takes writes, and stops in order', async () => {
    const settings = ['--set', 'server.port=0', '--set', `wal.directory=${join(directory, 'data')}`];
    master = spawn(executable, ['master', ...settings], { stdio: ['ignore', 'inherit', 'pipe'] });
    let address = '';
    for await (const line of createInterface({ input: master.stderr as NodeJS.ReadableStream })) {
      const { msg, address: told, pid } = JSON.parse(line);
      if (msg === 'listening') address = told;
      // The process was replaced, and is still the one that was started.
      if (msg === 'listening') expect(pid).toBe(master.pid);
      if (msg === 'recovered') break;
    }
    const at = ['--address', address];
    expect(run('set', 'k', 'v', ...at).status).toBe(0);
    expect(run('get', 'k', ...at).stdout).toBe('v');
    const page = await fetch(`http://${address}/`, { headers: { accept: 'text/html' } });
    expect(await page.text()).toContain('<html');
    const names = ['uplot.js', 'runbooks.json'].map((name) => fetch(`http://${address}/page/${name}`));
    expect((await Promise.all(names)).map(({ status }) => status)).toEqual([200, 200]);
    if (process.platform === 'linux')
      expect(readFileSync(`/proc/${master.pid}/cmdline`, 'utf8')).toMatch(
        /--max-old-space-size=\d+ --max-semi/,
      );
    const ended = once(master, 'exit');
    master.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

describe('an executable cannot be built', () => {
  it.each([
    ['v22.18.0', 'linux', 'cannot build one: expected 25.7 or newer'],
    ['v25.6.9', 'linux', 'v25.6.9 cannot build one'],
    ['v26.10.0', 'win32', 'Windows cannot replace a process'],
  ])('by %s on %s, and says so', (version, platform, message) => {
    expect(whyNot(version, platform)).toContain(message);
  });

  it('by no newer Node elsewhere', () => {
    expect([whyNot('v25.7.0', 'darwin'), whyNot('v26.0.0', 'linux')]).toEqual([undefined, undefined]);
  });
});
