/**
 * Runs the commands of the README in their order, on one group of `npm start`
 * in a copy of the project: taken from its text, so that the two cannot part.
 * Its ports are fixed, so the group is in a network namespace of its own where
 * that is allowed, and else on the machine's ports where they are free.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { codeBlocksOf, shellCommandsOf } from '#test/doubles/markdown.ts';
import { ROOT, readText } from './source-files.ts';

const BLOCKS = codeBlocksOf(readText('README.md'));
const COMMANDS = BLOCKS.filter(({ language }) => language === 'sh').flatMap(shellCommandsOf);
/** What a command must print; each must be in the README. */
const EXPECTED: readonly (readonly [command: string, output: RegExp])[] = [
  ['curl -X POST -H \'content-type: application/json\' -d \'{"key":"a"}\'', /"value":"aGk="/],
  ['curl -i localhost:8081/v1/keys/a', /^HTTP\/1\.1 200[\s\S]*\r\n\r\nhi$/],
  ['curl -i -X POST', /x-leader-hint: 127\.0\.0\.1:8080/i],
  ['walnut -- set greeting', /^OK \d+-\d+\n$/],
  ['walnut -- get greeting', /^hello$/],
  ['walnut -- status', /^role +master/m],
  ['walnut -- digest --compare', /all 3 the same at/],
  ['walnut -- scrub', /^altered +none$/m],
  ['walnut -- wal inspect', /no damage found/],
  ['walnut -- backup create', /^backup +data\/backups\//m],
  ['launch.cjs try-connect.ts', /^true hi \d+n\n$/],
  ['launch.cjs try-client.ts', /^bob eve\n$/],
  ['grpcurl', /"value": "aGk="/],
  ['buf curl', /"value": *"aGk="/],
  ['replay accesses.csv', /^hits +2 /m],
  ['replay orm-busy', /^hits +795,726 /m],
  ['failover --to', /127\.0\.0\.1:8081 is the master of term 2/],
  ['failover --address', /127\.0\.0\.1:8080 is the master of term 3/],
  ['diverged list', /nothing was set aside/],
];
const READY = /Try, in another terminal/;
const PORTS = [8_080, 8_081, 8_082];
const START_MS_MAX = 90_000;
/** What a clone has that the commands need. */
const COPIED = ['api', 'bin', 'configs', 'package.json', 'tsconfig.json', 'buf.yaml'];
/** Of these a copy would have to be compiled anew. */
const LINKED = ['client', 'cmd', 'internal', 'node_modules'];

let directory = '';
let holder: ChildProcess | undefined;
let whyNot: string | undefined;
let group: ChildProcess | undefined;
/** What each run of `digest --compare` found. */
const digests: string[] = [];

beforeAll(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'walnut-readme-'));
  for (const name of COPIED) await fs.cp(join(ROOT, name), join(directory, name), { recursive: true });
  for (const name of LINKED) await fs.symlink(join(ROOT, name), join(directory, name));
  for (const { language, text } of BLOCKS) {
    const name = /^\/\/ (\S+\.ts)\n/.exec(text)?.[1];
    // On a busy machine a minute passes before the digests are compared.
    const lasting = text.replace('ttlMs: 60_000', 'ttlMs: 3_600_000');
    if (language === 'ts' && name !== undefined) await fs.writeFile(join(directory, name), lasting);
  }
  if (!hasNamespaces()) whyNot = await whyPortsAreTaken();
  else holder = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up && echo up && exec sleep 900']);
  if (holder !== undefined) await new Promise((resolve) => holder?.stdout?.once('data', resolve));
});

afterAll(async () => {
  if (group?.exitCode === null) await stopGroup(group);
  holder?.kill('SIGKILL');
  await fs.rm(directory, { recursive: true, force: true });
});

function hasNamespaces(): boolean {
  if (process.platform !== 'linux') return false;
  return spawnSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up && nsenter --version']).status === 0;
}

async function whyPortsAreTaken(): Promise<string | undefined> {
  for (const port of PORTS) {
    const isFree = await new Promise<boolean>((resolve) => {
      const probe = createServer().once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (!isFree) return `SKIPPED: port ${port} is taken, and network namespaces need root`;
  }
  return undefined;
}

/** The environment of a person's shell: nothing of the npm and the test runner around this test. */
function environment(): NodeJS.ProcessEnv {
  const foreign = /^(npm_|VITEST|FORCE_COLOR$|NODE_OPTIONS$|WALNUT_|TEST$|NODE_ENV$)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

function startCommand(text: string, detached: boolean): ChildProcess {
  const inNamespace = holder === undefined ? [] : ['nsenter', '-t', String(holder.pid), '-n', '--'];
  const [command = 'sh', ...args] = [...inNamespace, 'sh', '-c', text];
  return spawn(command, args, {
    cwd: directory,
    env: environment(),
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function run(text: string): Promise<{ code: number | null; out: string; err: string }> {
  const child = startCommand(text, false);
  const said = { out: '', err: '' };
  child.stdout?.on('data', (bytes: Buffer) => {
    said.out += bytes.toString();
  });
  child.stderr?.on('data', (bytes: Buffer) => {
    said.err += bytes.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...said };
}

/** Starts the group as `npm start` does, and waits until it invites to try. */
async function startGroup(text: string): Promise<void> {
  if (group !== undefined) await ended(group);
  const child = startCommand(text, true);
  group = child;
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${text}: ${why}\n${said}`));
    const timer = setTimeout(() => fail(`not ready within ${START_MS_MAX} ms`), START_MS_MAX);
    const onData = (bytes: Buffer): void => {
      said += bytes.toString();
      if (!READY.test(said)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
    child.once('exit', (code) => fail(`ended with ${code}`));
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** Does what Ctrl-C in its terminal does: the whole process group is told. */
async function stopGroup(child: ChildProcess): Promise<void> {
  process.kill(-(child.pid ?? 0), 'SIGINT');
  await ended(child);
}

/** Skips, with the reason, what this machine has no tool or no file for. */
function skipWhatIsMissing(text: string, context: TestContext): void {
  if (whyNot !== undefined) context.skip(whyNot);
  const [tool = ''] = text.split(' ');
  if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) context.skip(`SKIPPED: no ${tool} here`);
  if (text.includes('orm-busy')) context.skip('SKIPPED: the trace is none of the project’s files');
}

describe('the commands of the README, in their order', { timeout: 120_000 }, () => {
  for (const { text, line } of COMMANDS) {
    it(`line ${line}: ${text}`, async (context) => {
      skipWhatIsMissing(text, context);
      // The packages are there, or this test would not run.
      const command = text.replace(/^npm ci && /, '');
      if (command === 'npm start') return startGroup(command);
      const { code, out, err } = await run(command);
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
      for (const [part, output] of EXPECTED) if (text.includes(part)) expect(out).toMatch(output);
      if (text.includes('digest --compare')) digests.push(out);
    });
  }

  it('bring the same entries and digest back after the kill', (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const [before, after] = digests.slice(-2).map((out) => out.match(/\d+ +[0-9a-f]{32}/g));
    expect(before).toHaveLength(3);
    expect(after).toEqual(before);
  });
});

describe('the test of the README', () => {
  it('reads blocks, and commands without their comments', () => {
    const text = '# A\n```sh\n# no\na b   # c\nd \\\n  e "#f"\n\n```\n## B\n```ts\nx\n```\n';
    const blocks = codeBlocksOf(text);
    expect(blocks.map(({ language, heading, line }) => [language, heading, line])).toEqual([
      ['sh', 'A', 2],
      ['ts', 'B', 10],
    ]);
    expect(blocks.flatMap(shellCommandsOf).slice(0, 2)).toEqual([
      { text: 'a b', line: 4 },
      { text: 'd e "#f"', line: 6 },
    ]);
    expect(() => codeBlocksOf('```sh\n')).toThrow('line 1 has no end');
  });

  it('expects nothing of commands that are not there', () => {
    const missing = EXPECTED.filter(([part]) => !COMMANDS.some(({ text }) => text.includes(part)));
    expect(missing).toEqual([]);
  });

  it('runs every block of TypeScript', () => {
    const blocks = BLOCKS.filter(({ language }) => language === 'ts');
    expect(blocks.length).toBeGreaterThan(0);
    for (const { text, line } of blocks) {
      const name = /^\/\/ (\S+\.ts)\n/.exec(text)?.[1];
      expect(name, `line ${line}: no name in its first line`).toBeDefined();
      expect(
        COMMANDS.some((command) => command.text === `node bin/launch.cjs ${name}`),
        name,
      ).toBe(true);
    }
  });
});
