/** `walnut set` and `walnut del`. */
import { createReadStream } from 'node:fs';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Command, Option } from 'commander';
import type { DeleteResponse, SetRequestSchema, SetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { quoteKey } from '#model/limits.ts';
import { parseContentType, parseExpireAtMs, parseKey, parsePath, parseTtlMs } from '../arguments.ts';
import { waitingCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode, inputFailure } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { showPosition, showValue } from '../output/output.ts';
import { readAtMost } from '../read-input.ts';
import { writeToJson } from './answer-json.ts';
import { UNSEEN } from './left-out.ts';
import { collectKeys, deleteSeveral, refuseForSeveral } from './several-keys.ts';
import { unmetReason } from './unmet-condition.ts';
import {
  addWriteOptions,
  callFollowing,
  checkGuarantee,
  type WriteOptions,
  writeFields,
} from './write-options.ts';

/** No server takes more; reading stdin stops there. */
const VALUE_BYTES_MAX = 64 * 1_024 * 1_024;

interface KeyOptions extends WriteOptions {
  readonly returnPrevious?: boolean;
}

interface SetOptions extends KeyOptions {
  readonly file?: string;
  readonly contentType?: string;
  readonly ttl?: number;
  readonly expireAt?: number;
  readonly keepTtl?: boolean;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
  readonly ifFillLease?: string;
}

export function addWriteCommands(program: Command, host: CommandHost): void {
  addSetCommand(program, host);
  addDelCommand(program, host);
}

function addSetCommand(program: Command, host: CommandHost): void {
  const set = program
    .command('set')
    .summary('write a key')
    .description(
      'Writes VALUE, or the content of stdin (-) or --file, and prints the position of the write. ' +
        'Exits 1 if a condition was not met (nothing is written), and if --durability or --min-acks were ' +
        'not reached in time (the write stands).',
    )
    .argument('<key>', 'the key of the entry', parseKey)
    .argument('[value]', 'the value; - reads stdin')
    .option('--file <path>', 'read the value from a file', parsePath)
    .option(
      '--content-type <type>',
      'what the value is, such as image/png; without it the value has no type',
      parseContentType,
    )
    .addOption(
      new Option('--ttl <duration>', 'expire after, such as 30s')
        .argParser(parseTtlMs)
        .conflicts(['expireAt', 'keepTtl']),
    )
    .addOption(
      new Option('--expire-at <time>', 'expire at: milliseconds since 1970, ISO 8601, or never')
        .argParser(parseExpireAtMs)
        .conflicts('keepTtl'),
    )
    .option('--keep-ttl', 'keep the deadline that the key has')
    .addOption(new Option('--if-absent', 'only if the key is missing').conflicts(['ifPresent', 'ifVersion']))
    .addOption(new Option('--if-present', 'only if the key exists').conflicts('ifVersion'))
    .addOption(
      new Option(
        '--if-fill-lease <token>',
        'only while the lease of `walnut get --fill-lease` is valid',
      ).conflicts(['ifAbsent', 'ifPresent', 'ifVersion']),
    );
  addWriteOptions(set)
    .option('--return-previous', 'also print the entry before')
    .addHelpText(
      'after',
      `
Examples:
  walnut set greeting hello
  walnut set session:7 - --ttl 30m < session.json
  walnut set image --file image.png --content-type image/png --durability local
  walnut set lock:job me --if-absent --ttl 10s && run-the-job
  walnut set counter 2 --if-version 4294967303-12
  walnut set page - --if-fill-lease "$TOKEN" < page.html
  walnut set -- -key -value                          # after --, nothing is an option`,
    )
    .action(host.action<SetOptions>(runSet));
}

function addDelCommand(program: Command, host: CommandHost): void {
  const del = program
    .command('del')
    .summary('delete a key, or several')
    .description(
      'Deletes a key and prints the position of the deletion. Several keys are deleted one after another; ' +
        'for all or nothing see: walnut batch. Exits 1 if a key was not deleted.',
    )
    .argument('<keys...>', 'the keys of the entries', collectKeys);
  addWriteOptions(del)
    .option('--return-previous', 'also print the entry before')
    .addHelpText(
      'after',
      `
Examples:
  walnut del greeting
  walnut del greeting --return-previous --json
  walnut del user:1 user:2
  walnut del greeting --if-version 4294967303-12`,
    )
    .action(host.action<KeyOptions>(runDelete));
}

async function runSet(invocation: Invocation, options: SetOptions): Promise<ExitCode> {
  const key = invocation.args[0] ?? '';
  const request: MessageInitShape<typeof SetRequestSchema> = {
    key,
    value: await readValue(invocation, options),
    expiry: expiryOf(options),
    condition: conditionOf(options),
    returnPrevious: options.returnPrevious === true,
    contentType: options.contentType ?? '',
    ...writeFields(options),
  };
  const response = await callFollowing(invocation, options, ({ kv }) =>
    kv.set(request, waitingCall(invocation.io)),
  );
  return showWrite(invocation, options, key, response, response.applied);
}

async function runDelete(invocation: Invocation, options: KeyOptions): Promise<ExitCode> {
  const [key = '', ...others] = invocation.args;
  const { ifVersion } = options;
  const request = {
    key,
    condition:
      ifVersion === undefined ? { case: undefined } : { case: 'ifVersion' as const, value: ifVersion },
    returnPrevious: options.returnPrevious === true,
    ...writeFields(options),
  };
  if (others.length > 0) {
    refuseForSeveral(options, ['ifVersion', 'requestId']);
    return deleteSeveral(invocation, options, ({ kv }, one) =>
      kv.delete({ ...request, key: one }, waitingCall(invocation.io)),
    );
  }
  const response = await callFollowing(invocation, options, ({ kv }) =>
    kv.delete(request, waitingCall(invocation.io)),
  );
  return showWrite(invocation, options, key, response, response.deleted);
}

async function readValue(invocation: Invocation, options: SetOptions): Promise<Uint8Array> {
  const text = invocation.args[1];
  if ((text === undefined) === (options.file === undefined)) {
    throw usageError('give exactly one value: VALUE, - for stdin, or --file PATH', 'See: walnut set --help');
  }
  if (options.file !== undefined) {
    return readFile(options.file);
  }
  if (text !== '-') return Buffer.from(text ?? '', 'utf8');
  return readAtMost(invocation.io.stdin, VALUE_BYTES_MAX, 'stdin', 'a value');
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    return await readAtMost(createReadStream(path), VALUE_BYTES_MAX, path, 'a value');
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { message } = error as Error;
    throw inputFailure(`cannot read the value: ${message}`, error as Error);
  }
}

function expiryOf(options: SetOptions): NonNullable<MessageInitShape<typeof SetRequestSchema>['expiry']> {
  if (options.ttl !== undefined) return { case: 'ttlMs', value: BigInt(options.ttl) };
  if (options.expireAt !== undefined) return { case: 'expireAtMs', value: BigInt(options.expireAt) };
  if (options.keepTtl === true) return { case: 'keepTtl', value: true };
  return { case: undefined };
}

function conditionOf(
  options: SetOptions,
): NonNullable<MessageInitShape<typeof SetRequestSchema>['condition']> {
  if (options.ifAbsent === true) return { case: 'ifAbsent', value: true };
  if (options.ifPresent === true) return { case: 'ifPresent', value: true };
  if (options.ifVersion !== undefined) return { case: 'ifVersion', value: options.ifVersion };
  if (options.ifFillLease !== undefined) return { case: 'ifFillLease', value: options.ifFillLease };
  return { case: undefined };
}

async function showWrite(
  invocation: Invocation,
  options: KeyOptions,
  key: string,
  response: SetResponse | DeleteResponse,
  isApplied: boolean,
): Promise<ExitCode> {
  await show(
    invocation,
    () => writeToJson(key, response),
    () => describeWrite(response, isApplied, options.returnPrevious === true),
  );
  if (!isApplied) throw notWritten(key, response, options);
  return checkGuarantee(response, options);
}

function describeWrite(
  response: SetResponse | DeleteResponse,
  isApplied: boolean,
  isPreviousAsked: boolean,
): string {
  const { previous } = response;
  if (!isApplied) return '';
  const shown =
    previous === undefined ? '' : `previous ${showPosition(previous.version)} ${showValue(previous.value)}\n`;
  const before = isPreviousAsked && response.leftOut ? `previous ${UNSEEN}\n` : shown;
  const repeated = response.repeated ? ' (done before, under this --request-id)' : '';
  return `OK ${showPosition(response.position)}${repeated}\n${before}`;
}

function notWritten(key: string, response: SetResponse | DeleteResponse, options: SetOptions): CliError {
  const isDelete = response.$typeName === 'walnut.v1.DeleteResponse';
  const { current, repeated } = response;
  if (options.ifFillLease !== undefined) {
    return new CliError(
      EXIT.negative,
      `not written: the lease to fill key ${quoteKey(key)} is over, or is of another key or master`,
      `To ask for another: walnut get --fill-lease 5s ${quoteKey(key)}`,
    );
  }
  const advice =
    current === undefined || options.ifVersion === undefined
      ? undefined
      : `To go on from there: --if-version ${showPosition(current.version)}`;
  const condition = conditionOf(options).case;
  return new CliError(
    EXIT.negative,
    `not ${isDelete ? 'deleted' : 'written'}: key ${quoteKey(key)} ${unmetReason({ condition, current, repeated })}`,
    advice,
  );
}
