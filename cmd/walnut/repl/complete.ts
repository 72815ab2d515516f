/** What Tab offers, and the hint behind the cursor: by the tree of commands, and by keys that a node has. */
import type { CommandWords, Word } from '../completion/command-tree.ts';
import { quoteWord, type SplitWord, splitWords } from './split-words.ts';

/** Keys that are there and begin with a prefix; never rejects. */
export type FindKeys = (prefix: string) => Promise<readonly string[]>;

export interface Completion {
  /** The words that may stand there. */
  readonly offers: readonly string[];
  /** The part of the line that each of them replaces. */
  readonly typed: string;
}

const NOTHING: Completion = { offers: [], typed: '' };
/** At most so many are offered. */
const OFFERS_MAX = 100;

interface Place {
  /** The command that was typed. */
  readonly command: CommandWords;
  /** Positional arguments before the cursor's word. */
  readonly arguments: number;
  /** The option whose value the word is. */
  readonly option: Word | undefined;
}

/** `line`: up to the cursor. `ownCommands`: those of the shell itself. */
export async function complete(
  line: string,
  tree: readonly CommandWords[],
  ownCommands: readonly string[],
  findKeys: FindKeys,
): Promise<Completion> {
  if (line.startsWith('\\') && !line.includes(' ')) return offer(ownCommands, line);
  const split = splitWords(line);
  if ('problem' in split) return NOTHING;
  const { words, isOpen } = split;
  const last = isOpen ? words.at(-1) : undefined;
  const typed = last === undefined ? '' : line.slice(last.at);
  const place = placeOf(isOpen ? words.slice(0, -1) : words, tree);
  if (place === undefined) return NOTHING;
  const { command, option } = place;
  if (option !== undefined) return offer(option.choices, typed);
  if (typed.startsWith('-')) return offer(textsOf(command, '-'), typed);
  // Behind a word that is no command none is named.
  if (command.arguments.length === 0)
    return place.arguments > 0 ? NOTHING : offer(textsOf(command, ''), typed);
  if (place.arguments === 0 && command.choices.length > 0) return offer(command.choices, typed);
  if (!isKey(command, place.arguments)) return NOTHING;
  const prefix = last?.text ?? '';
  // Only what is typed without quotes can be replaced by a word of another form.
  if (quoteWord(prefix) !== (typed === '' ? "''" : typed)) return NOTHING;
  return offer((await findKeys(prefix)).filter(isPlain).map(quoteWord), typed);
}

/** The arguments that are still to be typed; empty where no command is known yet. */
export function hintFor(line: string, tree: readonly CommandWords[]): string {
  const split = splitWords(line);
  if ('problem' in split || split.words.length === 0) return '';
  const place = placeOf(split.words, tree);
  if (place === undefined || place.command.path === tree[0]?.path) return '';
  const { arguments: names } = place.command;
  const left = names.slice(place.arguments).join(' ');
  if (left === '') return '';
  return split.isOpen ? ` ${left}` : left;
}

function placeOf(words: readonly SplitWord[], tree: readonly CommandWords[]): Place | undefined {
  let command = tree[0];
  let count = 0;
  let option: Word | undefined;
  const typed = words[0]?.text === command?.path ? words.slice(1) : words;
  for (const { text } of typed) {
    if (option !== undefined) {
      option = undefined;
      continue;
    }
    const next = tree.find(({ path }) => path === `${command?.path} ${text}`);
    if (next !== undefined) command = next;
    else if (text.startsWith('-') && text !== '-')
      option = command?.words.find((word) => word.text === text && word.hasValue);
    else count++;
  }
  return command === undefined ? undefined : { command, arguments: count, option };
}

/** The subcommands, or the options with `-`. */
function textsOf({ words }: CommandWords, begin: '-' | ''): string[] {
  return words.map(({ text }) => text).filter((text) => text.startsWith('-') === (begin === '-'));
}

function isKey({ arguments: names }: CommandWords, at: number): boolean {
  const name = names[at] ?? (names.at(-1)?.includes('...') ? names.at(-1) : undefined);
  return name !== undefined && /^[<[](keys?|prefix)(\.\.\.)?[>\]]$/.test(name);
}

/** A key that a terminal would obey, or that would break the line, is not offered. */
function isPlain(key: string): boolean {
  return key !== '' && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(key);
}

function offer(words: readonly string[], typed: string): Completion {
  const offers = words.filter((word) => word.startsWith(typed)).slice(0, OFFERS_MAX);
  // The only one is the word that was meant, so the next can begin.
  return { offers: offers.length === 1 ? [`${offers[0]} `] : offers, typed };
}
