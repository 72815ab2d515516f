/** `walnut get`. */
import type { Command } from 'commander';
import type { GetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { FILL_LEASE_MS_MAX, quoteKey } from '#model/limits.ts';
import { parseDurationMs, parseWaitMs, parseWirePosition, type WirePosition } from '../arguments.ts';
import { waitingCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import {
  countOf,
  showDeadline,
  showDuration,
  showLag,
  showModified,
  showPosition,
  showText,
  showWholeValue,
} from '../output/output.ts';
import { getToJson } from './answer-json.ts';
import { collectKeys, getSeveral, refuseForSeveral } from './several-keys.ts';
import { callFollowing, waitLeft } from './write-options.ts';

const WAIT_MS_MAX = 60_000;

interface GetOptions {
  readonly atLeast?: WirePosition;
  readonly wait?: number;
  readonly maxStaleness?: number;
  readonly linearizable?: boolean;
  readonly fillLease?: number;
  readonly refreshBefore?: number;
  readonly raw?: boolean;
  readonly verbose?: boolean;
}

export function addGetCommand(program: Command, host: CommandHost): void {
  program
    .command('get')
    .summary('print the value of a key, or of several')
    .description(
      'Prints the value to stdout, byte for byte. On a terminal, characters that it would obey are ' +
        'escaped (--raw writes them unchanged), and a newline follows. Of several keys each is on a line ' +
        'with its value, quoted and cut. Exits 1 if a key is missing or expired.',
    )
    .argument('<keys...>', 'the keys of the entries', collectKeys)
    .option('--at-least <position>', 'answer only from a state that includes EPOCH-LSN', parseWirePosition)
    .option(
      '--wait <ms>',
      'how long to wait for --at-least, --linearizable, or another that fills the key, such as 500 or 2s (60s at most)',
      parseWaitMs(WAIT_MS_MAX),
    )
    .option('--max-staleness <duration>', 'fail if the answer would be staler than this', parseDurationMs)
    .option(
      '--linearizable',
      'in a cluster: the newest value written with --durability quorum; asks the master, and waits 5s if there is no --wait',
    )
    .option(
      '--fill-lease <duration>',
      'if the key is missing, ask for the right to fill it, for so long (60s at most)',
      parseWaitMs(FILL_LEASE_MS_MAX),
    )
    .option(
      '--refresh-before <duration>',
      'with --fill-lease: ask for it also if the key expires within this time',
      parseDurationMs,
    )
    .option('--raw', 'write the bytes unchanged, also to a terminal')
    .option(
      '-v, --verbose',
      'also print version, deadline, modification time, content type and freshness to stderr',
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut get greeting
  walnut get image > image.png
  walnut get greeting --json
  walnut get user:1 user:2 --json | jq '.results[].value'
  walnut get greeting --address 127.0.0.1:8081 --at-least 4294967303-12 --wait 2s   # read your own write on a replica
  walnut get greeting --linearizable
  walnut get page --fill-lease 5s --wait 5s --json   # fillLease.token is for: walnut set page VALUE --if-fill-lease TOKEN`,
    )
    .action(host.action<GetOptions>(runGet));
}

async function runGet(invocation: Invocation, options: GetOptions): Promise<ExitCode> {
  const [key = '', ...others] = invocation.args;
  checkOptions(invocation, options);
  if (others.length > 0) refuseForSeveral(options, ['raw', 'verbose', 'fillLease']);
  const request = {
    key,
    waitMs: options.wait ?? 0,
    withModified: invocation.isJson || options.verbose === true,
    linearizable: options.linearizable === true,
    fillLeaseMs: options.fillLease ?? 0,
    refreshBeforeMs: BigInt(options.refreshBefore ?? 0),
    ...(options.atLeast === undefined ? {} : { atLeast: options.atLeast }),
    ...(options.maxStaleness === undefined ? {} : { maxStalenessMs: BigInt(options.maxStaleness) }),
  };
  // The master alone gives leases and linearizable answers; what else a node refuses is told as it is.
  const follow = options.fillLease !== undefined || options.linearizable === true;
  if (others.length > 0)
    return getSeveral(invocation, follow, ({ kv }, one) =>
      kv.get({ ...request, key: one }, waitingCall(invocation.io)),
    );
  const response = await callFollowing(
    invocation,
    { follow, followOwner: true },
    ({ kv }, spentMs) =>
      kv.get({ ...request, waitMs: waitLeft(request.waitMs, spentMs) }, waitingCall(invocation.io)),
    'asking',
  );
  const { io } = invocation;
  const isRaw = !io.isOutTerminal || options.raw === true;
  if (invocation.isJson) {
    await show(invocation, () => getToJson(key, response), String);
  } else {
    if (response.found) await io.write(isRaw ? response.value : showWholeValue(response.value));
    if (response.found && io.isOutTerminal) await io.write('\n');
    io.note(describeFill(key, response));
    if (options.verbose === true) io.note(describeGet(response));
  }
  if (response.found) return EXIT.ok;
  throw new CliError(EXIT.negative, `key ${quoteKey(key)} not found (as of ${showPosition(response.asOf)})`);
}

function checkOptions({ isJson }: Invocation, options: GetOptions): void {
  const { wait, atLeast, fillLease, linearizable } = options;
  if (wait !== undefined && atLeast === undefined && fillLease === undefined && linearizable !== true)
    throw usageError(
      '--wait says how long to wait for --at-least, --linearizable or --fill-lease: none is given',
    );
  if (linearizable === true && fillLease !== undefined)
    throw usageError('--linearizable and --fill-lease exclude each other');
  if (options.fillLease === 0) throw usageError('--fill-lease is 0: expected at least 1ms');
  if (options.refreshBefore !== undefined && options.fillLease === undefined)
    throw usageError('--refresh-before says when to ask for --fill-lease, which is missing');
  if (options.raw === true && isJson) throw usageError('--raw and --json exclude each other');
}

/** Empty if nobody is to fill the key. */
function describeFill(key: string, { fillLease, fillWaitMs }: GetResponse): string {
  if (fillLease !== undefined) {
    const within = showDuration(fillLease.expiresInMs);
    return `To fill it within ${within}: walnut set --if-fill-lease ${fillLease.token} ${quoteKey(key)} VALUE\n`;
  }
  if (fillWaitMs === 0) return '';
  return `Another caller fills it, for ${showDuration(fillWaitMs)} at most; to wait for that: --wait 5s\n`;
}

function describeGet(response: GetResponse): string {
  const facts = [`as of ${showPosition(response.asOf)}`, `staleness ${showLag(response.stalenessMs)}`];
  if (response.found) {
    facts.unshift(
      countOf(response.value.length, 'byte'),
      `version ${showPosition(response.version)}`,
      `expires ${showDeadline(response.expireAtMs)}`,
      `modified ${showModified(response.modifiedMs)}`,
    );
    if (response.contentType !== '') facts.push(`content type ${showText(response.contentType)}`);
  }
  return `${facts.join(', ')}\n`;
}
