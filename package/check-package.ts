/**
 * `npm run check:package`: builds and packs the package, lints what was packed, and tries
 * it in an empty project with npm, in each Node that can be had, in Bun and in Deno: an ES
 * module, a CommonJS program and one on fetch against a master, and an embedded node and
 * replica, all from the packed file. What is missing is printed as SKIPPED. The last line is
 * `N passed, N failed`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildPackage } from './build-package.ts';
import { endAtArguments } from './no-arguments.ts';
import { PROGRAMS } from './trial-programs.ts';

const PUBLINT = 'publint@0.3.25';
const TYPES_LINT = '@arethetypeswrong/cli@0.18.5';
/** The oldest that is supported, and the newest of each line between. The one that runs this comes besides. */
const NODES = ['22.18.0', '24.11.0'];
/** Other runtimes, by the packages that bring their binaries. */
const OTHERS = [
  { name: 'Bun', command: 'bun', version: '1.4.4', args: [] },
  { name: 'Deno', command: 'deno', version: '2.9.6', args: ['run', '--allow-all'] },
];
const READY_MS_MAX = 30_000;

/** What runs the trial programs, and what runs the master that they call. */
interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly node: string;
}

endAtArguments(
  'check:package',
  'Packs what is published, lints it, and tries it in an empty project in each runtime that can be had.',
);
const place = mkdtempSync(join(tmpdir(), 'walnut-check-package-'));
const counts = { passed: 0, failed: 0 };

function report(name: string, problem: string | undefined): void {
  counts[problem === undefined ? 'passed' : 'failed']++;
  process.stdout.write(problem === undefined ? `ok ${name}\n` : `FAILED ${name}: ${problem}\n`);
}

function skip(name: string, why: string): void {
  process.stdout.write(`SKIPPED ${name}: ${why}\n`);
}

/** What the command said, where it failed. */
function problemOf(command: string, args: readonly string[], cwd: string): string | undefined {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return status === 0 ? undefined : `${error?.message ?? ''}${stdout}${stderr}`.trim();
}

/** Tools that check packages are fetched when they are needed, and are no dependencies. */
function lint(name: string, tool: string, args: readonly string[]): void {
  const cannot = problemOf('npm', ['exec', '--yes', '--', tool, '--version'], place);
  if (cannot === undefined) report(name, problemOf('npm', ['exec', '--yes', '--', tool, ...args], place));
  else skip(name, `${tool} cannot be had here`);
}

/** Where the modules of a package are; undefined where it cannot be had. */
function install(name: string, version: string): string | undefined {
  const directory = join(place, `${name}-${version}`);
  mkdirSync(directory);
  const args = [
    'install',
    '--silent',
    '--no-audit',
    '--no-fund',
    '--prefix',
    directory,
    `${name}@${version}`,
  ];
  return problemOf('npm', args, directory) === undefined ? join(directory, 'node_modules') : undefined;
}

function nodeRuntime(version: string, node: string): Runtime {
  return { name: `Node ${version}`, command: node, args: [], node };
}

/** The Node of a version, from the same packages that a checkout uses. */
function installNode(version: string): Runtime | undefined {
  const name = `node-${process.platform}-${process.arch}`;
  const modules = install(name, version);
  return modules === undefined ? undefined : nodeRuntime(version, join(modules, name, 'bin', 'node'));
}

function installOther({ name, command, version, args }: (typeof OTHERS)[number]): Runtime | undefined {
  const modules = install(command, version);
  if (modules === undefined) return undefined;
  return {
    ...{ name: `${name} ${version}`, args, node: process.execPath },
    command: join(modules, '.bin', command),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A master by the binary of the installed package. Throws where it does not become ready. */
async function startMaster(node: string, project: string): Promise<{ address: string; child: ChildProcess }> {
  const port = await freePort();
  const installed = join(project, 'node_modules', '@walnut-cache', 'walnut');
  const config = join(installed, 'configs', 'master.yaml');
  const sets = [`server.port=${port}`, 'server.address=127.0.0.1', `wal.directory=${join(project, 'data')}`];
  const args = [
    join(installed, 'bin', 'walnut-master.cjs'),
    '--config',
    config,
    ...sets.flatMap((set) => ['--set', set]),
  ];
  const child = spawn(node, args, { cwd: project, stdio: 'ignore' });
  const address = `127.0.0.1:${port}`;
  for (let waitedMs = 0; waitedMs < READY_MS_MAX; waitedMs += 100) {
    const ready = await fetch(`http://${address}/readyz`).catch(() => undefined);
    if (ready?.ok === true) return { address, child };
    await delay(100);
  }
  child.kill('SIGTERM');
  throw new Error('the master did not become ready');
}

async function tryIn({ name: runtime, command, args, node }: Runtime, tarball: string): Promise<void> {
  const project = join(place, `project-${runtime.replace(' ', '-')}`);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{"private":true}\n');
  const problem = problemOf('npm', ['install', '--silent', '--no-audit', '--no-fund', tarball], project);
  if (problem !== undefined) return report(`installing for ${runtime}`, problem);
  const { address, child } = await startMaster(node, project);
  try {
    for (const { name, text, printed } of PROGRAMS) {
      writeFileSync(join(project, name), text);
      const line = [...args, name, address];
      const { stdout, stderr } = spawnSync(command, line, { cwd: project, encoding: 'utf8' });
      report(`${name} in ${runtime}`, stdout === printed ? undefined : stdout + stderr);
    }
    const tool = problemOf('npm', ['exec', '--', 'walnut', 'get', 'note:a', '--address', address], project);
    report(`npx walnut beside ${runtime}`, tool);
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

try {
  const built = buildPackage();
  report('packing', problemOf('npm', ['pack', '--silent', '--pack-destination', place], built));
  const tarball = join(place, readdirSync(place).find((name) => name.endsWith('.tgz')) ?? 'none');
  process.stdout.write(`${tarball}: ${statSync(tarball).size} bytes\n`);
  lint('publint', PUBLINT, [tarball, '--strict']);
  lint('are-the-types-wrong', TYPES_LINT, [tarball, '--profile', 'node16']);
  const runtimes = [
    ...NODES.map((version) => ({ name: `Node ${version}`, runtime: installNode(version) })),
    ...OTHERS.map((other) => ({ name: `${other.name} ${other.version}`, runtime: installOther(other) })),
  ];
  await tryIn(nodeRuntime(process.versions.node, process.execPath), tarball);
  for (const { name, runtime } of runtimes) {
    if (runtime === undefined) skip(name, 'it cannot be had here');
    else await tryIn(runtime, tarball);
  }
} finally {
  rmSync(place, { recursive: true, force: true });
}
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;
