/** `walnut context`: nodes and settings stored under a name. */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { createReach } from '../call/reach.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Handler, type Invocation, show, usageError } from '../command-host.ts';
import { countOf } from '../output/output.ts';
import { renderTable } from '../output/table.ts';
import { unknownContext } from './choose-context.ts';
import { contextFile, readContexts, writeContexts } from './context-file.ts';
import {
  CONTEXT_FILES,
  CONTEXT_OPTIONS,
  CONTEXTS_MAX,
  type Context,
  type ContextOption,
  type ContextSettings,
  type Contexts,
  parseAddresses,
  parseContextName,
} from './contexts.ts';

export function addContextCommand(program: Command, host: CommandHost): void {
  const context = program
    .command('context')
    .summary('keep nodes and settings under a name')
    .description(
      'Keeps addresses, the files of a token and of certificates under a name, in a file of your own ' +
        '($XDG_CONFIG_HOME/walnut/contexts.json, else ~/.config/walnut/contexts.json) that only you may read. ' +
        'It has no token, only the name of the file with it.',
    );
  addAdd(context, host);
  addUse(context, host);
  addList(context, host);
  addRemove(context, host);
}

interface AddOptions extends ContextSettings {
  readonly replace?: boolean;
}

function addAdd(context: Command, host: CommandHost): void {
  const add = context
    .command('add')
    .summary('store nodes and settings under a name')
    .description(
      'Stores the addresses of the nodes with the --token-file, --allow-clear-text, --ca-file, --cert-file, ' +
        '--key-file and --server-name of this command. The files are read once, to see that they can be used. ' +
        'Of several nodes a command calls the first that takes a connection.',
    )
    .argument('<name>', 'the name', parseContextName)
    .argument('<addresses...>', 'HOST:PORT or https://HOST:PORT of each node (without :PORT it is 8080)')
    .option('--replace', 'where the name is taken')
    .addHelpText(
      'after',
      `
Examples:
  walnut context add test 127.0.0.1:8081 127.0.0.1:8080
  walnut context add live https://a.example:8080 https://b.example:8080 --token-file ~/live.token --ca-file ~/live.ca`,
    )
    .action(
      host.offline<AddOptions>((invocation, options) => {
        if (add.getOptionValueSourceWithGlobals('address') === 'cli')
          throw usageError('the addresses follow the name', 'Type: walnut context add NAME HOST:PORT');
        return runAdd(invocation, options);
      }),
    );
}

async function runAdd(invocation: Invocation, options: AddOptions): Promise<ExitCode> {
  const [name = '', ...addresses] = invocation.args;
  const settings = settingsOf(options);
  await checkUsable(addresses, settings);
  await change(invocation, (contexts) => {
    if (Object.hasOwn(contexts.contexts, name) && options.replace !== true)
      throw usageError(`there is a context ${name} already`, 'To store another under its name: --replace');
    if (Object.keys(contexts.contexts).length >= CONTEXTS_MAX)
      throw usageError(`there are ${CONTEXTS_MAX} contexts, the most that are kept`, 'walnut context remove');
    return { ...contexts, contexts: { ...contexts.contexts, [name]: { addresses, ...settings } } };
  });
  return EXIT.ok;
}

/** File names become absolute, because the tool is called from elsewhere next time. */
function settingsOf(options: AddOptions): ContextSettings {
  const names = Object.keys(CONTEXT_OPTIONS) as ContextOption[];
  const given = names.flatMap((name) => {
    const value = options[name];
    if (value === undefined) return [];
    const isFile = (CONTEXT_FILES as readonly string[]).includes(name);
    return [[name, isFile ? resolve(String(value)) : value] as const];
  });
  return Object.fromEntries(given);
}

/** Reads what the context names as a command would that calls each node. */
async function checkUsable(texts: readonly string[], settings: ContextSettings): Promise<void> {
  const reach = createReach(settings, {});
  try {
    for (const address of parseAddresses(texts)) await reach(address);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw usageError(error.message);
    throw error;
  }
}

interface UseOptions {
  readonly none?: boolean;
}

function addUse(context: Command, host: CommandHost): void {
  context
    .command('use')
    .summary('take a context from now on')
    .description(
      'Takes the context for every command that names no node: by --address, WALNUT_ADDRESS, --context or ' +
        'WALNUT_CONTEXT.',
    )
    .argument('[name]', 'the name', parseContextName)
    .option('--none', 'take none any more')
    .addHelpText(
      'after',
      `
Examples:
  walnut context use live
  walnut context use --none`,
    )
    .action(host.offline<UseOptions>(runUse));
}

async function runUse(invocation: Invocation, { none = false }: UseOptions): Promise<ExitCode> {
  const [name] = invocation.args;
  if ((name === undefined) !== none)
    throw usageError('give the name of a context, or --none', 'Known are: walnut context list');
  await change(invocation, ({ current: _, ...all }) => {
    if (name !== undefined && !Object.hasOwn(all.contexts, name)) throw unknownContext(name, all);
    return name === undefined ? all : { current: name, ...all };
  });
  return EXIT.ok;
}

function addList(context: Command, host: CommandHost): void {
  context
    .command('list')
    .summary('list the contexts')
    .description('Lists the contexts; a star marks the one of: walnut context use.')
    .addHelpText(
      'after',
      `
Examples:
  walnut context list
  walnut context list --json | jq -r .current`,
    )
    .action(host.offline(runList));
}

async function runList(invocation: Invocation): Promise<ExitCode> {
  const file = fileOf(invocation);
  const all = await readContexts(file);
  const rows = Object.entries(all.contexts).map(([name, context]) => [
    name === all.current ? `* ${name}` : `  ${name}`,
    context.addresses.join(' '),
    describeSettings(context),
  ]);
  await show(
    invocation,
    () => ({ file, ...all }),
    () =>
      rows.length === 0
        ? 'no context is stored; the first: walnut context add NAME HOST:PORT\n'
        : renderTable(invocation.colors, ['  NAME', 'NODES', 'SETTINGS'], rows),
  );
  return EXIT.ok;
}

function describeSettings(context: Context): string {
  const shown = Object.entries(CONTEXT_OPTIONS).flatMap(([name, option]) => {
    const value = context[name as ContextOption];
    if (value === undefined) return [];
    return [value === true ? option : `${option} ${value}`];
  });
  return shown.join(' ') || '-';
}

function addRemove(context: Command, host: CommandHost): void {
  context
    .command('remove')
    .summary('forget a context')
    .description('Forgets a context. The files that it names stay.')
    .argument('<name>', 'the name', parseContextName)
    .addHelpText(
      'after',
      `
Examples:
  walnut context remove test`,
    )
    .action(host.offline(runRemove));
}

const runRemove: Handler<unknown> = async (invocation) => {
  const [name = ''] = invocation.args;
  await change(invocation, ({ current, contexts }) => {
    if (!Object.hasOwn(contexts, name)) throw unknownContext(name, { contexts });
    const { [name]: _, ...left } = contexts;
    return current === undefined || current === name ? { contexts: left } : { current, contexts: left };
  });
  return EXIT.ok;
};

/** Replaces the contexts by what `edit` makes of them, and says what there is then. */
async function change(invocation: Invocation, edit: (contexts: Contexts) => Contexts): Promise<void> {
  const file = fileOf(invocation);
  const changed = edit(await readContexts(file));
  await writeContexts(file, changed);
  const count = Object.keys(changed.contexts).length;
  await show(
    invocation,
    () => ({ file, ...changed }),
    () => `${countOf(count, 'context')}; in use: ${changed.current ?? 'none'}\n`,
  );
}

function fileOf({ io }: Invocation): string {
  const file = contextFile(io.env);
  if (file !== undefined) return file;
  throw usageError('there is no directory for your settings', 'Set HOME, or XDG_CONFIG_HOME, to one.');
}
