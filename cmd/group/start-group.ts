/**
 * `npm start`: runs one master and two replicas from `configs/` as three processes on this
 * machine. It waits until the replicas have caught up, shows the addresses and what to try,
 * and stops all three on Ctrl-C.
 *
 * Exit codes: 0 stopped as requested; 2 flags, environment or configuration; 1 anything
 * else.
 */
import { ConfigError } from '#config/config-error.ts';
import { readConfigFile } from '#config/load-config.ts';
import { findMisspelt } from '#config/misspelt-variables.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { EXIT_CODES } from '../run/exit-codes.ts';
import { parseGroupFlags, USAGE } from './group-flags.ts';
import { GroupMember } from './group-member.ts';
import { GROUP_FILES, GroupRefusal, type MemberSpec, planGroup } from './group-plan.ts';
import { GroupRun, type Terminal } from './group-run.ts';
import { lockedText, takenPortText } from './group-text.ts';
import { findLocked } from './locked-directory.ts';
import { findFreePort, findTaken } from './ports.ts';
import { startCommand } from './start-command.ts';

// A terminal or reader that is gone must not stop the three nodes.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const terminal: Terminal = {
  say: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
};

/** Runs the group until it is stopped, and sets the exit code of the process. */
export async function startGroup(argv: readonly string[], signals: EarlySignals): Promise<void> {
  const flags = parseGroupFlags(argv, process.env);
  if (flags.kind === 'help') terminal.say(USAGE);
  else if (flags.kind === 'error') refuse(EXIT_CODES.config, flags.message);
  else await run(flags.firstPort, signals);
}

async function run(firstPort: number | undefined, signals: EarlySignals): Promise<void> {
  const specs = await plan(firstPort);
  if (specs === undefined || (await isTaken(specs)) || !(await isDataDirectoryThere())) return;
  const locked = await findLocked(createNodeFileSystem(), specs);
  if (locked !== undefined) return refuse(1, lockedText(locked, startCommand(firstPort)));
  for (const warning of warningsOf(specs)) terminal.complain(`${warning}\n`);
  const clock = createNodeClock();
  const group = new GroupRun(
    specs.map((spec) => new GroupMember(spec, clock)),
    clock,
    terminal,
    firstPort,
  );
  signals.handTo({
    onFirst: () => void group.stop(0),
    // The nodes notice that this process has ended, and stop by themselves.
    onAgain: () => process.exit(1),
  });
  await group.start();
  process.exit(await group.ended);
}

function warningsOf(specs: readonly MemberSpec[]): ReadonlySet<string> {
  return new Set(specs.flatMap(({ kind }) => findMisspelt(kind, process.env)));
}

async function plan(firstPort: number | undefined): Promise<MemberSpec[] | undefined> {
  const fileSystem = createNodeFileSystem();
  const read = (file: string): Promise<string | ConfigError> =>
    readConfigFile(fileSystem, file).catch((error: unknown) => {
      if (error instanceof ConfigError) return error;
      throw error;
    });
  const texts = await Promise.all(GROUP_FILES.map(({ config }) => read(config)));
  try {
    return planGroup({ texts, env: process.env, firstPort });
  } catch (error) {
    if (!(error instanceof GroupRefusal)) throw error;
    refuse(EXIT_CODES.config, `${error.message}\n`);
    return undefined;
  }
}

async function isTaken(specs: readonly MemberSpec[]): Promise<boolean> {
  const spec = await findTaken(specs);
  if (spec === undefined) return false;
  const { state } = await new GroupMember(spec, createNodeClock()).describe();
  const freePort = await findFreePort(specs);
  refuse(1, takenPortText({ spec, isWalnut: state !== 'starting', freePort }));
  return true;
}

async function isDataDirectoryThere(): Promise<boolean> {
  try {
    await createNodeFileSystem().makeDirectory('data');
    return true;
  } catch (error) {
    refuse(
      1,
      `The directory ./data cannot be made: ${(error as Error).message}\nMove away what is there, or: mkdir data\n`,
    );
    return false;
  }
}

function refuse(exitCode: number, message: string): void {
  terminal.complain(message);
  process.exitCode = exitCode;
}
