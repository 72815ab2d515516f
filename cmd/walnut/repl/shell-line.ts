/** What a line of the shell asks for. Pure. */
import { splitWords } from './split-words.ts';

export type ShellLine =
  | { readonly kind: 'nothing' }
  /** Arguments as on the command line of the tool. */
  | { readonly kind: 'command'; readonly args: readonly string[] }
  /** A command of the shell itself, without its backslash. */
  | { readonly kind: 'own'; readonly name: string; readonly args: readonly string[] }
  | { readonly kind: 'bad'; readonly problem: string };

/** The name of the tool may begin the line, as in the examples of its help. */
export function parseShellLine(text: string): ShellLine {
  const own = /^\s*\\(\S*)\s*(.*)$/.exec(text);
  const split = splitWords(own?.[2] ?? text);
  if ('problem' in split) return { kind: 'bad', problem: split.problem };
  const words = split.words.map((word) => word.text);
  if (own !== null) return { kind: 'own', name: own[1] ?? '', args: words };
  const args = words[0] === 'walnut' ? words.slice(1) : words;
  return args.length === 0 ? { kind: 'nothing' } : { kind: 'command', args };
}
