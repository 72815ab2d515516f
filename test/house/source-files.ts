/** The project's own files, and the syntax trees of its TypeScript, for the tidy test. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vitest/node';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SKIPPED = new Set(['node_modules', '.git', 'data', 'coverage', '.vitest', 'dist']);

/** A node of the ESTree that the parser gives, with byte-like offsets into the text. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly tree: SyntaxNode;
}

/** Paths of all files of the project, relative, with forward slashes. */
export function listFiles(directory = ''): string[] {
  const paths: string[] = [];
  for (const entry of fs.readdirSync(join(ROOT, directory), { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
    if (entry.isDirectory()) paths.push(...listFiles(path));
    else if (entry.isFile()) paths.push(path);
  }
  return paths;
}

export function readText(path: string): string {
  return fs.readFileSync(join(ROOT, path), 'utf8');
}

/** The comments of a source file that begin a line, so that a string that looks like one is not among them. */
export function commentsIn(text: string): string[] {
  return [...text.matchAll(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*(?:\n\s*\/\/.*)*)/gm)].map(([comment]) =>
    comment.trim(),
  );
}

/** The file is parsed when its tree is first asked for, and throws then where it cannot be. */
export function parseSource(path: string, text: string): SourceFile {
  let tree: SyntaxNode | undefined;
  return {
    path,
    text,
    get tree() {
      tree ??= parseAst(text, { lang: 'ts' }, path) as unknown as SyntaxNode;
      return tree;
    },
  };
}

/** Kept for the test files that run in this worker: to parse all takes seconds. */
let sources: readonly SourceFile[] | undefined;

/** Every hand-written TypeScript file. */
export function readSources(): readonly SourceFile[] {
  sources ??= listFiles()
    .filter((path) => path.endsWith('.ts') && !path.startsWith('internal/gen/'))
    .map((path) => parseSource(path, readText(path)));
  return sources;
}

/** Calls `visit` for each node, outermost first, with the node around it. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parent: SyntaxNode | undefined) => void,
  parent?: SyntaxNode,
): void {
  visit(node, parent);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) walk(item, visit, node);
    } else if (isNode(value)) {
      walk(value, visit, node);
    }
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';
}

/** 1-based line of an offset. */
export function lineOf(source: SourceFile, offset: number): number {
  return source.text.slice(0, offset).split('\n').length;
}
