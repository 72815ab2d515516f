/** Tests that share a worker leave nothing behind for those after them. */
import { expect, it } from 'vitest';
import { ISOLATED } from '#test/isolated-files.ts';
import { type Graph, graphOf } from './import-graph.ts';
import { parseSource, readSources, type SourceFile } from './source-files.ts';

/** Runs once in a worker, however many files import it: it serves the first of them only. */
const HOOK = /^(before|after)(Each|All)\(/m;
const LEFT_BEHIND = /\bvi\.(mock|stub\w+|useFakeTimers)\(|\bprocess\.(chdir\(|env\[[^\]]*\] = )/;

function leavesBehind(text: string): boolean {
  return LEFT_BEHIND.test(text.includes('vi.unstubAllEnvs()') ? text.replaceAll('vi.stubEnv(', '') : text);
}

function reachedFrom(path: string, graph: Graph): Set<string> {
  const reached = new Set([path]);
  for (const file of reached)
    for (const next of graph.get(file) ?? []) if (next.startsWith('test/')) reached.add(next);
  return reached;
}

/** What keeps files from a shared worker. */
function faultsOf(sources: readonly SourceFile[]): string[] {
  const texts = new Map(sources.map(({ path, text }) => [path, text]));
  const graph = graphOf(sources);
  return [...texts.keys()]
    .filter((path) => path.endsWith('.test.ts') && !ISOLATED.includes(path))
    .flatMap((path) =>
      [...reachedFrom(path, graph)]
        .filter((file) => {
          const text = texts.get(file) ?? '';
          return leavesBehind(text) || (file !== path && HOOK.test(text));
        })
        .map((file) => `${path} by ${file}: add it to ISOLATED in test/isolated-files.ts`),
    );
}

it('register no hook in a helper, and change nothing of the process', () => {
  expect(faultsOf(readSources())).toEqual([]);
});

it('are noticed where they do, through helpers of helpers too', () => {
  const sources = [
    parseSource('test/wal/a.test.ts', "import '#test/doubles/one.ts';"),
    parseSource('test/doubles/one.ts', "import './two.ts';"),
    parseSource('test/doubles/two.ts', 'afterEach(() => {});'),
    parseSource('test/wal/b.test.ts', "vi.stubEnv('HOME', '/');"),
    parseSource('test/wal/c.test.ts', 'afterEach(() => {});'),
    parseSource('test/cli/d.test.ts', "vi.stubEnv('HOME', '/'); onTestFinished(() => vi.unstubAllEnvs());"),
  ];
  expect(faultsOf(sources)).toEqual([
    expect.stringContaining('test/wal/a.test.ts by test/doubles/two.ts'),
    expect.stringContaining('test/wal/b.test.ts by test/wal/b.test.ts'),
  ]);
});

it('are isolated only where they are there', () => {
  const paths = readSources().map(({ path }) => path);
  for (const path of ISOLATED) expect(paths).toContain(path);
});
