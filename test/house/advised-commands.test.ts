/** Commands that messages name are commands of the tool, with options that they have. */
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { memoryIo } from '#test/cli/memory-io.ts';
import { CommandHost } from '../../cmd/walnut/command-host.ts';
import { createProgram } from '../../cmd/walnut/program.ts';
import { lineOf, parseSource, readSources, type SourceFile, type SyntaxNode, walk } from './source-files.ts';

/** What stands in a text for a value that is put in when it is written. */
const VALUE = 'VALUE';
/** `walnut` and the words behind it, up to the next punctuation mark. */
const CALL = /(?<![\w./-])walnut((?: +[\w./:=-]*[\w/=]){1,12})/g;
/** Words behind `walnut` where it is the tool, or a name in a script of the shell. */
const PROSE = ['takes ', 'shows it', 'valued='];

const host = new CommandHost(memoryIo().io);
const program = await createProgram(['--help'], host, [], memoryIo().io);

/** The parts of a text that is written over several lines, with `VALUE` for what is put in. */
function textOf(node: SyntaxNode): string | undefined {
  if (node.type === 'Literal') return typeof node['value'] === 'string' ? node['value'] : undefined;
  if (node.type === 'TemplateLiteral') {
    const quasis = node['quasis'] as { value: { cooked: string } }[];
    return quasis.map(({ value }) => value.cooked).join(VALUE);
  }
  if (node.type !== 'BinaryExpression' || node['operator'] !== '+') return undefined;
  const [left, right] = [node['left'], node['right']].map((side) => textOf(side as SyntaxNode) ?? VALUE);
  return `${left}${right}`;
}

function textsIn({ tree }: SourceFile): { text: string; start: number }[] {
  const texts: { text: string; start: number; end: number }[] = [];
  walk(tree, (node) => {
    const isWithin = texts.some(({ start, end }) => node.start >= start && node.end <= end);
    const text = isWithin ? undefined : textOf(node);
    if (text !== undefined) texts.push({ text, start: node.start, end: node.end });
  });
  return texts;
}

/** What is wrong with the words behind `walnut`; undefined if they are a command and its options. */
function faultOf(words: readonly string[]): string | undefined {
  let command: Command = program;
  let depth = 0;
  for (; depth < words.length; depth++) {
    const next = command.commands.find((one) => one.name() === words[depth]);
    if (next === undefined) break;
    command = next;
  }
  const next = words[depth];
  const isNone =
    command === program
      ? next !== '--help'
      : command.commands.length > 0 && next !== undefined && !next.startsWith('--');
  if (isNone) return `no command ${words.slice(0, depth + 1).join(' ')}`;
  const known = ['--help', ...[...command.options, ...program.options].map(({ long }) => long)];
  const wrong = words.find((word) => word.startsWith('--') && !known.includes(word.split('=')[0] ?? ''));
  return wrong === undefined ? undefined : `no option ${wrong} of ${words.slice(0, depth).join(' ')}`;
}

function faultsIn(source: SourceFile): string[] {
  return textsIn(source).flatMap(({ text, start }) =>
    [...text.matchAll(CALL)].flatMap(([, after = '']) => {
      const words = after.trim().split(/ +/);
      const fault = PROSE.some((prose) => after.trim().startsWith(prose)) ? undefined : faultOf(words);
      return fault === undefined
        ? []
        : [`${source.path}:${lineOf(source, start)}: ${fault}: ${after.trim()}`];
    }),
  );
}

it('messages name commands that there are, with options that they have', () => {
  const shipped = readSources().filter(({ path }) => /^(internal|cmd|client|embedded)\//.test(path));
  const naming = shipped.filter(({ text }) => text.includes('walnut '));
  expect(naming.length).toBeGreaterThan(50);
  expect(naming.flatMap(faultsIn)).toEqual([]);
});

it('and one that there is not would be found', () => {
  const text = `
    const a = \`see: walnut cluster \${b ? 'a' : 'c'}\`;
    const b = 'walnut cluster recover ' + '--group ' + id + ' --forced, or not';
    const c = 'first walnut delayed resume';
    const d = \`walnut remove-replica \${address} --address \${own}\`;`;
  expect(faultsIn(parseSource('a.ts', text))).toEqual([
    'a.ts:2: no command cluster VALUE: cluster VALUE',
    'a.ts:3: no option --forced of cluster recover: cluster recover --group VALUE --forced',
    'a.ts:4: no command delayed: delayed resume',
  ]);
});
