/**
 * Scripts that complete the tool's commands and options in a shell. Each has the whole list,
 * so that a Tab starts no process. They find the command among the words that are typed:
 * what is no command of the list there, such as a key, is passed over, and so is the value of an option. Pure.
 */
import type { CommandWords, Word } from './command-tree.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, tree: readonly CommandWords[]): string {
  if (shell === 'fish') return fishScript(tree);
  const begin = shell === 'zsh' ? 'autoload -U +X compinit bashcompinit && compinit && bashcompinit\n' : '';
  return `${begin}${bashScript(tree)}`;
}

function bashScript(tree: readonly CommandWords[]): string {
  const offers = tree.flatMap(offersOf).filter(({ words }) => words.length > 0);
  const cases = offers.map(({ at, words }) => {
    const texts = words.map(({ text }) => text).join(' ');
    return `    ${quote(at)}) choices=${quote(texts)} ;;`;
  });
  // `path` and `words` would be zsh's own. Bash takes the = of an option for a word.
  return `_walnut() {
  local at=walnut valued= choices= i=1 word
  while [ "$i" -lt "$COMP_CWORD" ]; do
    word="\${COMP_WORDS[i]}"
    i=$((i + 1))
    if [ -n "$valued" ]; then
      [ "$word" = = ] || valued=
      continue
    fi
    case "$at $word" in
      ${tree.map(({ path }) => quote(path)).join('|')}) at="$at $word" ;;
      ${tree.flatMap(valuedOf).map(quote).join('|')}) valued="$at $word" ;;
    esac
  done
  case "\${valued:-$at}" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _walnut walnut
`;
}

function fishScript(tree: readonly CommandWords[]): string {
  const lines = tree
    .flatMap(offersOf)
    .flatMap(({ at, words, mayBeFile }) =>
      words.map(
        ({ text, about }) =>
          `complete -c walnut${mayBeFile ? '' : ' -f'} -n ${quote(`test (__walnut_place) = "${at}"`)} -a ${quote(text)} -d ${quote(about)}`,
      ),
    );
  return `set -g __walnut_paths ${tree.map(({ path }) => quote(path)).join(' ')}
set -g __walnut_valued ${tree.flatMap(valuedOf).map(quote).join(' ')}
function __walnut_place
  set -l path walnut
  set -l valued
  for word in (commandline -opc)[2..-1]
    if test -n "$valued"
      set valued
    else if contains -- "$path $word" $__walnut_paths
      set path "$path $word"
    else if contains -- "$path $word" $__walnut_valued
      set valued "$path $word"
    end
  end
  if test -n "$valued"
    echo $valued
  else
    echo $path
  end
end
${lines.join('\n')}
`;
}

interface Offer {
  /** A command, or one with an option whose value is typed. */
  readonly at: string;
  readonly words: readonly Pick<Word, 'text' | 'about'>[];
  readonly mayBeFile: boolean;
}

/** What a command offers, and its options that name the choices of their values. */
function offersOf({ path, words, choices, arguments: names }: CommandWords): Offer[] {
  const asWords = (texts: readonly string[]) => texts.map((text) => ({ text, about: '' }));
  const mayBeFile = names.length > 0 && choices.length === 0;
  const values = words.filter((word) => word.choices.length > 0);
  return [
    { at: path, words: [...asWords(choices), ...words], mayBeFile },
    ...values.map((word) => ({
      at: `${path} ${word.text}`,
      words: asWords(word.choices),
      mayBeFile: false,
    })),
  ];
}

/** The options of a command behind which a value stands. */
function valuedOf({ path, words }: CommandWords): string[] {
  return words.filter(({ hasValue }) => hasValue).map(({ text }) => `${path} ${text}`);
}

/** In single quotes, in which both kinds of shell take everything as it is, but a quote; fish a backslash, too. */
function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '')}'`;
}
