'use strict';
// Two checks of the wire contract, neither of which needs the network:
//
//   generated   internal/gen is exactly what api/*.proto generates today
//   breaking    api/*.proto does not break .ci/api-baseline.binpb (a buf image
//               of the last release; without one there is nothing to break)
//   baseline    writes that image: when releasing
//
// Exit code 0 or 1, and 2 for wrong arguments; what is wrong is said on stderr.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const BASELINE = path.join(__dirname, 'api-baseline.binpb');
const GENERATED = path.join('internal', 'gen');

function buf(...args) {
  const launcher = path.join(ROOT, 'bin', 'launch.cjs');
  const options = { cwd: ROOT, stdio: 'inherit' };
  return spawnSync(process.execPath, [launcher, '--bin', '@bufbuild/buf:buf', ...args], options).status === 0;
}

/** Paths of all files below `directory`, relative to it. */
function listFiles(directory) {
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory()
        ? listFiles(path.join(directory, entry.name)).map((name) => path.join(entry.name, name))
        : [entry.name],
    );
}

/** One line per file that is missing, left over or different. */
function compare(committed, fresh) {
  const before = new Set(listFiles(committed));
  const after = new Set(listFiles(fresh));
  const differences = [];
  for (const name of [...new Set([...before, ...after])].sort()) {
    if (!after.has(name)) differences.push(`${name}: generated from nothing in api/`);
    else if (!before.has(name)) differences.push(`${name}: missing`);
    else if (!fs.readFileSync(path.join(committed, name)).equals(fs.readFileSync(path.join(fresh, name)))) {
      differences.push(`${name}: differs`);
    }
  }
  return differences;
}

function checkGenerated() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'walnut-gen-'));
  try {
    if (!buf('generate', '--output', directory)) return false;
    const differences = compare(path.join(ROOT, GENERATED), path.join(directory, GENERATED));
    for (const difference of differences) process.stderr.write(`${GENERATED}/${difference}\n`);
    if (differences.length > 0) process.stderr.write('Run "npm run generate" and commit the result.\n');
    return differences.length === 0;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

const CHECKS = {
  generated: checkGenerated,
  breaking: () => !fs.existsSync(BASELINE) || buf('breaking', '--against', BASELINE),
  baseline: () => buf('build', '--output', BASELINE),
};

const [name, ...rest] = process.argv.slice(2);
const check = Object.hasOwn(CHECKS, name ?? '') ? CHECKS[name] : undefined;
if (check === undefined || rest.length > 0) {
  const isHelp = [name, ...rest].some((each) => each === '--help' || each === '-h');
  const usage = `usage: check-proto.cjs ${Object.keys(CHECKS).join(' | ')}\n`;
  (isHelp ? process.stdout : process.stderr).write(usage);
  process.exit(isHelp ? 0 : 2);
}
process.exit(check() ? 0 : 1);
