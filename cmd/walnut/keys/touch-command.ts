/** `walnut touch`: another deadline for an entry. */
import { type Command, Option } from 'commander';
import type { TouchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { quoteKey } from '#model/limits.ts';
import { parseExpireAtMs, parseKey, parseRequestId, parseTtlMs } from '../arguments.ts';
import { waitingCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { showPosition, showValue } from '../output/output.ts';
import { touchToJson } from './answer-json.ts';
import { describeTouched, UNSEEN } from './left-out.ts';
import {
  addReceiptOptions,
  callFollowing,
  checkGuarantee,
  type ReceiptOptions,
  receiptFields,
} from './write-options.ts';

interface TouchOptions extends ReceiptOptions {
  readonly ttl?: number;
  readonly expireAt?: number;
  readonly requestId?: string;
  readonly returnValue?: boolean;
}

export function addTouchCommand(program: Command, host: CommandHost): void {
  const touch = program
    .command('touch')
    .summary('give an entry another deadline')
    .description(
      'Sets, extends or removes the deadline of KEY; its value and version stay. Prints the new ' +
        'deadline, or "never". Exits 1 if the key is missing, and if --durability or --min-acks were ' +
        'not reached in time (the write stands).',
    )
    .argument('<key>', 'key of the entry', parseKey)
    .addOption(
      new Option('--ttl <duration>', 'expires after, such as 30s')
        .argParser(parseTtlMs)
        .conflicts('expireAt'),
    )
    .addOption(
      new Option('--expire-at <time>', 'expires at: milliseconds since 1970, ISO 8601, or never').argParser(
        parseExpireAtMs,
      ),
    );
  addReceiptOptions(touch)
    .option(
      '--request-id <id>',
      'name the write: repeated within ten minutes, it is carried out once',
      parseRequestId,
    )
    .option('--return-value', 'also print the entry')
    .addHelpText(
      'after',
      `
Examples:
  walnut touch session:ann --ttl 30m
  walnut touch session:ann --ttl 30m --return-value  # what was read, and keeps another 30 minutes
  walnut touch report --expire-at never
  walnut touch report --expire-at 2030-01-01T00:00:00Z --json`,
    )
    .action(host.action<TouchOptions>(runTouch));
}

async function runTouch(invocation: Invocation, options: TouchOptions): Promise<ExitCode> {
  const key = invocation.args[0] ?? '';
  const request = {
    key,
    expiry: expiryOf(options),
    ...receiptFields(options),
    requestId: options.requestId ?? '',
    returnValue: options.returnValue === true,
  };
  const response = await callFollowing(invocation, options, ({ kv }) =>
    kv.touch(request, waitingCall(invocation.io)),
  );
  await show(
    invocation,
    () => touchToJson(key, response),
    () => describe(response, options),
  );
  if (!response.touched) throw new CliError(EXIT.negative, `key ${quoteKey(key)} is missing`);
  return checkGuarantee(response, options);
}

function describe(response: TouchResponse, { returnValue }: TouchOptions): string {
  const { touched, entry, leftOut } = response;
  if (!touched) return '';
  const line = `${describeTouched(response)}\n`;
  if (returnValue !== true) return line;
  if (entry !== undefined) return `${line}value ${showPosition(entry.version)} ${showValue(entry.value)}\n`;
  return leftOut ? `${line}value ${UNSEEN}\n` : line;
}

function expiryOf({ ttl, expireAt }: TouchOptions) {
  if (ttl !== undefined) return { case: 'ttlMs', value: BigInt(ttl) } as const;
  if (expireAt !== undefined) return { case: 'expireAtMs', value: BigInt(expireAt) } as const;
  throw usageError('no deadline is given: expected --ttl DURATION or --expire-at TIME (never removes it)');
}
