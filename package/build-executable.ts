/**
 * Builds `walnut`, one file with all binaries and Node itself, for the platform that it is built
 * on: the sources as one module, by rolldown, and that with the files of the page in a copy of the
 * Node that runs this.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { PACKAGES_PREFIX } from '#platform/own-files.ts';

const ROOT = join(import.meta.dirname, '..');
/** What the program reads at run time, by its path in the project. */
const FILES = ['package.json', 'docs/operations.md', 'docs/cluster.md', 'docs/gateway.md'];
const PAGE = 'internal/page/assets';
const OF_PACKAGES = ['uplot/dist/uPlot.iife.min.js', 'uplot/dist/uPlot.min.css'];
/** The oldest Node that can build one by itself, and whose executables may be ES modules. */
const NEEDED = { major: 25, minor: 7 };

/** Why none can be built here; undefined where one can. */
export function whyNot(version = process.version, platform: string = process.platform): string | undefined {
  if (platform === 'win32') return 'Windows cannot replace a process, which servers in an executable need';
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  if (major > NEEDED.major || (major === NEEDED.major && minor >= NEEDED.minor)) return undefined;
  return `Node.js ${version} cannot build one: expected ${NEEDED.major}.${NEEDED.minor} or newer. npm ci brings one along where yours is older than 22.18; otherwise install it`;
}

/** `place`: a directory for it, emptied first. Returns the path of the executable. Throws where it cannot be built. */
export async function buildExecutable(place = join(ROOT, 'dist', 'executable')): Promise<string> {
  const why = whyNot();
  if (why !== undefined) throw new Error(why);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const [main, output] = [join(place, 'walnut.mjs'), join(place, 'walnut')];
  await bundle(main);
  const configuration = join(place, 'walnut.json');
  writeFileSync(configuration, JSON.stringify(configurationOf(main, output)));
  const { status, stderr } = spawnSync(process.execPath, [`--build-sea=${configuration}`], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`Node.js could not build the executable: ${stderr}`);
  for (const path of [main, configuration]) rmSync(path);
  return output;
}

async function bundle(file: string): Promise<void> {
  const build = await rolldown({
    input: join(ROOT, 'cmd', 'executable.ts'),
    cwd: ROOT,
    platform: 'node',
    logLevel: 'warn',
  });
  try {
    await build.write({ format: 'esm', file, codeSplitting: false });
  } finally {
    await build.close();
  }
}

function configurationOf(main: string, output: string): Record<string, unknown> {
  const page = readdirSync(join(ROOT, PAGE)).map((name) => `${PAGE}/${name}`);
  const own = [...FILES, ...page].map((path) => [path, join(ROOT, path)]);
  const packages = OF_PACKAGES.map((path) => [PACKAGES_PREFIX + path, join(ROOT, 'node_modules', path)]);
  return {
    main,
    mainFormat: 'module',
    output,
    // Compiled code is kept within, so that a command of the tool starts in half the time.
    useCodeCache: true,
    disableExperimentalSEAWarning: true,
    execArgv: ['--disable-sigusr1', '--no-parallel-scavenge', '--disable-warning=ExperimentalWarning'],
    execArgvExtension: 'cli',
    assets: Object.fromEntries([...own, ...packages]),
  };
}
