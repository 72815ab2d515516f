/** `walnut scrub`: makes a node hash its whole state in memory again, and reports the result. */
import type { Command } from 'commander';
import { Admin, type ScrubResponse } from '#gen/walnut/v1/admin_pb.ts';
import { callStream, longCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { countOf, showBytes, showCount, showDuration } from '../output/output.ts';
import { renderFacts } from '../output/table.ts';

export function addScrubCommand(program: Command, host: CommandHost): void {
  program
    .command('scrub')
    .summary('hash everything in a node’s memory again')
    .description(
      'Makes the node hash every stored entry and the digest of all of them again, while it serves. ' +
        'This finds a single altered byte. The node then recovers its state from its own disk, as after ' +
        'its own scrubs (storage.scrub_interval). Exits 0 if nothing was found, 1 if something was.',
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut scrub
  walnut scrub --address 127.0.0.1:8081
  walnut scrub --json | jq .altered

Progress is shown on stderr. Ctrl-C abandons the scrub.`,
    )
    .action(host.action(runScrub));
}

async function runScrub(invocation: Invocation): Promise<ExitCode> {
  const { io } = invocation;
  const options = longCall(io);
  let last: ScrubResponse | undefined;
  try {
    for await (const progress of callStream(invocation.address, Admin.method.scrub, {}, options)) {
      last = progress;
      if (!progress.done) io.note(`${describeProgress(progress)}\n`);
    }
  } catch (error) {
    if (io.interrupted.aborted) return EXIT.interrupted;
    throw error;
  }
  if (last?.done !== true) {
    throw new CliError(EXIT.server, `${invocation.address.text} gave the scrub up before its end`);
  }
  return report(invocation, last);
}

function describeProgress({ entries, entriesTotal, elapsedMs }: ScrubResponse): string {
  const percent = Math.min(99, Math.floor((100 * Number(entries)) / Math.max(1, Number(entriesTotal))));
  const perSecond = Math.round((1_000 * Number(entries)) / Math.max(1, Number(elapsedMs)));
  return `scrubbing: ${percent} %, ${countOf(entries, 'entry', 'entries')}, ${showCount(perSecond)} entries/s`;
}

async function report(invocation: Invocation, found: ScrubResponse): Promise<ExitCode> {
  const { colors } = invocation;
  const { entries, bytes, elapsedMs, altered, findings } = found;
  await show(
    invocation,
    () => ({
      entries: Number(entries),
      valueBytes: Number(bytes),
      elapsedMs: Number(elapsedMs),
      altered: Number(altered),
      findings,
    }),
    () =>
      renderFacts(colors, [
        [
          'looked at',
          `${countOf(entries, 'entry', 'entries')}, ${showBytes(bytes)} of values, in ${showDuration(elapsedMs)}`,
        ],
        ['altered', altered === 0n ? colors.green('none') : colors.red(showCount(altered))],
        ...findings.map((finding): [string, string] => ['found', colors.red(finding)]),
      ]),
  );
  if (altered === 0n) return EXIT.ok;
  throw new CliError(
    EXIT.negative,
    `the memory of ${invocation.address.text} was altered: the node recovers its state from its disk now`,
    'What to do: docs/operations.md, "A state that differs"',
  );
}
