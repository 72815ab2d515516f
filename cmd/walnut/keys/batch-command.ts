/** `walnut batch`: several operations in one call. */
import type { Command } from 'commander';
import type { BatchResponse, BatchResult, GetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { BATCH_OPERATIONS_MAX, quoteKey } from '#model/limits.ts';
import { parseRequestId } from '../arguments.ts';
import { waitingCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { showDuration, showPosition, showText, showValue } from '../output/output.ts';
import { readAtMost } from '../read-input.ts';
import {
  getToJson,
  incrementToJson,
  type Json,
  receiptToJson,
  touchToJson,
  writeToJson,
} from './answer-json.ts';
import { type NamedOperation, OPERATION_FORM, parseOperation } from './batch-operations.ts';
import { describeSum, describeTouched } from './left-out.ts';
import {
  addReceiptOptions,
  callFollowing,
  checkGuarantee,
  type ReceiptOptions,
  receiptFields,
} from './write-options.ts';

interface BatchOptions extends ReceiptOptions {
  readonly atomic?: boolean;
  readonly requestId?: string;
}

/** What a node takes in one batch by default, as text. */
const INPUT_BYTES_MAX = 64 * 1_024 * 1_024;

export function addBatchCommand(program: Command, host: CommandHost): void {
  const batch = program
    .command('batch')
    .summary('several operations in one call')
    .description(
      `Carries out operations in order, at most ${BATCH_OPERATIONS_MAX}, and prints what each came to. Each is one ` +
        'argument, or without arguments one line of stdin. Quotes within one are not parsed: what stands ' +
        'behind KEY and a space is VALUE, as it is. With --atomic it is all or nothing. Exits 1 if an ' +
        'operation was refused or a condition was not met.',
    )
    .argument('[operation...]', OPERATION_FORM)
    .option('--atomic', 'make all writes together, or none; the options below need it');
  addReceiptOptions(batch)
    .option(
      '--request-id <id>',
      'name the batch: if repeated within ten minutes, it is carried out once',
      parseRequestId,
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut batch 'set greeting hello world' 'get greeting' 'del old'
  walnut batch --atomic 'increment stock:7 -1' 'increment sold:7' --request-id 5f3a
  walnut batch '{"set":{"key":"lock","value":"bWU=","ifAbsent":true,"ttlMs":"10000"}}'
  walnut batch --json < operations.ndjson            # one JSON object, or one operation in words, a line`,
    )
    .action(host.action<BatchOptions>(runBatch));
}

async function runBatch(invocation: Invocation, options: BatchOptions): Promise<ExitCode> {
  const isAtomic = options.atomic === true;
  if (!isAtomic) checkAlone(options);
  const operations = await readOperations(invocation);
  const request = {
    operations: operations.map((operation) => ({ operation })),
    atomic: isAtomic,
    ...(isAtomic ? { ...receiptFields(options), requestId: options.requestId ?? '' } : {}),
  };
  const response = await callFollowing(invocation, options, ({ kv }) =>
    kv.batch(request, waitingCall(invocation.io)),
  );
  const { results } = response;
  await show(
    invocation,
    () => toJson(operations, response, isAtomic),
    () =>
      operations.map((operation, i) => `${describe(operation, results[i], response.committed)}\n`).join(''),
  );
  if (isAtomic && !response.committed)
    throw new CliError(EXIT.negative, 'nothing was written: a condition was not met');
  const failed = operations.filter((operation, i) => isFailure(operation, results[i])).length;
  if (failed > 0)
    throw new CliError(EXIT.negative, `${failed} of ${operations.length} operations were not carried out`);
  return isAtomic ? checkGuarantee(response, options) : EXIT.ok;
}

function checkAlone({ durability, minAcks, timeout, requestId }: BatchOptions): void {
  const given = Object.entries({ durability, 'min-acks': minAcks, timeout, 'request-id': requestId });
  const [name] = given.find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined)
    throw usageError(`--${name} is for --atomic; without it, give it in the JSON of an operation`);
}

async function readOperations(invocation: Invocation): Promise<NamedOperation[]> {
  const isLines = invocation.args.length === 0;
  const texts = isLines ? await readLines(invocation) : invocation.args;
  if (texts.length === 0) throw usageError(`no operation is given: expected ${OPERATION_FORM}`);
  if (texts.length > BATCH_OPERATIONS_MAX) {
    throw usageError(
      `${texts.length} operations are given: expected at most ${BATCH_OPERATIONS_MAX}`,
      `To send them in parts: split -l ${BATCH_OPERATIONS_MAX} FILE, and then walnut batch < PART for each`,
    );
  }
  return texts.map((text, i) => {
    try {
      return parseOperation(text);
    } catch (error) {
      const what = isLines ? 'line' : 'operation';
      throw usageError(`${what} ${i + 1}, ${showText(text)}: ${(error as Error).message}`);
    }
  });
}

/** Empty lines at the end are none. */
async function readLines({ io }: Invocation): Promise<string[]> {
  const input = await readAtMost(io.stdin, INPUT_BYTES_MAX, 'stdin', 'a batch');
  const text = input.toString().trimEnd();
  return text === '' ? [] : text.split(/\r?\n/);
}

function toJson(operations: readonly NamedOperation[], response: BatchResponse, isAtomic: boolean): Json {
  const results = operations.map((operation, i) => resultToJson(operation, response.results[i]));
  if (!isAtomic) return { results };
  const { committed, position } = response;
  return { committed, position: showPosition(position), ...receiptToJson(response), results };
}

function resultToJson({ case: op, value: { key } }: NamedOperation, answered: BatchResult | undefined): Json {
  const result = answered?.result;
  switch (result?.case) {
    case 'get':
      return { op, ...getToJson(key, result.value) };
    case 'set':
    case 'delete':
      return { op, ...writeToJson(key, result.value) };
    case 'increment':
      return { op, ...incrementToJson(key, result.value) };
    case 'touch':
      return { op, ...touchToJson(key, result.value) };
    case 'error':
      return { op, key, error: { code: result.value.code, message: result.value.message } };
    case undefined:
      return { op, key };
  }
}

/** One line. */
function describe(
  { case: op, value }: NamedOperation,
  answered: BatchResult | undefined,
  isCommitted: boolean,
): string {
  // Only a Get of a batch that is repeated was carried out and has no result.
  const none = isCommitted ? 'not known any more' : 'not carried out';
  const condition = 'condition' in value ? value.condition.case : undefined;
  return `${op} ${quoteKey(value.key)}: ${outcomeOf(answered?.result, condition) ?? none}`;
}

/** Undefined: there is no result. */
function outcomeOf(
  result: BatchResult['result'] | undefined,
  condition: string | undefined,
): string | undefined {
  switch (result?.case) {
    case 'get':
      return `${result.value.found ? showValue(result.value.value) : 'missing'}${leaseOf(result.value)}`;
    case 'set':
      return result.value.applied ? `written ${showPosition(result.value.position)}` : 'condition not met';
    case 'delete':
      if (result.value.deleted) return `deleted ${showPosition(result.value.position)}`;
      return condition === undefined ? 'missing' : 'condition not met';
    case 'increment':
      return result.value.applied ? describeSum(result.value) : 'condition not met';
    case 'touch':
      return result.value.touched ? `expires ${describeTouched(result.value)}` : 'missing';
    case 'error':
      return showText(`${result.value.code}: ${result.value.message}`, Number.POSITIVE_INFINITY);
    case undefined:
      return undefined;
  }
}

function leaseOf({ fillLease, fillWaitMs }: GetResponse): string {
  if (fillLease !== undefined)
    return `, to fill within ${showDuration(fillLease.expiresInMs)} with ${fillLease.token}`;
  return fillWaitMs === 0 ? '' : `, being filled for ${showDuration(fillWaitMs)} at most`;
}

/** A Get, Delete or Touch that finds nothing is no failure. */
function isFailure({ case: op, value }: NamedOperation, answered: BatchResult | undefined): boolean {
  const result = answered?.result;
  if (result === undefined || result.case === 'error') return true;
  if (result.case === 'set' || result.case === 'increment') return !result.value.applied;
  return (
    op === 'delete' && result.case === 'delete' && !result.value.deleted && value.condition.case !== undefined
  );
}
