/**
 * The package as it is published: built, and used by programs of an empty project beside
 * it, as ES module and as CommonJS, by the compiler, by a bundler for browsers, and as
 * binaries. `npm run check:package` does the same with npm, in more versions of Node.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { importsOf } from '#test/house/import-table.ts';
import { parseSource, ROOT, readText } from '#test/house/source-files.ts';
import { buildPackage } from '../../package/build-package.ts';
import { PACKAGE_NAME } from '../../package/manifest.ts';
import { PROGRAMS } from '../../package/trial-programs.ts';

// Code in a directory that is gone after the test would stay in the cache of compiled code.
vi.stubEnv('NODE_DISABLE_COMPILE_CACHE', '1');

let directory = '';
let built = '';
let project = '';
let master: RunningMaster;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'walnut-package-'));
  built = buildPackage(join(directory, 'dist'));
  project = join(directory, 'project');
  const place = join(project, 'node_modules', PACKAGE_NAME);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(built, place);
  // What npm would install beside it.
  symlinkSync(join(ROOT, 'node_modules'), join(built, 'node_modules'));
  symlinkSync(join(ROOT, 'node_modules', '@types'), join(project, 'node_modules', '@types'));
  master = await RunningMaster.start(join(directory, 'data'));
}, 120_000);
afterAll(async () => {
  await master.stop();
  rmSync(directory, { recursive: true, force: true });
});

const files = (): string[] =>
  readdirSync(built, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(built, join(entry.parentPath, entry.name)));

describe('the package', () => {
  it('has everything that its manifest names, and nothing of tests, tools and this machine', () => {
    const { exports: paths, bin } = JSON.parse(readFileSync(join(built, 'package.json'), 'utf8'));
    const named = [...JSON.stringify(paths).matchAll(/"(\.\/[^"]+\.\w+)"/g)].map(
      ([, path]) => path as string,
    );
    expect(named.length).toBeGreaterThan(20);
    expect(
      [...named, ...Object.values<string>(bin)].filter((path) => !existsSync(join(built, path))),
    ).toEqual([]);
    const kinds =
      /^(bin\/[\w-]+\.cjs|(cjs\/)?(client|cmd|embedded|internal)\/.*\.(js|js\.map|d\.ts)|(cjs\/)?internal\/page\/assets\/[\w-]+\.(js|css|html|svg)|(cjs\/)?docs\/[\w-]+\.md|client\/README\.md|configs\/.*\.(yaml|md)|api\/.*\.proto|man\/walnut\.1|(cjs\/)?package\.json|README\.md|LICENSE)$/;
    expect(files().filter((path) => !kinds.test(path))).toEqual([]);
    const having = (what: RegExp): string[] =>
      files().filter((path) => what.test(readFileSync(join(built, path), 'utf8')));
    const escaped = (text: string): string => text.replaceAll(/[^\w/]/g, '\\$&');
    expect(having(new RegExp(`${escaped(ROOT)}|${escaped(directory)}`))).toEqual([]);
    expect(having(/PRIVATE KEY-----\n|walnut_[A-Za-z0-9]{20}/)).toEqual([]);
  });

  it('has the manuals, whose links lead within it and whose examples import it', () => {
    const documents = files().filter((path) => path.endsWith('.md'));
    expect(documents).toEqual(expect.arrayContaining(['README.md', 'client/README.md', 'docs/embedded.md']));
    const readOf = (path: string): string => readFileSync(join(built, path), 'utf8');
    const dead = documents.flatMap((path) =>
      [...readOf(path).matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)]
        .map(([, to]) => to as string)
        .filter((to) => !/^\w+:/.test(to) && !existsSync(join(built, dirname(path), to)))
        .map((to) => `${path}: ${to}`),
    );
    expect(dead).toEqual([]);
    expect(documents.filter((path) => /from '\.+\/(client|embedded)\//.test(readOf(path)))).toEqual([]);
    expect(readOf('docs/embedded.md')).toContain(
      "import { openReplica } from '@walnut-cache/walnut/embedded'",
    );
  });

  it('imports packages that it depends on only', () => {
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(built, 'package.json'), 'utf8'));
    const known = new Set(Object.keys({ ...dependencies, ...peerDependencies }));
    const imported = files()
      .filter((path) => path.endsWith('.js') && !path.startsWith('cjs/'))
      .flatMap((path) => importsOf(parseSource(path, readFileSync(join(built, path), 'utf8'))))
      .map(({ specifier }) => specifier)
      .filter((name) => !/^(\.|node:)/.test(name))
      .map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      );
    expect(new Set(imported).size).toBeGreaterThan(5);
    expect([...new Set(imported)].filter((name) => !known.has(name)).slice(0, 5)).toEqual([]);
  });
});

/** Runs a program of the project; returns what it printed. */
async function run(name: string, program: string, ...args: string[]): Promise<string> {
  writeFileSync(join(project, name), program);
  const child = spawn(process.execPath, [join(project, name), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  return out;
}

describe('a program of an empty project', () => {
  it.each(PROGRAMS)('runs as $name', async ({ name, text, printed }) => {
    expect(await run(name, text, master.address)).toBe(printed);
  });

  it('knows errors of the ES module and of CommonJS as of one kind', async () => {
    const program = `
      import { createRequire } from 'node:module';
      import * as module from '${PACKAGE_NAME}';
      const commonjs = createRequire(import.meta.url)('${PACKAGE_NAME}');
      for (const one of [module, commonjs]) {
        const error = await one.connect('127.0.0.1:1').get(7).catch((thrown) => thrown);
        console.log(error instanceof module.CallError, error instanceof commonjs.CallError);
      }
      console.log(module.CallError === commonjs.CallError, new Error('x') instanceof module.CallError);`;
    expect(await run('both.mjs', program)).toBe('true true\ntrue true\nfalse false\n');
  });

  it('is a store of cache-manager, as the example says', async () => {
    const modules = join(project, 'node_modules');
    // cache-manager has a Keyv 5 of its own, and its users install one.
    symlinkSync(join(ROOT, 'node_modules', 'cache-manager'), join(modules, 'cache-manager'));
    symlinkSync(join(ROOT, 'node_modules', 'keyv5'), join(modules, 'keyv'));
    const example = readFileSync(join(ROOT, 'examples', 'cache-manager', 'main.mjs'), 'utf8');
    expect(await run('cache-manager.mjs', example, master.address)).toBe(
      "{ name: 'Ann', loads: 1 } { name: 'Ann', loads: 1 }\n[ 1, 2, undefined ] 1\nundefined\n",
    );
  });

  it('is compiled with its types', () => {
    const typed = `
      const walnut: WalnutClient = connect({ addresses: ['a:1'], readFrom: 'replica' });
      export const ann: Promise<{ name: string } | undefined> = walnut.map('u:', json<{ name: string }>()).get('ann');
      export const failed = (error: unknown): boolean => error instanceof CallError && error.outcome === 'unknown';
      // @ts-expect-error a value is bytes
      export const wrong = walnut.set('k', 5);`;
    const names = 'CallError, connect, json, type WalnutClient';
    writeFileSync(join(project, 'node.mts'), `import { ${names} } from '${PACKAGE_NAME}';${typed}`);
    writeFileSync(join(project, 'old.cts'), `import { ${names} } from '${PACKAGE_NAME}';${typed}`);
    writeFileSync(join(project, 'web.mts'), `import { ${names} } from '${PACKAGE_NAME}/fetch';${typed}`);
    const strict = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2023' };
    const compile = (options: object, ...names: string[]): string => {
      const config = { compilerOptions: { ...strict, ...options }, files: names };
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
      const tsc = [join(ROOT, 'bin', 'launch.cjs'), '--bin', 'typescript:tsc', '-p', project];
      return spawnSync(process.execPath, tsc, { encoding: 'utf8' }).stdout;
    };
    expect(compile({ module: 'nodenext', types: ['node'] }, 'node.mts', 'old.cts')).toBe('');
    const web = {
      module: 'esnext',
      moduleResolution: 'bundler',
      types: [],
      lib: ['es2024', 'esnext.disposable', 'dom', 'dom.asynciterable'],
    };
    expect(compile(web, 'web.mts')).toBe('');
  });

  it('is bundled for browsers without anything of Node', async () => {
    writeFileSync(
      join(project, 'page.mjs'),
      `import { connect } from '${PACKAGE_NAME}'; globalThis.walnut = connect('a:1');`,
    );
    const bundle = await rolldown({
      input: join(project, 'page.mjs'),
      platform: 'browser',
      logLevel: 'silent',
    });
    const { output } = await bundle.generate({ format: 'esm', minify: true });
    await bundle.close();
    expect(output).toHaveLength(1);
    const [{ code, imports }] = output;
    expect(imports).toEqual([]);
    expect(code).not.toMatch(/\bBuffer\b|from\s*["']node:|require\(/);
    // What the README says.
    const [, saidKb] = /gzipped, the client takes (\d+) kB/.exec(readText('client/README.md')) ?? [];
    const gzippedKb = gzipSync(code).length / 1_000;
    expect(Math.abs(gzippedKb - Number(saidKb)), `it takes ${gzippedKb} kB`).toBeLessThan(3);
  });
});

it('has the page of its nodes, with charts and runbooks', () => {
  const count = `import(process.argv[1]).then(({ pageFiles }) => process.stdout.write([...pageFiles().keys()].sort().join()))`;
  const files = [process.execPath, ['-e', count, join(built, 'internal', 'page', 'page-files.js')]] as const;
  const own = readdirSync(join(ROOT, 'internal', 'page', 'assets'));
  expect(spawnSync(...files, { encoding: 'utf8' }).stdout).toBe(
    [...own, 'runbooks.json', 'uplot.css', 'uplot.js'].sort().join(),
  );
});

it('has the binaries', async () => {
  const tool = join(built, 'bin', 'walnut.cjs');
  const call = (...args: string[]) => spawnSync(process.execPath, [tool, ...args], { encoding: 'utf8' });
  expect(call('--version').stdout).toBe(
    `${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}\n`,
  );
  expect(
    spawnSync(process.execPath, [join(built, 'bin', 'walnut-master.cjs'), '--help'], { encoding: 'utf8' })
      .stdout,
  ).toContain('--config');
});
