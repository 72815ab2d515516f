/** `walnut clock`: shows the offset of the log clock from wall time, and removes it with --apply. */
import type { Command } from 'commander';
import type { ClockStatus, MendClockResponse } from '#gen/walnut/v1/admin_pb.ts';
import { createNodeClients, longCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { showDuration, showPosition } from '../output/output.ts';
import { renderFacts } from '../output/table.ts';

/** If the wall clocks of the node and of this machine differ by more, one of them is wrong. */
const WALL_CLOCKS_DIFFER_MS_MAX = 10_000;
/** An offset up to this needs no correction. */
const SAME_TIME_MS = 1_000;

interface ClockOptions {
  readonly apply?: boolean;
  readonly anyWallClock?: boolean;
}

export function addClockCommand(program: Command, host: CommandHost): void {
  program
    .command('clock')
    .summary('show and correct the offset of the log clock')
    .description(
      'Shows the log clock of the master at --address, which decides when entries expire, and the wall ' +
        'clock of its machine. With --apply the log states the offset between the two, so that absolute ' +
        'deadlines follow wall time. The log clock itself does not change: every entry keeps its ' +
        'remaining time.',
    )
    .option('--apply', 'state the offset in the log; without this nothing is changed')
    .option('--any-wall-clock', 'apply although the wall clocks of the node and of this machine differ')
    .addHelpText(
      'after',
      `
Examples:
  walnut clock
  walnut clock --apply

Mending goes by the wall clock of the node: put that right first (date -u). Nodes of version
0.1.0 cannot read the record that it logs: upgrade the whole group before.`,
    )
    .action(host.action<ClockOptions>(runClock));
}

async function runClock(invocation: Invocation, options: ClockOptions): Promise<ExitCode> {
  const { admin } = createNodeClients(invocation.address);
  const told = await admin.mendClock({}, longCall(invocation.io));
  const clock = clockOf(told);
  const differsMs = wallMsOf(clock) - Date.now();
  if (options.apply !== true) {
    await show(
      invocation,
      () => ({ isApplied: false, ...answerToJson(told), nodeAheadOfHereMs: differsMs }),
      () => `${renderClock(invocation, told)}\n${advise(clock, differsMs)}\n`,
    );
    return EXIT.ok;
  }
  if (Math.abs(differsMs) > WALL_CLOCKS_DIFFER_MS_MAX && options.anyWallClock !== true) {
    throw usageError(
      describeWallClocks(differsMs),
      'Put the wrong one right. To go by that of the node all the same: --any-wall-clock',
    );
  }
  const done = await admin.mendClock(
    { apply: true, expectedAheadMs: clock.aheadMs },
    longCall(invocation.io),
  );
  await show(
    invocation,
    () => ({ isApplied: true, ...answerToJson(done) }),
    () =>
      `${renderClock(invocation, done)}\nmended at ${showPosition(done.position)}: the log states ${showOffset(done.wallOffsetMs)}\n`,
  );
  return EXIT.ok;
}

function clockOf({ clock }: MendClockResponse): ClockStatus {
  if (clock === undefined) throw new Error('the node answered without a clock');
  return clock;
}

function wallMsOf({ logMs, wallOffsetMs, aheadMs }: ClockStatus): number {
  return Number(logMs) + Number(wallOffsetMs) - Number(aheadMs);
}

function renderClock({ colors }: Invocation, answer: MendClockResponse): string {
  const clock = clockOf(answer);
  const facts: [string, string][] = [
    ['log clock', showTime(Number(clock.logMs))],
    ['stated', showOffset(clock.wallOffsetMs)],
    ['wall clock', `${showTime(wallMsOf(clock))}, of the node`],
    ['offset', describeAhead(Number(clock.aheadMs))],
  ];
  return renderFacts(colors, facts);
}

export function describeAhead(aheadMs: number): string {
  if (Math.abs(aheadMs) <= SAME_TIME_MS) return 'none: the two agree';
  return `the log clock is ${showDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead' : 'behind'}`;
}

function showOffset(wallOffsetMs: bigint): string {
  if (wallOffsetMs === 0n) return 'nothing: the log clock is wall time';
  const duration = showDuration(wallOffsetMs < 0n ? -wallOffsetMs : wallOffsetMs);
  return `that wall time is ${duration} ${wallOffsetMs < 0n ? 'before' : 'after'} the log clock`;
}

function advise({ aheadMs }: ClockStatus, differsMs: number): string {
  const warning = Math.abs(differsMs) > WALL_CLOCKS_DIFFER_MS_MAX ? `\n${describeWallClocks(differsMs)}` : '';
  if (Math.abs(Number(aheadMs)) <= SAME_TIME_MS) return `nothing to mend${warning}`;
  return (
    'nothing was changed: a dry run. If the wall clock of the node is right, mend the log clock ' +
    `with --apply: entries keep the time they have left${warning}`
  );
}

function describeWallClocks(differsMs: number): string {
  const where = differsMs > 0 ? 'ahead of' : 'behind';
  return `the wall clock of the node is ${showDuration(Math.abs(differsMs))} ${where} the one here: one of them is wrong`;
}

function answerToJson(answer: MendClockResponse): Record<string, unknown> {
  return {
    clock: clockToJson(clockOf(answer)),
    wallOffsetMs: Number(answer.wallOffsetMs),
    position: showPosition(answer.position),
  };
}

export function clockToJson(clock: ClockStatus): Record<string, unknown> {
  return {
    logMs: Number(clock.logMs),
    aheadMs: Number(clock.aheadMs),
    wallOffsetMs: Number(clock.wallOffsetMs),
    shiftMs: Number(clock.shiftMs),
  };
}

function showTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}
