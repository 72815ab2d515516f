/** Wraps help texts to 80 columns. */
import { widthOf, wrap } from './table.ts';

/** Columns of help texts on every terminal, because help is also read through pipes and in mails. */
export const HELP_WIDTH = 80;
/** A command to copy. Its lines end in backslashes, as a shell requires. */
const EXAMPLE = /^ {2}(walnut|p=)/;

/** Returns the text with long lines of paragraphs, lists and examples wrapped. */
export function fitHelp(text: string): string {
  const blocks: string[] = [];
  for (const line of text.split('\n')) {
    const before = blocks.at(-1);
    const isProse = line !== '' && !/^(\s|Examples:|Usage:)/.test(line);
    if (isProse && before !== undefined && before !== '' && !/^(\s|Examples:|Usage:)/.test(before))
      blocks[blocks.length - 1] = `${before} ${line}`;
    else blocks.push(line);
  }
  return blocks.flatMap(fitLine).join('\n');
}

function fitLine(line: string): string[] {
  if (widthOf(line) <= HELP_WIDTH) return [line];
  if (EXAMPLE.test(line)) return fitExample(line);
  const hang = /^( *)(\S+ {2,})?/.exec(line)?.[0].length ?? 0;
  const indent = line.startsWith(' ') ? hang : 0;
  const parts = wrap(line.slice(indent), HELP_WIDTH - indent);
  return parts.map((part, i) => `${i === 0 ? line.slice(0, indent) : ' '.repeat(indent)}${part}`);
}

/** The text after two spaces explains the command. It is moved above the command, as a comment. */
function fitExample(line: string): string[] {
  const [, command = '', comment] = /^ {2}(.*?)(?: {3,}#? ?(.*))?$/.exec(line) ?? [];
  const parts = wrap(command, HELP_WIDTH - 6).map((part, i, all) => {
    return `${i === 0 ? '  ' : '    '}${part}${i < all.length - 1 ? ' \\' : ''}`;
  });
  return comment === undefined ? parts : [`  # ${comment}`, ...parts];
}
