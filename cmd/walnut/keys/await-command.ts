/**
 * `walnut await`: tells whether a position is durable, and waits until it is. A replica
 * answers for its own disk. Only the master counts acks of replicas, so --min-acks is for
 * the master.
 */
import { type Command, Option } from 'commander';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import { REPLICAS_MAX } from '#model/limits.ts';
import { parseCount, parseWaitMs, parseWirePosition } from '../arguments.ts';
import { waitingCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { countOf, enumName, showPosition } from '../output/output.ts';
import { callFollowing, LEVELS, missedGuarantee, waitLeft } from './write-options.ts';

const TIMEOUT_MS = 5_000;
const TIMEOUT_MS_MAX = 60_000;

interface AwaitOptions {
  readonly durability: keyof typeof LEVELS;
  readonly minAcks?: number;
  readonly timeout?: number;
  readonly follow?: boolean;
}

export function addAwaitCommand(program: Command, host: CommandHost): void {
  program
    .command('await')
    .summary('wait until a position is durable')
    .description(
      'Waits until the write at POSITION (EPOCH-LSN, as set and del print it) is durable on the node, ' +
        'and on --min-acks replicas. Any client may have written it, so a script can write fast and then ' +
        'await its last position once. Exits 1 if that was not reached in time; 5 if the position is ' +
        'not known here (unavailable) or its history was discarded (data_loss).',
    )
    .argument('<position>')
    .addOption(
      new Option('--durability <level>', 'what to wait for on the node itself')
        .choices(Object.keys(LEVELS))
        .default('local'),
    )
    .option('--min-acks <n>', 'wait until this many replicas have it on disk', parseCount(0, REPLICAS_MAX))
    .option(
      '--timeout <duration>',
      'how long to wait (default: 5s, at most 60s)',
      parseWaitMs(TIMEOUT_MS_MAX),
    )
    .option('--no-follow', 'do not go to the master when a replica refuses --min-acks')
    .addHelpText(
      'after',
      `
Examples:
  walnut await 4294967303-12
  walnut await 4294967303-12 --min-acks 2 --timeout 10s
  walnut await 4294967303-12 --address 127.0.0.1:8081      # on the disk of this replica
  p=$(walnut set order:7 paid --json | jq -r .position) && walnut await "$p" --min-acks 1`,
    )
    .action(host.action<AwaitOptions>(runAwait));
}

async function runAwait(invocation: Invocation, options: AwaitOptions): Promise<ExitCode> {
  const text = invocation.args[0] ?? '';
  const request = {
    position: readPosition(text),
    durability: LEVELS[options.durability],
    minAcks: options.minAcks ?? 0,
  };
  const { timeout = TIMEOUT_MS } = options;
  const response = await callFollowing(
    invocation,
    options,
    ({ kv }, spentMs) =>
      kv.awaitDurable({ ...request, timeoutMs: waitLeft(timeout, spentMs) }, waitingCall(invocation.io)),
    'asking',
  );
  const { durabilityReached, replicasAcked } = response;
  await show(
    invocation,
    () => ({
      position: text,
      durabilityReached: enumName(Durability, durabilityReached),
      replicasAcked,
      durable: showPosition(response.durable),
    }),
    () => `${text}: ${enumName(Durability, durabilityReached)}, ${countOf(replicasAcked, 'replica')}\n`,
  );
  const missed = missedGuarantee(response, options);
  if (missed === undefined) return EXIT.ok;
  throw new CliError(EXIT.negative, `${text}: ${missed}`, 'See the replicas with: walnut status');
}

function readPosition(text: string) {
  try {
    return parseWirePosition(text);
  } catch (error) {
    throw usageError(`argument <position>: ${(error as Error).message}`);
  }
}
