/** The commands that a document states, in blocks of shell and inline, each text once, in their order. */
import { codeBlocksOf, type ShellCommand, shellCommandsOf } from '#test/doubles/markdown.ts';
import { readText } from '#test/house/source-files.ts';

/** Programs that documents tell their readers to type, the shell's own among them. */
const PROGRAM =
  /^(walnut|npm|npx|nohup|node bin\/\S+|dist\/\S+|curl|kill|systemctl|docker|helm|promtool|ssh|ss|iostat|pgrep|ulimit|date|chronyc|etcdctl|grpcurl|source) /;
/** Commands that the tests of runbooks type: see `test/runbooks`. */
const OF_RUNBOOKS = /^(walnut|etcdctl) /;

export function statedCommands(document: string): ShellCommand[] {
  const markdown = readText(document);
  const blocks = codeBlocksOf(markdown);
  const inBlocks = blocks.filter(({ language }) => language === 'sh').flatMap(shellCommandsOf);
  const all = [...inBlocks, ...inlineOf(markdown, blocks)].sort((one, other) => one.line - other.line);
  const [begin, end] = runbooksOf(markdown);
  const stated = new Map<string, ShellCommand>();
  for (const command of all) {
    const isTypedThere = command.line > begin && command.line < end && OF_RUNBOOKS.test(command.text);
    if (!isTypedThere && !stated.has(command.text)) stated.set(command.text, command);
  }
  return [...stated.values()];
}

function inlineOf(markdown: string, blocks: ReturnType<typeof codeBlocksOf>): ShellCommand[] {
  const isInBlock = (line: number): boolean =>
    blocks.some((block) => line > block.line && line < block.line + block.text.split('\n').length);
  return markdown.split('\n').flatMap((text, i) => {
    if (isInBlock(i + 1)) return [];
    const spans = [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replaceAll('\\|', '|'));
    return spans.filter((span) => PROGRAM.test(span)).map((span) => ({ text: span, line: i + 1 }));
  });
}

/** The lines between which the chapter is; none where the document has no such chapter. */
function runbooksOf(markdown: string): readonly [begin: number, end: number] {
  const lines = markdown.split('\n');
  const begin = lines.indexOf('## Runbooks') + 1;
  if (begin === 0) return [0, 0];
  const length = lines.slice(begin).findIndex((line) => line.startsWith('## '));
  return [begin, length < 0 ? lines.length + 1 : begin + length + 1];
}
