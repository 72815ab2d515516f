/**
 * Messages that people read name what they can type, `walnut status`, and not
 * the rpc behind it: the tool shows a node's messages as they are. Log messages
 * are fixed texts: the pace of a line goes by its message, so whoever could vary
 * the message could fill the log. What varies goes into the fields.
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

const LEVELS = ['debug', 'info', 'warn', 'error'];
/** Files with a message that is one of a few texts, or changes only with what no other node controls. */
const FEW = [
  'internal/node/clock-watch.ts',
  'internal/node/open-host.ts',
  'internal/slave/digest-check.ts',
  'internal/wal/disk-shortage.ts',
];

/** Log messages that are not written out where the line is logged. */
function variedIn(source: SourceFile): string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    if (node.type !== 'CallExpression') return;
    const { callee, arguments: args } = node as unknown as { callee: SyntaxNode; arguments: SyntaxNode[] };
    const { object, property } = callee as unknown as { object?: SyntaxNode; property?: { name?: string } };
    if (object === undefined || !LEVELS.includes(property?.name ?? '')) return;
    if (!/logger$/i.test(source.text.slice(object.start, object.end))) return;
    if (args[1] === undefined || isFixed(args[1])) return;
    found.push(`${source.path}:${lineOf(source, node.start)}`);
  });
  return found;
}

function isFixed(node: SyntaxNode): boolean {
  if (node.type === 'Literal') return true;
  const { expressions, consequent, alternate, left, right } = node as unknown as Record<string, SyntaxNode>;
  if (node.type === 'TemplateLiteral') return (expressions as unknown as SyntaxNode[]).length === 0;
  const parts = node.type === 'ConditionalExpression' ? [consequent, alternate] : [left, right];
  return parts.every((part) => part !== undefined && isFixed(part));
}

describe('log messages', () => {
  it('are fixed texts', () => {
    const sources = readSources().filter(({ path }) => path.startsWith('internal/') && !FEW.includes(path));
    expect(sources.flatMap(variedIn)).toEqual([]);
  });

  it('would be found', () => {
    const text = `
      logger.warn({ a }, 'fixed');
      this.#options.logger.info({ a }, isNew ? 'one' : 'an' + 'other');
      this.#logger.error({}, why);
      logger.info({}, \`the node at \${address}\`);
      other.warn({}, why);`;
    expect(variedIn(parseSource('a.ts', text))).toEqual(['a.ts:4', 'a.ts:5']);
  });
});

describe('messages', () => {
  it('name commands, not rpcs', () => {
    const shipped = readSources().filter(({ path }) => /^(internal|cmd|client|embedded)\//.test(path));
    expect(shipped.flatMap(rpcsIn)).toEqual([]);
  });

  it('would be found', () => {
    const text =
      "throw new Error('gone: see DivergedList');\nsay(`it is loading: see Status`);\nconst a = 'AddReplica';";
    expect(rpcsIn(parseSource('a.ts', text))).toEqual(['a.ts:1: DivergedList', 'a.ts:2: see Status']);
  });
});
