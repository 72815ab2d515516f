/** The habits of the house, as tests: what a reviewer should never have to say. */
import * as fs from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, roomOf, TABLE, whyForbidden } from '#test/house/import-table.ts';
import {
  lineOf,
  listFiles,
  parseSource,
  ROOT,
  readSources,
  readText,
  type SourceFile,
  type SyntaxNode,
  walk,
} from '#test/house/source-files.ts';

const FILE_LINES_MAX = 500;
/** At most so many lines in a file of shipped code. Those named below may only shrink. */
const SHIPPED_LINES_MAX = 400;
/** Hot paths whose private fields keep them in one class. */
const LONG_SHIPPED: Readonly<Record<string, number>> = {
  'internal/engine/engine.ts': 420,
  'internal/storage/slot-table.ts': 480,
  'internal/storage/store.ts': 486,
};
const FUNCTION_LINES_MAX = 70;

const paths = listFiles();
const sources = readSources();

/** `path:line what` for each node that `find` has something to say about. */
function complaints(
  files: readonly SourceFile[],
  find: (node: SyntaxNode, parent: SyntaxNode | undefined) => string | undefined,
): string[] {
  const found: string[] = [];
  for (const file of files) {
    walk(file.tree, (node, parent) => {
      const complaint = find(node, parent);
      if (complaint !== undefined) found.push(`${file.path}:${lineOf(file, node.start)} ${complaint}`);
    });
  }
  return found;
}

const complaintsAbout = (text: string, find: Parameters<typeof complaints>[1]): string[] =>
  complaints([parseSource('example.ts', text)], find);

describe('imports', () => {
  it('follow the arrows of the design', () => {
    const found = sources.flatMap((source) =>
      importsOf(source).flatMap((each) => {
        const why = whyForbidden(source.path, each);
        return why === undefined ? [] : [`${source.path}:${lineOf(source, each.offset)} ${why}`];
      }),
    );
    expect(found).toEqual([]);
  });

  it('name files of this project that are there, with their extension', () => {
    const manifest = JSON.parse(readText('package.json')) as { imports: Record<string, string> };
    const resolve = (from: string, specifier: string): string | undefined => {
      if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier));
      const slash = specifier.indexOf('/');
      const base = manifest.imports[`${specifier.slice(0, slash)}/*`];
      return base?.replace('*', specifier.slice(slash + 1));
    };
    const missing = sources.flatMap((source) =>
      importsOf(source)
        .filter(({ specifier }) => /^[.#]/.test(specifier))
        .filter(({ specifier }) => {
          const target = resolve(source.path, specifier);
          return target === undefined || !fs.existsSync(join(ROOT, target));
        })
        .map(({ specifier }) => `${source.path}: ${specifier}`),
    );
    expect(missing).toEqual([]);
  });

  it('every room under internal/ has its row in the table', () => {
    const rooms = fs.readdirSync(join(ROOT, 'internal'));
    expect(rooms.filter((room) => roomOf(`internal/${room}/a.ts`) === undefined)).toEqual([]);
    expect(Object.keys(TABLE)).toContain('client');
  });

  const runtime = (specifier: string) => ({ specifier, isTypeOnly: false, offset: 0 });
  const typeOnly = (specifier: string) => ({ specifier, isTypeOnly: true, offset: 0 });

  it.each([
    ['internal/model/a.ts', runtime('#platform/clock.ts')],
    ['internal/model/a.ts', typeOnly('#platform/clock.ts')],
    ['internal/model/a.ts', runtime('node:path')],
    ['internal/wal/a.ts', runtime('#storage/store.ts')],
    ['internal/wal/a.ts', runtime('#engine/records/data-record.ts')],
    ['internal/wal/a.ts', runtime('../gen/walnut/v1/types_pb.ts')],
    ['internal/wal/a.ts', runtime('@bufbuild/protobuf')],
    ['internal/wal/a.ts', runtime('node:fs')],
    ['internal/storage/a.ts', runtime('#wal/frame.ts')],
    ['internal/engine/a.ts', runtime('#replication/ring.ts')],
    ['internal/engine/a.ts', runtime('lru-cache')],
    ['internal/master/a.ts', typeOnly('#slave/follower.ts')],
    ['internal/slave/a.ts', typeOnly('#master/master.ts')],
    ['internal/replication/a.ts', runtime('@connectrpc/connect')],
    ['internal/node/a.ts', runtime('#server/server.ts')],
    ['internal/peer/a.ts', runtime('#replication/peer-link.ts')],
    ['internal/server/a.ts', typeOnly('#node/node.ts')],
    ['internal/server/a.ts', runtime('node:net')],
    ['internal/rpc/a.ts', typeOnly('#server/kv-service.ts')],
    ['internal/config/a.ts', runtime('node:fs/promises')],
    ['internal/server/a.ts', runtime('#test/doubles/virtual-clock.ts')],
    ['internal/platform/a.ts', runtime('zod')],
    ['client/a.ts', runtime('#model/entry.ts')],
  ])('%s may not import %o', (from, each) => {
    expect(whyForbidden(from, each)).toBeDefined();
  });

  it.each([
    ['internal/wal/a.ts', runtime('#platform/assert.ts')],
    ['internal/wal/a.ts', typeOnly('#model/position.ts')],
    ['internal/wal/a.ts', runtime('./frame.ts')],
    ['internal/peer/a.ts', typeOnly('#replication/peer-link.ts')],
    ['internal/platform/a.ts', runtime('node:fs/promises')],
    ['internal/node/a.ts', runtime('#slave/follower.ts')],
    ['cmd/master.ts', runtime('#server/server.ts')],
  ])('%s may import %o', (from, each) => {
    expect(whyForbidden(from, each)).toBeUndefined();
  });

  it('are all seen: static, type, dynamic and re-exported', () => {
    const source = parseSource(
      'a.ts',
      `import a from 'one'; import type { B } from 'two'; import { type C } from 'three';
       export { d } from 'four'; export type E = import('five').E; const f = import('six');`,
    );
    expect(importsOf(source).map(({ specifier, isTypeOnly }) => [specifier, isTypeOnly])).toEqual([
      ['one', false],
      ['two', true],
      ['three', true],
      ['four', false],
      ['five', true],
      ['six', false],
    ]);
  });
});

describe('size', () => {
  const lengths = [
    ...sources,
    ...paths.filter((path) => path.endsWith('.cjs')).map((path) => ({ path, text: readText(path) })),
  ].map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }));

  it(`files have at most ${FILE_LINES_MAX} lines`, () => {
    expect(lengths.filter(({ lines }) => lines > FILE_LINES_MAX)).toEqual([]);
  });

  it(`shipped files have at most ${SHIPPED_LINES_MAX} lines, unless they are listed`, () => {
    const shipped = lengths.filter(({ path }) => /^(internal|cmd|client|embedded|bin)\//.test(path));
    const long = shipped.filter(({ path, lines }) => lines > (LONG_SHIPPED[path] ?? SHIPPED_LINES_MAX));
    expect(long).toEqual([]);
    const isLong = ([path]: [string, number]): boolean =>
      shipped.some((file) => file.path === path && file.lines > SHIPPED_LINES_MAX);
    expect(Object.entries(LONG_SHIPPED).filter((entry) => !isLong(entry))).toEqual([]);
  });

  const SUITE = /^(describe|it|test|before|after)/;
  const findLong = (file: SourceFile) => (node: SyntaxNode, parent: SyntaxNode | undefined) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return;
    const { callee } = (parent ?? {}) as { callee?: SyntaxNode };
    const isSuite = callee !== undefined && SUITE.test(file.text.slice(callee.start, callee.end));
    const lines = file.text.slice(node.start, node.end).split('\n').length;
    return lines > FUNCTION_LINES_MAX && !isSuite ? `function of ${lines} lines` : undefined;
  };

  it(`functions have at most ${FUNCTION_LINES_MAX} lines, bodies of suites aside`, () => {
    expect(sources.flatMap((file) => complaints([file], findLong(file)))).toEqual([]);
  });

  it('notices a long method', () => {
    const file = parseSource('a.ts', `class A { b() {\n${'  this.c();\n'.repeat(70)} } }`);
    expect(complaints([file], findLong(file))).toEqual(['a.ts:1 function of 72 lines']);
  });
});

describe('seams', () => {
  const GLOBALS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'performance', 'queueMicrotask']);
  const MEMBERS = new Set(['Date.now', 'Math.random', 'AbortSignal.timeout', 'process.hrtime']);
  const RANDOM = new Set(['randomBytes', 'randomInt', 'randomUUID', 'getRandomValues', 'randomFillSync']);

  const findAmbient = (node: SyntaxNode, parent: SyntaxNode | undefined): string | undefined => {
    if (node.type === 'NewExpression') {
      const { callee, arguments: args } = node as unknown as { callee: SyntaxNode; arguments: unknown[] };
      return callee['name'] === 'Date' && args.length === 0 ? 'new Date()' : undefined;
    }
    if (node.type === 'MemberExpression') {
      const { object, property } = node as unknown as { object: SyntaxNode; property: SyntaxNode };
      const name = `${String(object['name'])}.${String(property['name'])}`;
      return MEMBERS.has(name) ? name : undefined;
    }
    if (node.type !== 'Identifier') return undefined;
    const name = String(node['name']);
    if (RANDOM.has(name)) return name;
    // `clock.setTimeout` and `{ setTimeout: … }` are names of something else.
    const isProperty = parent?.['property'] === node || parent?.['key'] === node;
    return GLOBALS.has(name) && !isProperty ? name : undefined;
  };

  it('time and chance come from platform/ only', () => {
    const guarded = sources.filter(({ path }) => /^(internal\/(?!platform\/)|client\/)/.test(path));
    expect(complaints(guarded, findAmbient)).toEqual([]);
  });

  it('notices each way around them', () => {
    const text = `setTimeout(f, 1);\nconst now = Date.now;\nMath.random();\nperformance.now();
      new Date();\nrandomUUID();\nclock.setTimeout(1);\nnew Date(5);\nAbortSignal.timeout(5);`;
    const found = complaintsAbout(text, findAmbient).map((each) => each.split(' ')[0]);
    expect(found).toEqual([1, 2, 3, 4, 5, 6, 9].map((line) => `example.ts:${line}`));
  });
});

describe('syntax', () => {
  const findUnerasable = (node: SyntaxNode): string | undefined => {
    if (node.type === 'TSEnumDeclaration') return 'enum';
    if (node.type === 'TSModuleDeclaration') return 'namespace';
    if (node.type === 'TSParameterProperty') return 'parameter property';
    if (node.type === 'ExportAllDeclaration') return 'export *';
    return undefined;
  };

  it('is erasable, and exports what it declares', () => {
    expect(complaints(sources, findUnerasable)).toEqual([]);
    const text = `enum A { b }\nnamespace C {}\nclass D { constructor(private e: string) {} }\nexport * from 'f';`;
    expect(complaintsAbout(text, findUnerasable)).toHaveLength(4);
  });

  it('has no barrel files', () => {
    expect(sources.filter(({ path }) => /(^|\/)index\.ts$/.test(path)).map(({ path }) => path)).toEqual([]);
  });

  it('names files in kebab-case', () => {
    const names = sources.map(({ path }) => path.split('/').at(-1) ?? '');
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.config)?\.ts$/.test(name))).toEqual([]);
  });

  const findFocused = (node: SyntaxNode): string | undefined => {
    if (node.type !== 'MemberExpression') return undefined;
    const { object, property } = node as unknown as { object: SyntaxNode; property: SyntaxNode };
    const isSuite = /^(describe|it|test)$/.test(String(object['name']));
    return isSuite && property['name'] === 'only' ? '.only' : undefined;
  };

  it('leaves no test focused', () => {
    expect(complaints(sources, findFocused)).toEqual([]);
    expect(complaintsAbout(`it.only('a', f);`, findFocused)).toHaveLength(1);
  });

  it('leaves nothing for later in comments', () => {
    const left = sources.filter(
      ({ text }) => /\/[/*].*\b(TODO|FIXME)\b/.test(text) || /^\s*\*.*\bTODO\b/m.test(text),
    );
    expect(left.map(({ path }) => path).filter((path) => path !== 'test/house/tidy.test.ts')).toEqual([]);
  });
});

describe('package.json', () => {
  const manifest = JSON.parse(readText('package.json')) as Record<string, Record<string, string>>;

  it('pins every version exactly', () => {
    const groups = ['dependencies', 'devDependencies', 'optionalDependencies'];
    const versions = groups.flatMap((group) => Object.entries(manifest[group] ?? {}));
    expect(versions.length).toBeGreaterThan(0);
    expect(
      versions.filter(([, version]) => !/^(npm:[@\w/-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
    ).toEqual([]);
  });

  it('keeps protobuf and its generator at one version', () => {
    expect(manifest['devDependencies']?.['@bufbuild/protoc-gen-es']).toBe(
      manifest['dependencies']?.['@bufbuild/protobuf'],
    );
  });

  it('has every dependency explained in docs/dependencies.md', () => {
    const text = readText('docs/dependencies.md');
    const names = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((group) =>
      Object.entries(manifest[group] ?? {}),
    );
    expect(names.filter(([name, version]) => !text.includes(`\`${name}\` | ${version} |`))).toEqual([]);
  });

  it('names scripts and binaries that are there', () => {
    const files = [
      ...Object.values(manifest['bin'] ?? {}),
      ...Object.values(manifest['scripts'] ?? {}).flatMap(
        (script) => script.match(/\b(cmd|bin|bench|\.ci)\/[\w.-]+/g) ?? [],
      ),
    ];
    expect(files.filter((file) => !fs.existsSync(join(ROOT, file)))).toEqual([]);
  });
});

describe('documents', () => {
  const documents = paths.filter((path) => path.endsWith('.md'));

  /** GitHub's anchor of a heading. */
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
  const prose = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  const anchors = (path: string): string[] => {
    const text = readText(path).replace(/^```[\s\S]*?^```/gm, '');
    return [...text.matchAll(/^#+\s+(.*)$/gm)].map((match) => slug(match[1] ?? ''));
  };

  it('link to files and headings that are there', () => {
    const dead: string[] = [];
    for (const path of documents) {
      for (const match of prose(readText(path)).matchAll(/\]\(([^)\s]+)[^)]*\)/g)) {
        const link = match[1] ?? '';
        if (/^[a-z]+:/.test(link)) continue;
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? path : normalize(join(dirname(path), decodeURIComponent(file)));
        const isThere = fs.existsSync(join(ROOT, target));
        const isHeading = anchor === undefined || !target.endsWith('.md') || anchors(target).includes(anchor);
        if (!isThere || !isHeading) dead.push(`${path}: ${link}`);
      }
    }
    expect(dead).toEqual([]);
  });

  it('and sources name no path of one machine', () => {
    const texts = paths.filter((path) => /\.(ts|cjs|md|json|ya?ml|proto|sh)$|^\.ci\/run$/.test(path));
    const machine = /(^|[\s"'`(=:])(\/work\/|\/home\/\w|\/Users\/\w|\/root\/)/m;
    expect(texts.filter((path) => machine.test(readText(path)))).toEqual([]);
  });
});
