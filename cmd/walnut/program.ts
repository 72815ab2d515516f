/** Puts the commands together and turns their end into an exit code. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { parseAddress } from './arguments.ts';
import { CliError, EXIT } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { ADDRESS_DEFAULT, CommandHost, usageError } from './command-host.ts';
import { loadCommands } from './command-table.ts';

/** Columns: as wide as the examples are. */
const HELP_WIDTH = 100;

/** Runs the tool; resolves with the exit code. Rejects only for bugs. */
export async function runWalnut(args: readonly string[], io: CliIo): Promise<number> {
  const host = new CommandHost(io);
  const output: string[] = [];
  try {
    const program = await createProgram(args, host, output);
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CliError) host.exitCode = host.report(error);
    else if (error instanceof CommanderError) host.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    else throw error;
  }
  for (const text of output) await io.write(text);
  return host.exitCode;
}

async function createProgram(args: readonly string[], host: CommandHost, output: string[]): Promise<Command> {
  const { io } = host;
  const program = new Command('walnut')
    .description('Reads, writes, inspects and operates Walnut nodes.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void output.push(text),
      writeErr: (text) => io.note(text),
      getOutHelpWidth: () => HELP_WIDTH,
      getErrHelpWidth: () => HELP_WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for usage and examples)')
    .addOption(addressOption(host))
    .option('--json', 'answer in JSON')
    .addHelpText('after', EXAMPLES);
  for (const add of await loadCommands(args)) add(program, host);
  return program;
}

function addressOption({ io }: CommandHost): Option {
  const option = new Option('--address <host:port>', 'the node to talk to (env: WALNUT_ADDRESS)').argParser(
    parseAddress,
  );
  const fromEnvironment = io.env.WALNUT_ADDRESS ?? '';
  if (fromEnvironment === '') return option.default(parseAddress(ADDRESS_DEFAULT), ADDRESS_DEFAULT);
  return option.default(parseEnvironmentAddress(fromEnvironment), fromEnvironment);
}

function parseEnvironmentAddress(text: string) {
  try {
    return parseAddress(text);
  } catch (error) {
    throw usageError(`WALNUT_ADDRESS is ${JSON.stringify(text)}. ${(error as Error).message}`);
  }
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const EXAMPLES = `
Examples:
  walnut set greeting hello --ttl 30s
  walnut get greeting
  walnut status
  walnut digest --compare
  walnut replay orm-busy.trace.gz --limit 1000000 --concurrency 1

Exit codes: 0 done; 1 key not found or check failed; 2 usage; 5 unreachable or server
error; 130 interrupted.`;
