/** `walnut increment`: adds to a number. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { IncrementResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { parseTypedNumber } from '#model/counter.ts';
import { quoteKey } from '#model/limits.ts';
import { parseExpireAtMs, parseKey, parseTtlMs } from '../arguments.ts';
import { waitingCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { incrementToJson } from './answer-json.ts';
import { describeSum } from './left-out.ts';
import { unmetReason } from './unmet-condition.ts';
import {
  addWriteOptions,
  callFollowing,
  checkGuarantee,
  type WriteOptions,
  writeFields,
} from './write-options.ts';

interface IncrementOptions extends WriteOptions {
  readonly by?: bigint;
  readonly initial?: bigint;
  readonly ttl?: number;
  readonly expireAt?: number;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
}

export function addIncrementCommand(program: Command, host: CommandHost): void {
  const increment = program
    .command('increment')
    .summary('add to a number')
    .description(
      'Adds to the number that the value of KEY is, and prints the sum. A missing key counts as ' +
        '--initial. Exits 1 if a condition was not met (nothing is written), and if --durability or ' +
        '--min-acks were not reached in time (the write stands); 5 if the value is no number, or ' +
        'the sum exceeds 64 bits.',
    )
    .argument('<key>', 'the key of the entry', parseKey)
    .argument('[n]', 'what to add, such as 10 (default: 1); a negative one by --by', parseNumber)
    .option('--by <n>', 'what to add, such as 10 or -1', parseNumber)
    .option('--initial <n>', 'what a missing key counts as (default: 0)', parseNumber)
    .addOption(
      new Option('--ttl <duration>', 'time to live of a new entry, such as 30s')
        .argParser(parseTtlMs)
        .conflicts('expireAt'),
    )
    .addOption(
      new Option(
        '--expire-at <time>',
        'deadline of a new entry: milliseconds since 1970, ISO 8601, or never',
      ).argParser(parseExpireAtMs),
    )
    .addOption(new Option('--if-absent', 'only if the key is missing').conflicts(['ifPresent', 'ifVersion']))
    .addOption(new Option('--if-present', 'only if the key is there').conflicts('ifVersion'));
  addWriteOptions(increment)
    .addHelpText(
      'after',
      `
Examples:
  walnut increment visits
  walnut increment visits 10
  walnut increment stock:7 --by -2 --if-present
  walnut increment calls:ann --ttl 60s               # a limit for each minute
  walnut increment order-id --initial 1000 --request-id 5f3a --json`,
    )
    .action(host.action<IncrementOptions>(runIncrement));
}

/** A whole number of 64 bits with a sign. */
function parseNumber(text: string): bigint {
  const number = parseTypedNumber(text);
  if (number !== undefined) return number;
  throw new InvalidArgumentError('Expected a whole number from -2^63 to 2^63 - 1, such as 10 or -1.');
}

async function runIncrement(invocation: Invocation, options: IncrementOptions): Promise<ExitCode> {
  const [key = '', added] = invocation.args;
  if (added !== undefined && options.by !== undefined)
    throw usageError('what to add is given twice: expected N or --by N');
  const delta = added === undefined ? options.by : parseNumber(added);
  const request = {
    key,
    ...(delta === undefined ? {} : { delta }),
    initial: options.initial ?? 0n,
    expiry: expiryOf(options),
    condition: conditionOf(options),
    ...writeFields(options),
  };
  const response = await callFollowing(invocation, options, ({ kv }) =>
    kv.increment(request, waitingCall(invocation.io)),
  );
  await show(
    invocation,
    () => incrementToJson(key, response),
    () => (response.applied ? `${describeSum(response)}\n` : ''),
  );
  if (!response.applied) throw notAdded(key, conditionOf(options).case, response);
  return checkGuarantee(response, options);
}

function expiryOf(options: IncrementOptions) {
  if (options.ttl !== undefined) return { case: 'ttlMs', value: BigInt(options.ttl) } as const;
  if (options.expireAt !== undefined) return { case: 'expireAtMs', value: BigInt(options.expireAt) } as const;
  return { case: undefined };
}

function conditionOf(options: IncrementOptions) {
  if (options.ifAbsent === true) return { case: 'ifAbsent', value: true } as const;
  if (options.ifPresent === true) return { case: 'ifPresent', value: true } as const;
  if (options.ifVersion !== undefined) return { case: 'ifVersion', value: options.ifVersion } as const;
  return { case: undefined };
}

function notAdded(
  key: string,
  condition: string | undefined,
  { current, repeated }: IncrementResponse,
): CliError {
  const why = unmetReason({ condition, current, repeated });
  return new CliError(EXIT.negative, `nothing added: key ${quoteKey(key)} ${why}`);
}
