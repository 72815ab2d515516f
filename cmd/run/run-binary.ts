/**
 * Runs a binary until it is stopped: flags → configuration → start → signals → exit code.
 * Each binary supplies its flags, the sections of its configuration (`#config/binaries.ts`)
 * and `start`, which builds the rest and registers in `closers` how each part is closed.
 * Parts are closed in reverse order.
 */
import { type BinaryKind, type ConfigOf, commandOf } from '#config/binaries.ts';
import type { CommonFlags, ParsedFlags } from '#config/common-flags.ts';
import { ConfigError } from '#config/config-error.ts';
import { findDoubtful } from '#config/doubtful.ts';
import { type LoadedConfig, loadWithOrigins, named } from '#config/load-config.ts';
import { findMisspelt } from '#config/misspelt-variables.ts';
import { printConfig, printedKeys } from '#config/print-config.ts';
import { readConfigFile } from '#config/read-config-file.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { findSwallowed } from '#platform/npm-options.ts';
import { makeBufferPlain } from '#platform/plain-globals.ts';
import { SecretFileError } from '#platform/secret-file.ts';
import { sayOnStandardError } from '#platform/standard-error.ts';
import { createWriteOut } from '#platform/standard-output.ts';
import { ServerAddressError } from '#rpc/listen.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { packageVersion } from './package-version.ts';
import { type Configuration, type ProcessParts, runProcess, type StartFailure } from './run-process.ts';

/** What `--check-config` says. A file is checked when it is read, which a start does. */
const VALID = 'the configuration is valid; files that it names were not looked at\n';

export interface Binary<Kind extends BinaryKind, Flags extends CommonFlags> {
  readonly kind: Kind;
  /** Every flag, without its dashes. */
  readonly flagNames: readonly string[];
  parseFlags(argv: readonly string[]): ParsedFlags<Flags>;
  /** The text of `--help`. */
  usage(command: string): string;
  /** Resolves when the binary is in service. */
  start(config: ConfigOf<Kind>, flags: Flags, parts: ProcessParts<Kind>): Promise<void>;
  /** The exit code and message for an error of `start` that only this binary has; undefined for all others. */
  explain?(error: unknown): StartFailure | undefined;
}

/** Runs until it is stopped, and sets the exit code of the process. */
export async function runBinary<Kind extends BinaryKind, Flags extends CommonFlags>(
  binary: Binary<Kind, Flags>,
  argv: readonly string[],
  signals: EarlySignals,
): Promise<void> {
  makeBufferPlain();
  const command = commandOf(binary.kind);
  const swallowed = findSwallowed(process.env, binary.kind, binary.flagNames);
  if (swallowed !== undefined) {
    fail(EXIT_CODES.config, `${command}: ${swallowed.message}\n${swallowed.advice}`);
    return;
  }
  const flags = binary.parseFlags(argv);
  switch (flags.kind) {
    case 'help':
      return print(binary.usage(command));
    case 'version':
      return print(`${packageVersion()}\n`);
    case 'error':
      fail(EXIT_CODES.config, `${command}: ${flags.problems.join('\n')}\nSee ${command} --help.`);
      return;
    case 'run': {
      const configuration = await readConfig(binary.kind, flags);
      if (configuration === undefined) return;
      const { config, origins } = configuration;
      const warnings = [...findMisspelt(binary.kind, process.env), ...findDoubtful(configuration)];
      if (flags.shouldPrintConfig || flags.shouldCheckConfig) {
        for (const warning of warnings) sayOnStandardError(`${warning}\n`);
        await print(flags.shouldPrintConfig ? printConfig(config, origins) : VALID);
      } else {
        const start = (parts: ProcessParts<Kind>): Promise<void> => {
          for (const warning of warnings) parts.logger.warn({}, warning);
          return binary.start(config, flags, parts);
        };
        const explain = (error: unknown) => binary.explain?.(error) ?? explainCommon(error, configuration);
        await runProcess({ configuration, signals, start, explain });
      }
    }
  }
}

/** Every binary may fail so. Undefined if the error is unexpected, and so logged whole. */
function explainCommon(error: unknown, loaded: LoadedConfig): StartFailure | undefined {
  if (error instanceof ConfigError) return { exitCode: EXIT_CODES.config, message: error.message };
  if (error instanceof SecretFileError)
    return { exitCode: EXIT_CODES.config, message: withKeys(error.message, loaded) };
  if (error instanceof ServerAddressError) return { exitCode: EXIT_CODES.other, message: error.message };
  return undefined;
}

/** A message about a file, with the keys that name this file and where they were set. */
function withKeys(message: string, { config, origins }: LoadedConfig): string {
  const keys = [...printedKeys(config)].flatMap(([key, value]) =>
    value !== '' && message.startsWith(`${value}: `) ? [named(origins.get(key) ?? 'default', key)] : [],
  );
  return [...(keys.length === 0 ? [] : [keys.join(', ')]), message].join(': ');
}

/** Writes output that a flag requested. If that fails, the process ends with an error. */
async function print(text: string): Promise<void> {
  try {
    await createWriteOut()(text);
  } catch (error) {
    fail(EXIT_CODES.other, `cannot write the output: ${(error as Error).message}`);
  }
}

async function readConfig<Kind extends BinaryKind>(
  kind: Kind,
  flags: CommonFlags,
): Promise<Configuration<Kind> | undefined> {
  try {
    const { configFile: file, sets } = flags;
    const readText = async (): Promise<string> =>
      file === undefined ? '' : readConfigFile(createNodeFileSystem(), file);
    const place = { file: file ?? '(no file)', cwd: process.cwd() };
    const source = { kind, ...place, text: await readText(), env: process.env, sets };
    return { source, readText, ...loadWithOrigins(source) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    fail(EXIT_CODES.config, error.message);
    return undefined;
  }
}

function fail(code: ExitCode, message: string): void {
  sayOnStandardError(`${message}\n`);
  process.exitCode = code;
}
