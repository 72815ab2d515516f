/** The code blocks of a Markdown file, and the commands in them: for tests that run what documents say. */

export interface CodeBlock {
  /** The word after the opening fence. */
  readonly language: string;
  readonly text: string;
  /** The nearest heading above, without its signs. */
  readonly heading: string;
  /** The line of the opening fence, from 1. */
  readonly line: number;
}

export function codeBlocksOf(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let heading = '';
  let open: { language: string; lines: string[]; line: number } | undefined;
  markdown.split('\n').forEach((text, i) => {
    const fence = /^\s*```(\w*)\s*$/.exec(text);
    if (fence !== null && open === undefined) {
      open = { language: fence[1] ?? '', lines: [], line: i + 1 };
    } else if (fence !== null && open !== undefined) {
      blocks.push({ language: open.language, text: `${open.lines.join('\n')}\n`, heading, line: open.line });
      open = undefined;
    } else if (open !== undefined) {
      open.lines.push(text);
    } else {
      heading = /^#+ (.*)$/.exec(text)?.[1] ?? heading;
    }
  });
  if (open !== undefined) throw new Error(`the block that begins at line ${open.line} has no end`);
  return blocks;
}

export interface ShellCommand {
  readonly text: string;
  /** The line in the file, from 1. */
  readonly line: number;
}

/** The commands of a block of shell, without comments; one that goes on after a backslash is one. */
export function shellCommandsOf(block: CodeBlock): ShellCommand[] {
  const commands: ShellCommand[] = [];
  let before = '';
  block.text.split('\n').forEach((line, i) => {
    const text = before + line.replace(/(^|\s{2,})# .*$/, '').trim();
    before = text.endsWith('\\') ? text.slice(0, -1) : '';
    if (before === '' && text !== '') commands.push({ text, line: block.line + 1 + i });
  });
  return commands;
}
