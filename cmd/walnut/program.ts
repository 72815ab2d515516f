/** Assembles the commands, runs one, and converts its result to an exit code. */
import { Command, CommanderError, Option } from 'commander';
import { findSwallowed } from '#platform/npm-options.ts';
import { packageVersion } from '../run/package-version.ts';
import { parseAddress, parsePath } from './arguments.ts';
import { Session } from './call/session.ts';
import { CliError, EXIT, type ExitCode } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { CommandHost, usageError } from './command-host.ts';
import { isBare, loadCommands } from './command-table.ts';
import { ADDRESS_DEFAULT } from './context/choose-context.ts';
import { parseContextName } from './context/contexts.ts';
import { fitHelp, HELP_WIDTH } from './output/help-text.ts';

/** Runs the tool; resolves with the exit code. Never rejects. `session`: shared with other runs. */
export async function runWalnut(
  args: readonly string[],
  io: CliIo,
  session = new Session(io.env),
): Promise<ExitCode> {
  const host = new CommandHost(io, asksForJson(args), session);
  const output: string[] = [];
  try {
    try {
      const program = await createProgram(args, host, output, io);
      refuseSwallowed(program, io);
      await program.parseAsync([...args], { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      host.exitCode = endOfParsing(error, host);
    }
    for (const text of output) await host.io.write(text);
  } catch (error) {
    host.exitCode = host.report(error instanceof CliError ? error : describeBug(error));
  }
  return host.exitCode;
}

/** Checks the options of all loaded commands, because the requested command is one of them. */
function refuseSwallowed(program: Command, { env }: CliIo): void {
  const namesOf = (command: Command): string[] => [
    ...command.options.map((option) => option.name()),
    ...command.commands.flatMap(namesOf),
  ];
  const swallowed = findSwallowed(env, 'walnut', namesOf(program));
  if (swallowed !== undefined) throw usageError(swallowed.message, swallowed.advice);
}

function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? args.length : end).includes('--json');
}

/** Commander has written the message already, except for JSON output. */
function endOfParsing(error: CommanderError, host: CommandHost): ExitCode {
  if (error.exitCode === 0) return EXIT.ok;
  if (!host.isJson) return EXIT.usage;
  const message = error.code === 'commander.help' ? 'a command is missing' : error.message;
  return host.report(usageError(message.replace(/^error: /, ''), 'See --help of the command.'));
}

/** Describes an unexpected error in full. Its exit code is never that of an answer. */
function describeBug(error: unknown): CliError {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CliError(EXIT.bug, `this is a bug of the tool; please report it: ${what}`);
}

/** Reports an unexpected error outside of a command, as the arguments ask for; returns the exit code. */
export function reportBug(error: unknown, args: readonly string[], io: CliIo): ExitCode {
  return new CommandHost(io, asksForJson(args)).report(describeBug(error));
}

/** The program with the commands that `args` need. `output`: gets the text of --help. */
export async function createProgram(
  args: readonly string[],
  host: CommandHost,
  output: string[],
  unguarded: CliIo,
): Promise<Command> {
  const { io, place } = host;
  const program = new Command('walnut')
    .description('Reads, writes, inspects and operates Walnut nodes.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void output.push(fitHelp(text)),
      writeErr: (text) => {
        if (!host.isJson) io.note(text.startsWith('error:') ? `${place}${text}` : text);
      },
      getOutHelpWidth: () => HELP_WIDTH,
      getErrHelpWidth: () => HELP_WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for usage and examples)')
    .addOption(addressOption(host))
    .option(
      '--context <name>',
      'the nodes and settings stored under a name (env: WALNUT_CONTEXT); see: walnut context',
      parseContextName,
    )
    .option('--token-file <file>', 'the token to send (env: WALNUT_TOKEN, the token itself)', parsePath)
    .option('--allow-clear-text', 'send it without TLS to an address that is not this machine')
    .option('--ca-file <file>', 'authorities of an https:// address (env: WALNUT_CA_FILE)', parsePath)
    .option('--cert-file <file>', 'the certificate to show there (env: WALNUT_CERT_FILE)', parsePath)
    .option('--key-file <file>', 'its key (env: WALNUT_KEY_FILE)', parsePath)
    .option('--server-name <name>', 'the name in its certificate (env: WALNUT_SERVER_NAME)')
    .option('--json', 'answer in JSON')
    .addHelpText('after', EXAMPLES);
  if (isBare(args)) return addShell(program, host, args, unguarded);
  for (const add of await loadCommands(args)) add(program, host);
  return program;
}

/** The program without a command. `io`: not guarded yet, as each command in the shell guards its own. */
function addShell(program: Command, host: CommandHost, args: readonly string[], io: CliIo): Command {
  return program.action(
    host.shell(async (invocation) => {
      const { runShell } = await import('./repl/run-shell.ts');
      const report = (error: CliError): ExitCode => host.report(error);
      return runShell({ base: args, program, invocation, io, run: runWalnut, report });
    }),
  );
}

function addressOption({ io }: CommandHost): Option {
  const option = new Option(
    '--address <host:port>',
    'the node to talk to, or https://host:port (env: WALNUT_ADDRESS)',
  ).argParser(parseAddress);
  // For --help alone: a command finds its default by `chooseTarget`.
  const text = io.env.WALNUT_ADDRESS || ADDRESS_DEFAULT;
  return option.default(text, text);
}

const EXAMPLES = `
Examples:
  walnut set greeting hello --ttl 30s
  walnut get greeting
  walnut status
  walnut digest --compare
  walnut replay orm-busy.trace.gz --limit 1000000 --concurrency 1

Without a command it is a shell for commands: on a terminal with history and Tab,
elsewhere for commands on stdin, one a line. More: walnut context --help

A setting is taken from its option; else from the context, which is that of
--context, or of WALNUT_CONTEXT or walnut context use where neither --address nor
WALNUT_ADDRESS names a node; else from the environment; else it is the default.

Exit codes: 0 done; 1 key not found or check failed; 2 usage; 5 unreachable or
server error; 6 a file or a stream could not be read or written; 70 a bug of the
tool; 130 interrupted. With --json the last line of stderr tells a failure as
{"error":{"exitCode":…,"message":…,"advice":…}}.`;
