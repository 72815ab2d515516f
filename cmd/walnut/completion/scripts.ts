/**
 * Scripts that complete the tool's commands and options in a shell. Each has the whole list,
 * so that a Tab starts no process. They find the command among the words that are typed:
 * what is no command of the list there, such as a key or a value, is passed over. Pure.
 */
import type { CommandWords } from './command-tree.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, tree: readonly CommandWords[]): string {
  if (shell === 'fish') return fishScript(tree);
  const begin = shell === 'zsh' ? 'autoload -U +X compinit bashcompinit && compinit && bashcompinit\n' : '';
  return `${begin}${bashScript(tree)}`;
}

function bashScript(tree: readonly CommandWords[]): string {
  const paths = tree.map(({ path }) => quote(path)).join('|');
  const cases = tree
    .map(
      ({ path, words }) => `    ${quote(path)}) choices=${quote(words.map(({ text }) => text).join(' '))} ;;`,
    )
    .join('\n');
  // `path` and `words` would be zsh's own.
  return `_walnut() {
  local at=walnut choices= i=1
  while [ "$i" -lt "$COMP_CWORD" ]; do
    case "$at \${COMP_WORDS[i]}" in
      ${paths}) at="$at \${COMP_WORDS[i]}" ;;
    esac
    i=$((i + 1))
  done
  case "$at" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _walnut walnut
`;
}

function fishScript(tree: readonly CommandWords[]): string {
  const lines = tree.flatMap(({ path, words }) =>
    words.map(
      ({ text, about }) =>
        `complete -c walnut -n ${quote(`test (__walnut_path) = "${path}"`)} -a ${quote(text)} -d ${quote(about)}`,
    ),
  );
  return `set -g __walnut_paths ${tree.map(({ path }) => quote(path)).join(' ')}
function __walnut_path
  set -l path walnut
  for word in (commandline -opc)[2..-1]
    if contains -- "$path $word" $__walnut_paths
      set path "$path $word"
    end
  end
  echo $path
end
${lines.join('\n')}
`;
}

/** In single quotes, in which both kinds of shell take everything as it is, but a quote; fish a backslash, too. */
function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '')}'`;
}
