/** `walnut delay`: pauses, releases and resumes the records that wait on a delayed replica. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Command, Option } from 'commander';
import type { ControlDelayRequestSchema, DelayStatus } from '#gen/walnut/v1/admin_pb.ts';
import { parseCount } from '../arguments.ts';
import { createNodeClients, longCall } from '../call/connection.ts';
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
    .summary('pause, release and resume a delayed replica')
    .description(
      'Operates a delayed replica (replication.apply_delay), the one at --address. All records are on ' +
        'its disk and acked at once; these commands decide when they are applied and so become visible. ' +
        'The choice survives restarts. walnut status shows how many records wait.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  walnut delay pause --address 127.0.0.1:8081\n  walnut delay release --to-lsn 41872 --address 127.0.0.1:8081',
    );
  delay
    .command('pause')
    .description(
      'Stops applying records until release or resume. Do this first after a mistake on the master.',
    )
    .addHelpText('after', '\nExamples:\n  walnut delay pause --address 127.0.0.1:8081')
    .action(host.action((invocation) => control(invocation, { case: 'pause', value: true })));
  delay
    .command('resume')
    .description(
      'Applies records after the delay again. Records that became due in the meantime are applied at ' +
        'once.',
    )
    .addHelpText('after', '\nExamples:\n  walnut delay resume --address 127.0.0.1:8081')
    .action(host.action((invocation) => control(invocation, { case: 'resume', value: true })));
  delay
    .command('release')
    .description(
      'Applies records at once. With --to-lsn all records up to that one; then applying is paused ' +
        '(with --go-on it continues with the delay). With --all every record; then applying continues ' +
        'with the delay. Answers when they are applied.',
    )
    .addOption(
      new Option('--to-lsn <lsn>', 'the last record to apply; walnut wal dump shows records')
        .argParser(parseCount(1))
        .conflicts('all'),
    )
    .option('--all', 'every record that waits')
    .addOption(new Option('--go-on', 'after --to-lsn continue with the delay').conflicts('all'))
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
  const { position, durableLsn, delay } = await admin.controlDelay({ action }, longCall(invocation.io));
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
