/** The shell at a terminal: reads a line, runs its command, and asks for the next until the end. */
import { callWithin, createNodeClients } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import type { CliIo, Terminal } from '../cli-io.ts';
import { CommandHost, usageError } from '../command-host.ts';
import { loadCommands } from '../command-table.ts';
import { type CommandWords, commandTree } from '../completion/command-tree.ts';
import { wholeProgram } from '../completion/completion-command.ts';
import { canErase } from '../output/terminal.ts';
import { complete, hintFor } from './complete.ts';
import { History, historyFile } from './history.ts';
import { LineEditor } from './line-editor.ts';
import { type Shell, withoutStdin } from './shell.ts';
import { parseShellLine, type ShellLine } from './shell-line.ts';

const GREETING = 'Commands as on the command line, without "walnut". \\help lists them';
const OWN_COMMANDS = ['\\help', '\\json', '\\quit'];
const COLUMNS_DEFAULT = 80;
/** Tab looks at so many pages of a scan, and waits so long for each. */
const PAGES_MAX = 4;
const PAGE_KEYS = 100;
const PAGE_MS_MAX = 1_000;

export async function runTerminal(shell: Shell, terminal: Terminal): Promise<ExitCode> {
  const { io, colors } = shell.invocation;
  const history = await History.open(historyFile(io.env));
  let tree: readonly CommandWords[] = [];
  const loaded = loadTree(shell).then((all) => {
    tree = all;
  });
  const hasColors = colors.dim(' ') !== ' ';
  const canEdit = canErase(io, true);
  const editor = new LineEditor(terminal, {
    history: history.lines,
    complete: async (line) => {
      await loaded;
      return complete(line, tree, OWN_COMMANDS, (prefix) => findKeys(shell, prefix));
    },
    hint: (line) => hintFor(line, tree),
    canEdit,
    dim: hasColors ? (text) => `\u001b[2m${text}\u001b[22m` : undefined,
    columns: () => terminal.output.columns || COLUMNS_DEFAULT,
  });
  io.interrupted.addEventListener('abort', () => editor.close(), { once: true });
  io.note(`${GREETING}${canEdit ? '; Tab completes' : ''}.\n`);
  if (history.problem !== undefined) io.note(`The history is not kept: ${history.problem}\n`);
  try {
    return await converse(shell, editor, history, terminal);
  } finally {
    editor.close();
    await history.close();
    await loaded;
  }
}

async function converse(
  shell: Shell,
  editor: LineEditor,
  history: History,
  terminal: Terminal,
): Promise<ExitCode> {
  const { io } = shell.invocation;
  let isJson = shell.base.includes('--json');
  const base = shell.base.filter((argument) => argument !== '--json');
  for (;;) {
    editor.onInterrupt = () => io.note('\n(to leave: \\quit or Ctrl-D)\n');
    const text = await editor.read(await promptOf(shell));
    if (io.interrupted.aborted) return EXIT.interrupted;
    if (text === undefined) return EXIT.ok;
    await history.add(text);
    const line = parseTyped(text);
    const options = isJson ? [...base, '--json'] : base;
    if (line.kind === 'own') {
      if (line.name === 'quit') return EXIT.ok;
      if (line.name === 'json') {
        isJson = !isJson;
        io.note(isJson ? 'Answers are JSON now.\n' : 'Answers are text now.\n');
        continue;
      }
    }
    const args = argumentsOf(line);
    if (args === undefined) tellUsage(shell, line);
    else await runCommand(shell, editor, terminal.output.columns || COLUMNS_DEFAULT, [...options, ...args]);
  }
}

/** The terminal gives U+FFFD for bytes that are not UTF-8: they would be stored as other text. */
function parseTyped(text: string): ShellLine {
  if (!text.includes('\ufffd')) return parseShellLine(text);
  return {
    kind: 'bad',
    problem: 'the line has bytes that are not UTF-8: type it again, or use set KEY --file PATH',
  };
}

/** Undefined where the line is no command. */
function argumentsOf(line: ShellLine): readonly string[] | undefined {
  if (line.kind === 'command') return line.args;
  return line.kind === 'own' && line.name === 'help' ? [...line.args, '--help'] : undefined;
}

function tellUsage({ report }: Shell, line: ShellLine): void {
  if (line.kind === 'bad') report(usageError(line.problem));
  if (line.kind === 'own')
    report(usageError(`\\${line.name} is not known: expected ${OWN_COMMANDS.join(', ')}`));
}

/** The first Ctrl-C ends a command as it does elsewhere; the second stops waiting for it. */
async function runCommand(
  shell: Shell,
  editor: LineEditor,
  columns: number,
  args: readonly string[],
): Promise<void> {
  const { io } = shell.invocation;
  const ctrlC = new AbortController();
  const waitIsOver = new Promise<undefined>((resolve) => {
    editor.onInterrupt = () => {
      if (ctrlC.signal.aborted) resolve(undefined);
      else ctrlC.abort();
    };
  });
  let isShown = true;
  const interrupted = AbortSignal.any([io.interrupted, ctrlC.signal]);
  const commandIo: CliIo = {
    ...withoutStdin(shell.io),
    columns,
    interrupted,
    write: async (chunk) => (isShown ? shell.io.write(chunk) : undefined),
    note: (text) => (isShown ? shell.io.note(text) : undefined),
  };
  const code = await Promise.race([shell.run(args, commandIo, shell.session), waitIsOver]);
  isShown = false;
  if (code === undefined) io.note('\nNot waited for any longer: it is unknown whether it was carried out.\n');
  if (code !== EXIT.ok && code !== EXIT.negative) shell.session.forget();
}

/** The context, or the node, that the next command calls. */
async function promptOf({ invocation }: Shell): Promise<string> {
  try {
    const { context, addresses } = await invocation.target();
    return `${context ?? addresses[0].text}> `;
  } catch {
    return 'walnut> ';
  }
}

async function loadTree({ program, invocation }: Shell): Promise<readonly CommandWords[]> {
  return commandTree(await wholeProgram(program, () => loadCommands([]), new CommandHost(invocation.io)));
}

/** A node that does not answer, or refuses, offers nothing. */
async function findKeys({ invocation, session }: Shell, prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  try {
    const target = await invocation.target();
    const endpoint = await session.reach(target)(await session.pick(target, () => {}));
    const { kv } = createNodeClients(endpoint);
    let cursor = '';
    for (let page = 0; page < PAGES_MAX && keys.length < PAGE_KEYS; page++) {
      const request = { prefix, cursor, keysOnly: true, limit: PAGE_KEYS };
      const { entries, nextCursor } = await kv.scan(request, callWithin(PAGE_MS_MAX, invocation.io));
      keys.push(...entries.map(({ key }) => key));
      if (nextCursor === '') break;
      cursor = nextCursor;
    }
  } catch {
    // What was found so far is still right.
  }
  return keys.sort();
}
