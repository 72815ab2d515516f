/**
 * Builds what is published into `dist/package`: compiled JavaScript with types and source
 * maps, as ES modules and, of the libraries, as CommonJS, with the binaries, example
 * configurations, the manuals and the wire contract. `dist` is emptied first.
 *
 * The sources are copied with plain imports, and compiled by TypeScript as it stands:
 * what is imported decides what is compiled, so that tests and tools stay out.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rewrite, writeDocuments } from './documents.ts';
import { COMMONJS, LIBRARIES, packageManifest, type SourceManifest } from './manifest.ts';
import { withoutImportMeta, withPlainImports } from './specifiers.ts';

const ROOT = join(import.meta.dirname, '..');
const BINARIES = ['walnut', 'master', 'slave', 'node', 'coordinator', 'gateway'];
/** What the page of a node is made of, beside the compiled code of either format: its files, and the manuals with its runbooks. */
const OF_PAGE = ['internal/page/assets', 'docs/operations.md', 'docs/cluster.md', 'docs/gateway.md'];
/** Files and directories that are copied unchanged, without declarations: those in `bin` are for the executable's own source. */
const COPIED = ['bin', 'configs', 'api/walnut', 'LICENSE'];
const DECLARATIONS = /\.d\.c?ts$/;

/** What the compiler is told beside the repository's own settings. Node 22 has no `using`. */
const COMPILER_OPTIONS = {
  noEmit: false,
  target: 'es2023',
  declaration: true,
  sourceMap: true,
  inlineSources: true,
  allowImportingTsExtensions: false,
};

type Format = 'module' | 'commonjs';

/** `place`: a directory for the package and what it is made of, emptied first. Returns the package's directory. */
export function buildPackage(place = join(ROOT, 'dist')): string {
  const [source, target] = [join(place, 'source'), join(place, 'package')];
  rmSync(place, { recursive: true, force: true });
  for (const directory of [source, target]) mkdirSync(directory, { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'));
  const libraries = LIBRARIES.map(({ file }) => `${file}.ts`);
  const binaries = BINARIES.map((name) => `cmd/${name}.ts`);
  compile('module', [...libraries, ...binaries], join(source, 'module'), target);
  const commonjs = join(target, COMMONJS);
  compile('commonjs', libraries, join(source, 'commonjs'), commonjs);
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as SourceManifest;
  // Nodes say their version, which they read in the manifest above them.
  writeJson(join(commonjs, 'package.json'), { type: 'commonjs', version: manifest.version });
  rmSync(source, { recursive: true });
  copy(COPIED, target);
  for (const place of [target, commonjs]) copy(OF_PAGE, place);
  writeDocuments(ROOT, target);
  for (const path of OF_PAGE.filter((path) => path.endsWith('.md'))) rewrite(commonjs, path);
  writeJson(join(target, 'package.json'), packageManifest(manifest));
  writeManPage(join(target, 'man'));
  return target;
}

function copy(paths: readonly string[], target: string): void {
  const filter = (path: string): boolean => !DECLARATIONS.test(path);
  for (const path of paths) cpSync(join(ROOT, path), join(target, path), { recursive: true, filter });
}

/** What `walnut man` prints. */
function writeManPage(directory: string): void {
  const tool = [join(ROOT, 'bin', 'launch.cjs'), join(ROOT, 'cmd', 'walnut.ts'), 'man'];
  const { status, stdout, stderr } = spawnSync(process.execPath, tool, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the manual page cannot be made: ${stderr}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'walnut.1'), stdout);
}

/** Throws if the compiler finds anything wrong. */
function compile(format: Format, files: readonly string[], stage: string, outDir: string): void {
  for (const path of sources()) {
    const staged = join(stage, path);
    mkdirSync(dirname(staged), { recursive: true });
    const plain = withPlainImports(readFileSync(join(ROOT, path), 'utf8'), path);
    writeFileSync(staged, format === 'commonjs' ? withoutImportMeta(plain) : plain);
  }
  // The nearest manifest says what `nodenext` makes of a file.
  writeJson(join(stage, 'package.json'), { type: format });
  writeJson(join(stage, 'tsconfig.json'), {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      ...COMPILER_OPTIONS,
      verbatimModuleSyntax: format === 'module',
      // The same sources were checked as ES modules just before.
      noCheck: format === 'commonjs',
      rootDir: stage,
      outDir,
      typeRoots: [join(ROOT, 'node_modules', '@types')],
    },
    include: [],
    files,
  });
  const compiler = [join(ROOT, 'bin', 'launch.cjs'), '--bin', 'typescript:tsc', '-p', stage];
  const { status, stdout, stderr } = spawnSync(process.execPath, compiler, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the package cannot be compiled:\n${stdout}${stderr}`);
}

function sources(): string[] {
  return ['client', 'cmd', 'embedded', 'internal'].flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .map((path) => join(room, path))
      .filter((path) => path.endsWith('.ts')),
  );
}

function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
