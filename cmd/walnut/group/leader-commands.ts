/**
 * `walnut failover` and `walnut promote`: make another node the master, while the old
 * master runs and after it is gone.
 */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatDuration } from '#platform/duration.ts';
import { type NamedAddress, parseAddress, parseDurationMs } from '../arguments.ts';
import { createNodeClients, waitingCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { showDuration, showPosition } from '../output/output.ts';

interface PromoteOptions {
  readonly force?: boolean;
}

interface FailoverOptions {
  readonly to: NamedAddress;
  readonly timeout: number;
}

const TIMEOUT_MS_DEFAULT = 10_000;
const TIMEOUT_MS_MAX = 60_000;

export function addLeaderCommands(program: Command, host: CommandHost): void {
  program
    .command('failover')
    .summary('hand the master’s role to a replica without losing a write')
    .description(
      'Makes the master at --address hand its role to a replica. The master refuses writes, waits ' +
        'until the replica has all of them, and then follows it. The other replicas follow, too. If the ' +
        'replica does not catch up in time, the master takes writes again and the command fails.',
    )
    .requiredOption(
      '--to <host:port>',
      'the replica that becomes the master, as status shows it',
      parseAddress,
    )
    .addOption(
      new Option('--timeout <duration>', 'how long writes may be refused, from 1ms to 60s')
        .argParser(parseTimeoutMs)
        .default(TIMEOUT_MS_DEFAULT, formatDuration(TIMEOUT_MS_DEFAULT)),
    )
    .addHelpText(
      'after',
      `
Meanwhile writes are answered UNAVAILABLE with the new master in x-leader-hint; reads go on.
If the master is gone, use walnut promote.

Examples:
  walnut failover --to 127.0.0.1:8081
  walnut failover --address 127.0.0.1:8080 --to 127.0.0.1:8081 --timeout 2s
  walnut failover --to 127.0.0.1:8081 --json`,
    )
    .action(host.action<FailoverOptions>(runFailover));
  program
    .command('promote')
    .summary('make a replica the master after the master is gone')
    .description(
      'Makes the replica at --address the master of a new term. Refused if the master answers, or if a ' +
        'reachable replica has more records. The other replicas follow by themselves. So does the old ' +
        'master when it returns; it sets aside the records that only it has.',
    )
    .option(
      '--force',
      'promote even if the master answers or a replica has more records: those records are given up',
    )
    .addHelpText(
      'after',
      `
While the master is up, walnut failover loses nothing. The nodes that have the records which a
forced promotion gives up set them aside. Look at the position of each with walnut status first.

Examples:
  walnut promote --address 127.0.0.1:8081
  walnut promote --address 127.0.0.1:8081 --force
  walnut promote --address 127.0.0.1:8081 --json`,
    )
    .action(host.action<PromoteOptions>(runPromote));
}

function parseTimeoutMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= 1 && ms <= TIMEOUT_MS_MAX) return ms;
  throw new InvalidArgumentError('Expected from 1ms to 60s.');
}

async function runFailover(invocation: Invocation, options: FailoverOptions): Promise<ExitCode> {
  const { admin } = createNodeClients(invocation.address);
  const to = options.to.text;
  const answer = await admin.failover({ to, timeoutMs: options.timeout }, waitingCall(invocation.io));
  const { term } = answer;
  const [position, pausedMs] = [showPosition(answer.position), Number(answer.pausedMs)];
  await show(
    invocation,
    () => ({ master: to, was: invocation.address.text, term, position, pausedMs }),
    () =>
      `${to} is the master of term ${term}; ${invocation.address.text} follows it from ${position}; ` +
      `writes waited ${showDuration(pausedMs)}\n`,
  );
  return EXIT.ok;
}

async function runPromote(invocation: Invocation, options: PromoteOptions): Promise<ExitCode> {
  const { admin } = createNodeClients(invocation.address);
  const answer = await admin.promote({ force: options.force === true }, waitingCall(invocation.io));
  const { term, promoted } = answer;
  const position = showPosition(answer.position);
  const node = invocation.address.text;
  await show(
    invocation,
    () => ({ address: node, term, position, promoted }),
    () =>
      promoted
        ? `${node} is the master of term ${term}, from ${position}\n`
        : `${node} is the master already, of term ${term}, at ${position}\n`,
  );
  return EXIT.ok;
}
