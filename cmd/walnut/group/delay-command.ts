/** `walnut delay`: pauses, releases and resumes the records that wait on a delayed replica. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Command, Option } from 'commander';
import type { ControlDelayRequestSchema, DelayStatus } from '#gen/walnut/v1/admin_pb.ts';
import { parseCount } from '../arguments.ts';
import { createNodeClients, LONG_CALL } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { countOf, showDuration, showPosition } from '../output/output.ts';

interface ReleaseOptions {
  readonly toLsn?: number;
  readonly all?: boolean;
  readonly goOn?: boolean;
}

type Action = NonNullable<MessageInitShape<typeof ControlDelayRequestSchema>['action']>;

export function addDelayCommand(program: Command, host: CommandHost): void {
  const delay = program
    .command('delay')
    .summary('let through, stop or go on with what a delayed replica holds back')
    .description(
      'Operates the replica at --address that applies late (replication.apply_delay). Everything it ' +
        'logs is on its disk and acked at once; these commands decide what of it becomes visible. ' +
        'They hold over restarts. What waits is shown by walnut status.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  walnut delay pause --address 127.0.0.1:8081\n  walnut delay release --to-lsn 41872 --address 127.0.0.1:8081',
    );
  delay
    .command('pause')
    .description('Applies nothing more until told. The first thing to do after a mistake on the master.')
    .addHelpText('after', '\nExamples:\n  walnut delay pause --address 127.0.0.1:8081')
    .action(host.action((invocation) => control(invocation, { case: 'pause', value: true })));
  delay
    .command('resume')
    .description('Goes on by the delay: what came due meanwhile is applied at once.')
    .addHelpText('after', '\nExamples:\n  walnut delay resume --address 127.0.0.1:8081')
    .action(host.action((invocation) => control(invocation, { case: 'resume', value: true })));
  delay
    .command('release')
    .description(
      'Applies at once: with --to-lsn everything up to that record, and holds there (or goes on by ' +
        'the delay, with --go-on); with --all everything, and goes on by the delay. Answers when it is applied.',
    )
    .addOption(
      new Option('--to-lsn <lsn>', 'the last record to apply; walnut wal dump shows them')
        .argParser(parseCount(1))
        .conflicts('all'),
    )
    .option('--all', 'everything that is here')
    .addOption(new Option('--go-on', 'after --to-lsn go on by the delay').conflicts('all'))
    .addHelpText(
      'after',
      `
Examples:
  walnut delay release --to-lsn 41872 --address 127.0.0.1:8081
  walnut delay release --all --address 127.0.0.1:8081

Before a promotion a delayed replica applies all it has. To bring the group back to an
earlier state instead, see: walnut restore-to --help`,
    )
    .action(host.action<ReleaseOptions>(runRelease));
}

function runRelease(invocation: Invocation, options: ReleaseOptions): Promise<ExitCode> {
  if (options.all === true) return control(invocation, { case: 'releaseAll', value: true });
  if (options.toLsn === undefined) {
    throw usageError('choose exactly one: --to-lsn LSN or --all', 'See: walnut delay release --help');
  }
  const value = { lsn: BigInt(options.toLsn), goOn: options.goOn === true };
  return control(invocation, { case: 'releaseTo', value });
}

async function control(invocation: Invocation, action: Action): Promise<ExitCode> {
  const { admin } = createNodeClients(invocation.address);
  const { position, durableLsn, delay } = await admin.controlDelay({ action }, LONG_CALL);
  await show(
    invocation,
    () => ({
      position: showPosition(position),
      durableLsn: Number(durableLsn),
      delay: delay === undefined ? undefined : delayToJson(delay),
    }),
    () => `applied ${showPosition(position)}; ${delay === undefined ? '' : describeDelay(delay)}\n`,
  );
  return EXIT.ok;
}

export function delayToJson(delay: DelayStatus): Record<string, unknown> {
  return {
    applyDelayMs: Number(delay.applyDelayMs),
    held: delay.held,
    waitingRecords: Number(delay.waitingRecords),
    ...(delay.nextDueInMs === undefined ? {} : { nextDueInMs: Number(delay.nextDueInMs) }),
  };
}

export function describeDelay(delay: DelayStatus): string {
  const waiting = `${countOf(delay.waitingRecords, 'record')} waiting`;
  if (delay.held) return `paused by an operator, ${waiting}`;
  const next = delay.nextDueInMs === undefined ? '' : `, the next for ${showDuration(delay.nextDueInMs)}`;
  return `${showDuration(delay.applyDelayMs)} after the master, ${waiting}${next}`;
}
