import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAUNCHER = join(ROOT, 'bin', 'launch.cjs');
const { childEnvironment, isNewEnough, heapMegabytes, v8Flags } = createRequire(import.meta.url)(
  LAUNCHER,
) as {
  childEnvironment(node: string, entry: string): NodeJS.ProcessEnv;
  isNewEnough(version: string): boolean;
  v8Flags(entry: string, args: string[]): string[];
  heapMegabytes(entry: string, args: string[], env: NodeJS.ProcessEnv, availableBytes: number): number;
};

let directory: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'walnut-launch-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  await fs.rm(directory, { recursive: true, force: true });
});

/** Writes a TypeScript program; the launcher takes absolute paths too. */
async function program(source: string): Promise<string> {
  const file = join(directory, 'program.ts');
  await fs.writeFile(file, source);
  return file;
}

function start(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  detached = false,
): ChildProcess {
  const inherited = { ...process.env, ...env };
  if (env['npm_lifecycle_event'] === undefined) delete inherited['npm_lifecycle_event'];
  const child = spawn(command, args, {
    cwd: directory,
    env: inherited,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached,
  });
  started.push(child);
  return child;
}

const launch = (...args: string[]): ChildProcess => start(process.execPath, [LAUNCHER, ...args]);

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function outcome(child: ChildProcess): Promise<Outcome> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

async function nextLine(child: ChildProcess): Promise<string> {
  const [chunk] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return chunk.toString().trim();
}

/** Counts signals, says its pid, and leaves with 40 + the count a moment after the first. */
const COUNTER = `
  let count = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      count += 1;
      setTimeout(() => process.exit(40 + count), 400);
    });
  }
  setInterval(() => {}, 1_000);
  console.log(String(process.pid));
`;

describe('launcher', () => {
  it.each([
    ['v20.20.2', false],
    ['v22.17.9', false],
    ['v22.18.0', true],
    ['v23.5.0', false],
    ['v23.6.0', true],
    ['v24.0.0', true],
    ['v26.10.0', true],
  ])('knows whether %s runs TypeScript: %s', (version, expected) => {
    expect(isNewEnough(version)).toBe(expected);
  });

  it('runs TypeScript with its arguments, working directory, heap limit and thread pool', async () => {
    const file = await program(`
      const report: object = {
        args: process.argv.slice(2),
        cwd: process.cwd(),
        heap: process.execArgv.some((flag) => flag.startsWith('--max-old-space-size=')),
        threads: process.env['UV_THREADPOOL_SIZE'],
      };
      console.log(JSON.stringify(report));
    `);
    const { code, out } = await outcome(
      start(process.execPath, [LAUNCHER, file, 'a b', '--flag', ''], { UV_THREADPOOL_SIZE: '' }),
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      args: ['a b', '--flag', ''],
      cwd: await fs.realpath(directory),
      heap: true,
      threads: '16',
    });
  });

  it.each<[string[], NodeJS.ProcessEnv, number]>([
    // 60 % of 20 GiB for entries, so 512 MiB and a quarter of that.
    [[], {}, 3_584],
    [['--set', 'storage.max_memory=4GiB'], {}, 1_536],
    [['--set=storage.max_memory=1GiB'], {}, 768],
    [[], { WALNUT_STORAGE__MAX_MEMORY: '2GiB' }, 1_024],
    [['-set', 'storage.max_memory=1GiB'], { WALNUT_STORAGE__MAX_MEMORY: '2GiB' }, 768],
    // What entries leave is less than wanted, and then too little.
    [['--set', 'storage.max_memory=18GiB'], {}, 1_536],
    [['--set', 'storage.max_memory=30GiB'], {}, 256],
    // Not well written: the node will say so.
    [['--set', 'storage.max_memory=lots'], {}, 3_584],
  ])('derives the heap limit from storage.max_memory: %j %j', (args, env, expected) => {
    expect(heapMegabytes('cmd/master.ts', args, env, 20 * 2 ** 30)).toBe(expected);
  });

  it.each([
    [192, 96],
    [256, 96],
    [400, 120],
    [512, 153],
    [1_024, 307],
  ])('leaves the heap of a node in %d MiB %d MiB', (mebibytes, expected) => {
    expect(heapMegabytes('cmd/master.ts', [], {}, mebibytes * 2 ** 20)).toBe(expected);
  });

  it.each([
    [128, 96],
    [256, 96],
    [512, 320],
    [1_024, 768],
  ])('leaves the heap of a gateway or coordinator in %d MiB %d MiB', (mebibytes, expected) => {
    for (const entry of ['cmd/gateway.ts', 'cmd/coordinator.ts'])
      expect(heapMegabytes(entry, [], {}, mebibytes * 2 ** 20)).toBe(expected);
  });

  it('tells every server, and nothing else, whose end it should notice', () => {
    const parentOf = (entry: string) => childEnvironment(process.execPath, entry)['WALNUT_PARENT_PID'];
    for (const kind of ['master', 'slave', 'node', 'coordinator', 'gateway'])
      expect(parentOf(`cmd/${kind}.ts`), kind).toBe(String(process.pid));
    expect(parentOf('cmd/walnut.ts')).toBeUndefined();
  });

  it('reads max_memory of the configuration file, too, and leaves other programs three quarters', async () => {
    const file = join(directory, 'node.yaml');
    await fs.writeFile(file, 'storage:\n  # max_memory: "1GiB"\n  max_memory: "4GiB" # entries\n');
    const limit = (entry: string, ...args: string[]) => heapMegabytes(entry, args, {}, 20 * 2 ** 30);
    expect(limit('cmd/slave.ts', '--config', file)).toBe(1_536);
    expect(limit('cmd/slave.ts', `-config=${file}`, '--set', 'storage.max_memory=1GiB')).toBe(768);
    expect(limit('cmd/slave.ts', '--config', join(directory, 'missing'))).toBe(3_584);
    expect(limit('cmd/walnut.ts', '--config', file)).toBe(15_360);
  });

  it('gives nodes and gateways, and nothing else, as many threads beside the main one as there are cores for', () => {
    const threads = (entry: string) =>
      v8Flags(entry, []).flatMap((flag) => /^--v8-pool-size=(\d+)$/.exec(flag)?.[1] ?? []);
    const [count = ''] = threads('cmd/master.ts');
    expect(Number(count)).toBe(Math.max(1, Math.min(4, cpus().length - 1)));
    for (const entry of [
      'cmd/node.ts',
      'cmd/gateway.ts',
      'cmd/group.ts',
      'cmd/cluster.ts',
      'cmd/cluster-ha.ts',
    ])
      expect(threads(entry)).toEqual([count]);
    expect(threads('cmd/walnut.ts')).toEqual([]);
  });

  it('has the new objects of nodes and gateways, and of nothing else, made where one thread collects them', () => {
    const FLAGS = ['--max-semi-space-size=4', '--no-parallel-scavenge', '--no-allocation-site-pretenuring'];
    const ofNodes = (entry: string) => v8Flags(entry, []).filter((flag) => FLAGS.includes(flag));
    for (const entry of ['cmd/master.ts', 'cmd/slave.ts', 'cmd/node.ts', 'cmd/gateway.ts'])
      expect(ofNodes(entry)).toEqual(FLAGS);
    expect(ofNodes('cmd/walnut.ts')).toEqual([]);
  });

  it('leaves a heap limit given by NODE_OPTIONS alone', async () => {
    const file = await program('console.log(JSON.stringify(process.execArgv));');
    const child = start(process.execPath, [LAUNCHER, file], { NODE_OPTIONS: '--max-old-space-size=300' });
    expect((await outcome(child)).out.trim()).toBe('["--disable-sigusr1"]');
  });

  it('runs the tool in its own process, with its arguments and exit code', async () => {
    const processes = join(directory, 'processes');
    const hook = join(directory, 'hook.cjs');
    await fs.writeFile(
      hook,
      `require('fs').appendFileSync(${JSON.stringify(processes)}, process.argv.slice(2).join(' ') + '\\n');`,
    );
    const { code, err } = await outcome(
      start(process.execPath, [LAUNCHER, 'cmd/walnut.ts', 'get'], { NODE_OPTIONS: `--require ${hook}` }),
    );
    expect(code).toBe(2);
    expect(err).toContain("missing required argument 'keys'");
    expect(await fs.readFile(processes, 'utf8')).toBe('cmd/walnut.ts get\n');
  });

  it('hands on the exit code, also of an uncaught error', async () => {
    expect((await outcome(launch(await program('process.exit(3);')))).code).toBe(3);
    expect((await outcome(launch(await program("throw new Error('no');")))).code).toBe(1);
  });

  it('answers 128 + n where a signal killed the child', async () => {
    const file = await program("process.kill(process.pid, 'SIGKILL');");
    expect((await outcome(launch(file))).code).toBe(137);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('passes %s on once, however often it comes', async (signal) => {
    const child = launch(await program(COUNTER));
    await nextLine(child);
    child.kill(signal);
    child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill(signal);
    expect((await outcome(child)).code).toBe(41);
  });

  it('ends the child when npm dies without a word', async () => {
    const file = await program(COUNTER);
    // A stand-in for npm that a SIGKILL takes away from above the launcher.
    const shell = start(
      process.execPath,
      [
        '-e',
        `require('child_process').spawn(process.execPath, ${JSON.stringify([LAUNCHER, file])}, { stdio: 'inherit' })`,
      ],
      { npm_lifecycle_event: 'start' },
    );
    const pid = Number(await nextLine(shell));
    const closed = once(shell, 'close');
    shell.kill('SIGKILL');
    // The pipe closes when its last holder, the child, is gone.
    await closed;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it.skipIf(process.platform === 'win32')(
    'outlives npm where a hang-up without a terminal ended that',
    async () => {
      const file = await program(`process.on('SIGHUP', () => {});\n${COUNTER}`);
      const shell = start(
        process.execPath,
        [
          '-e',
          `require('child_process').spawn(process.execPath, ${JSON.stringify([LAUNCHER, file])}, { stdio: 'inherit' })`,
        ],
        { npm_lifecycle_event: 'start' },
        true,
      );
      const pid = Number(await nextLine(shell));
      const gone = once(shell, 'exit');
      const closed = once(shell, 'close');
      process.kill(-(shell.pid ?? 0), 'SIGHUP');
      await gone;
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(process.kill(pid, 0)).toBe(true);
      process.kill(pid, 'SIGTERM');
      await closed;
    },
  );

  it('outlives the shell that started it, outside npm', async () => {
    const file = await program(COUNTER);
    const shell = start(process.execPath, [
      '-e',
      `require('child_process').spawn(process.execPath, ${JSON.stringify([LAUNCHER, file])}, { stdio: 'inherit' })`,
    ]);
    const pid = Number(await nextLine(shell));
    shell.kill('SIGKILL');
    await once(shell, 'exit');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(process.kill(pid, 0)).toBe(true);
    const closed = once(shell, 'close');
    process.kill(pid, 'SIGTERM');
    await closed;
  });

  it.each([
    ['typescript:tsc', /^Version 7/],
    ['vitest', /^vitest\/5/],
    ['@bufbuild/buf:buf', /^1\.74/],
    ['@biomejs/biome', /^Version: 2/],
  ])('runs the command of %s', async (name, version) => {
    const { code, out, err } = await outcome(launch('--bin', name, '--version'));
    expect(`${out}${err}`).toMatch(version);
    expect(code).toBe(0);
  });

  it('puts the chosen Node first on PATH, then the packages’ commands', async () => {
    const file = await program("console.log(process.env['PATH']);");
    const path = (await outcome(launch(file))).out.trim().split(process.platform === 'win32' ? ';' : ':');
    expect(path[0]).toBe(join(process.execPath, '..'));
    expect(path[1]).toBe(join(ROOT, 'node_modules', '.bin'));
  });

  it.each([
    [[], 'usage: launch.cjs'],
    [['--bin'], 'usage: launch.cjs'],
    [['--bin', 'no-such-package'], 'package no-such-package is not installed'],
    [['--bin', 'typescript:nothing'], 'package typescript has no command nothing'],
  ])('refuses %j without a stack', async (args, message) => {
    const { code, err } = await outcome(launch(...args));
    expect(code).toBe(126);
    expect(err).toContain(`walnut: ${message}`);
    expect(err).not.toContain('    at ');
  });
});
