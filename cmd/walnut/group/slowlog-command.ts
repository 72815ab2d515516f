/** `walnut slowlog`: shows the last calls of a node that took long. */
import type { Command } from 'commander';
import type { GetSlowLogResponse, SlowCall } from '#gen/walnut/v1/admin_pb.ts';
import { SLOW_CALLS_MAX } from '#model/limits.ts';
import { parseCount } from '../arguments.ts';
import { createNodeClients, shortCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { countOf, showDeadline, showDuration } from '../output/output.ts';
import { renderTable } from '../output/table.ts';

const LIMIT_DEFAULT = 20;

interface SlowlogOptions {
  readonly limit: number;
  readonly after: number;
}

export function addSlowlogCommand(program: Command, host: CommandHost): void {
  program
    .command('slowlog')
    .summary('show the last calls that took long')
    .description(
      'Shows the last rpcs and requests to keys that took server.slow_log.threshold (100ms) or longer: ' +
        'when, what, which key, for whom and how long. Of a call with several keys the first is shown, ' +
        'and never a value.',
    )
    .option('--limit <n>', 'at most so many, the newest', parseCount(1, SLOW_CALLS_MAX), LIMIT_DEFAULT)
    .option('--after <id>', 'only calls with a higher id', parseCount(0), 0)
    .addHelpText(
      'after',
      `
Examples:
  walnut slowlog
  walnut slowlog --limit 100 --json | jq '.calls[].operation'
  walnut slowlog --after 4711`,
    )
    .action(host.action<SlowlogOptions>(runSlowlog));
}

async function runSlowlog(invocation: Invocation, { limit, after }: SlowlogOptions): Promise<ExitCode> {
  const { admin } = createNodeClients(invocation.address);
  const answer = await admin.getSlowLog({ limit, afterId: BigInt(after) }, shortCall(invocation.io));
  await show(
    invocation,
    () => toJson(answer),
    () => render(answer, invocation),
  );
  return EXIT.ok;
}

function toJson({ calls, thresholdMs, maxEntries, total }: GetSlowLogResponse): Record<string, unknown> {
  return {
    thresholdMs: Number(thresholdMs),
    maxEntries,
    total: Number(total),
    calls: calls.map((call) => ({
      id: Number(call.id),
      endedAtMs: Number(call.endedAtMs),
      operation: call.operation,
      key: call.key === '' ? undefined : (JSON.parse(call.key) as string),
      code: call.code,
      durationMs: Number(call.durationUs) / 1_000,
      user: call.user,
      from: call.from,
    })),
  };
}

function render({ calls, thresholdMs, total }: GetSlowLogResponse, { colors }: Invocation): string {
  // Calls of before were counted by the threshold of their time, which may have been another.
  const now =
    thresholdMs === 0n
      ? 'now none counts, because server.slow_log.threshold is 0s'
      : `now ${showDuration(thresholdMs)} counts as slow`;
  const since = `since the start ${countOf(total, 'slow call')}; ${now}`;
  if (calls.length === 0) return `${since}\n`;
  const head = ['ID', 'ENDED', 'TOOK', 'OPERATION', 'CODE', 'USER', 'FROM', 'KEY'];
  return `${renderTable(colors, head, calls.map(toRow))}\n${since}\n`;
}

function toRow(call: SlowCall): string[] {
  return [
    String(call.id),
    showDeadline(call.endedAtMs),
    showDuration(call.durationUs / 1_000n),
    call.operation.replace(/^\/walnut\.v1\./, ''),
    call.code,
    call.user,
    call.from,
    call.key,
  ];
}
