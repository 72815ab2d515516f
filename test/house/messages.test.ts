/**
 * Messages that people read name what they can type, `walnut status`, and not
 * the rpc behind it: the tool shows a node's messages as they are.
 */
import { describe, expect, it } from 'vitest';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { lineOf, parseSource, readSources, type SourceFile, type SyntaxNode, walk } from './source-files.ts';

/** Rpcs whose names are no plain words, or that are named as something to look at. */
const NAMES = Admin.methods.map(({ name }) => name).filter((name) => /[a-z][A-Z]/.test(name));
const RPC = new RegExp(`\\b(${NAMES.join('|')}|(?<!v1\\.)Admin/\\w+|see (the )?(Status|Digest))\\b`);

/** Texts with a space in them, which are for people, and name an rpc. */
function rpcsIn(source: SourceFile): string[] {
  const found: string[] = [];
  const check = (node: SyntaxNode, text: unknown): void => {
    if (typeof text === 'string' && text.includes(' ') && RPC.test(text))
      found.push(`${source.path}:${lineOf(source, node.start)}: ${RPC.exec(text)?.[0]}`);
  };
  walk(source.tree, (node) => {
    if (node.type === 'Literal') check(node, node['value']);
    if (node.type === 'TemplateElement') check(node, (node['value'] as { cooked?: string }).cooked);
  });
  return found;
}

describe('messages', () => {
  it('name commands, not rpcs', () => {
    const shipped = readSources().filter(({ path }) => /^(internal|cmd|client)\//.test(path));
    expect(shipped.flatMap(rpcsIn)).toEqual([]);
  });

  it('would be found', () => {
    const text =
      "throw new Error('gone: see DivergedList');\nsay(`it is loading: see Status`);\nconst a = 'AddReplica';";
    expect(rpcsIn(parseSource('a.ts', text))).toEqual(['a.ts:1: DivergedList', 'a.ts:2: see Status']);
  });
});
