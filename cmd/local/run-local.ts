/**
 * Starts a local run: flags → configuration files → checks of ports and data → processes.
 *
 * Exit codes: 0 stopped as requested; 2 flags, environment or configuration; 1 anything
 * else.
 */
import { ConfigError } from '#config/config-error.ts';
import { findMisspelt } from '#config/misspelt-variables.ts';
import { readConfigFile } from '#config/read-config-file.ts';
import type { Clock } from '#platform/clock.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { EXIT_CODES } from '../run/exit-codes.ts';
import { type AnySpec, type LocalFile, LocalRefusal, type LocalSource } from './local-files.ts';
import { type LocalScript, startCommand } from './local-script.ts';
import { lockedText, takenPortText } from './local-text.ts';
import { findLocked } from './locked-directory.ts';
import { parsePortFlags } from './port-flags.ts';
import { findFreePort, findTaken } from './ports.ts';
import type { Terminal } from './process-set.ts';
import { statusOf } from './status-of.ts';

/** What is started: `stop` ends it with this exit code, if nothing else goes wrong. */
export interface LocalRun {
  /** Resolves with the exit code when everything has stopped. */
  readonly ended: Promise<number>;
  start(): Promise<void>;
  stop(code: number): Promise<number>;
}

export interface LocalProgram<Spec extends AnySpec> {
  readonly script: LocalScript;
  readonly files: readonly LocalFile[];
  /** Throws `LocalRefusal`. */
  plan(source: LocalSource): Spec[];
  create(specs: readonly Spec[], parts: LocalParts): LocalRun;
}

export interface LocalParts {
  readonly script: LocalScript;
  readonly clock: Clock;
  readonly terminal: Terminal;
  /** The value of `--port`, if it was given. */
  readonly firstPort: number | undefined;
}

// A terminal or reader that is gone must not stop the processes.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const terminal: Terminal = {
  say: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
};

/** Runs until it is stopped, and sets the exit code of the process. */
export async function runLocal<Spec extends AnySpec>(
  program: LocalProgram<Spec>,
  argv: readonly string[],
  signals: EarlySignals,
): Promise<void> {
  const { script } = program;
  const flags = parsePortFlags(script, argv, process.env);
  if (flags.kind === 'help') return terminal.say(script.usage);
  if (flags.kind === 'error') return refuse(EXIT_CODES.config, flags.message);
  const { firstPort } = flags;
  const clock = createNodeClock();
  const specs = await plan(program, firstPort);
  if (specs === undefined) return;
  // Before the ports: it says for certain what a taken port only suggests.
  const locked = await findLocked(createNodeFileSystem(), specs);
  if (locked !== undefined) return refuse(1, lockedText(script, locked, startCommand(script, firstPort)));
  if ((await isTaken(script, specs, clock)) || !(await isPlaceThere(script))) return;
  for (const warning of warningsOf(specs)) terminal.complain(`${warning}\n`);
  const run = program.create(specs, { script, clock, terminal, firstPort });
  signals.handTo({
    onFirst: () => void run.stop(0),
    // The processes notice that this one has ended, and stop by themselves.
    onAgain: () => process.exit(1),
  });
  await run.start();
  process.exit(await run.ended);
}

function warningsOf(specs: readonly AnySpec[]): ReadonlySet<string> {
  return new Set(specs.flatMap(({ kind }) => (kind === 'etcd' ? [] : findMisspelt(kind, process.env))));
}

async function plan<Spec extends AnySpec>(
  program: LocalProgram<Spec>,
  firstPort: number | undefined,
): Promise<Spec[] | undefined> {
  const fileSystem = createNodeFileSystem();
  const read = (file: string): Promise<string | ConfigError> =>
    readConfigFile(fileSystem, file).catch((error: unknown) => {
      if (error instanceof ConfigError) return error;
      throw error;
    });
  const texts = await Promise.all(program.files.map(({ config }) => read(config)));
  try {
    return program.plan({ texts, env: process.env, firstPort });
  } catch (error) {
    if (!(error instanceof LocalRefusal)) throw error;
    refuse(EXIT_CODES.config, `${error.message}\n`);
    return undefined;
  }
}

async function isTaken(script: LocalScript, specs: readonly AnySpec[], clock: Clock): Promise<boolean> {
  const spec = await findTaken(specs);
  if (spec === undefined) return false;
  const isWalnut = (await statusOf(spec.address, clock)) !== undefined;
  const freePort = await findFreePort(specs);
  refuse(1, takenPortText(script, { spec, isWalnut, freePort }));
  return true;
}

async function isPlaceThere({ place }: LocalScript): Promise<boolean> {
  try {
    await createNodeFileSystem().makeDirectory(place);
    return true;
  } catch (error) {
    refuse(
      1,
      `The directory ./${place} cannot be made: ${(error as Error).message}\nMove away what is there, or: mkdir -p ${place}\n`,
    );
    return false;
  }
}

function refuse(exitCode: number, message: string): void {
  terminal.complain(message);
  process.exitCode = exitCode;
}
