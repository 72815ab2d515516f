/** Files import each other in one direction: a circle of files can only be read, moved and tested as one. */
import { describe, expect, it } from 'vitest';
import { type Graph, graphOf } from './import-graph.ts';
import { parseSource, readSources } from './source-files.ts';

/** Each circle as the files in it, sorted (Tarjan's strongly connected components). */
function circlesOf(graph: Graph): string[][] {
  const indexes = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string): number => {
    const index = indexes.size;
    indexes.set(file, index);
    let low = index;
    stack.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!graph.has(next)) continue;
      if (!indexes.has(next)) low = Math.min(low, visit(next));
      else if (stack.includes(next)) low = Math.min(low, lowest.get(next) ?? (indexes.get(next) as number));
    }
    lowest.set(file, low);
    if (low === index) {
      const circle = stack.splice(stack.indexOf(file));
      if (circle.length > 1) circles.push(circle.sort());
    }
    return low;
  };
  for (const file of graph.keys()) if (!indexes.has(file)) visit(file);
  return circles;
}

describe('imports', () => {
  it('go round in no circle', () => {
    expect(circlesOf(graphOf(readSources()))).toEqual([]);
  });

  it('in a circle are noticed, through aliases and types too', () => {
    const sources = [
      parseSource('internal/wal/a.ts', "import { b } from '#wal/b.ts';"),
      parseSource('internal/wal/b.ts', "import type { C } from './c.ts'; import './d.ts';"),
      parseSource('internal/wal/c.ts', "export { a } from './a.ts';"),
      parseSource('internal/wal/d.ts', "import { c } from './c.ts';"),
      parseSource('internal/wal/e.ts', "import { a } from './a.ts';"),
    ];
    expect(circlesOf(graphOf(sources))).toEqual([
      ['a', 'b', 'c', 'd'].map((name) => `internal/wal/${name}.ts`),
    ]);
  });
});
