/** `walnut delete-prefix`: deletes entries by prefix, call after call until none is left. */
import type { Command } from 'commander';
import type { DeletePrefixResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import { type NodeClients, waitingCall } from '../call/connection.ts';
import { CliError, describeFailure, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, toArgument, usageError } from '../command-host.ts';
import { countOf, enumName, showPosition } from '../output/output.ts';
import {
  addReceiptOptions,
  callFollowing,
  checkGuarantee,
  type ReceiptOptions,
  receiptFields,
} from './write-options.ts';

/** The limit of a node. */
const LIMIT = 10_000;
/** The number of calls from one progress line to the next. */
const CALLS_PER_LINE = 10;

interface DeletePrefixOptions extends ReceiptOptions {
  readonly all?: boolean;
  readonly yes?: boolean;
}

interface Progress {
  deleted: number;
  calls: number;
  last: DeletePrefixResponse | undefined;
}

export function addDeletePrefixCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('delete-prefix')
    .summary('delete entries, by prefix')
    .description(
      'Deletes every entry whose key begins with PREFIX, some at a time, with progress on stderr. ' +
        'Keys written meanwhile may stay. Interrupted, it leaves the rest; run again, it goes on. ' +
        'With --all it deletes every entry, and asks before it does.',
    )
    .argument('[prefix]')
    .option('--all', 'every entry, whatever its key')
    .option('--yes', 'do not ask before deleting every entry');
  addReceiptOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  walnut scan session: --count                  # how many it would be
  walnut delete-prefix session:
  walnut delete-prefix session: --min-acks 1 --json
  walnut delete-prefix --all --yes`,
    )
    .action(host.action<DeletePrefixOptions>(runDeletePrefix));
}

async function runDeletePrefix(invocation: Invocation, options: DeletePrefixOptions): Promise<ExitCode> {
  const { io, address } = invocation;
  const prefix = invocation.args[0] ?? '';
  const all = options.all === true;
  if ((prefix === '') !== all) throw usageError('give either a PREFIX that is not empty, or --all');
  if (all && options.yes !== true) await askForAll(invocation);
  const progress: Progress = { deleted: 0, calls: 0, last: undefined };
  try {
    await deleteAll(invocation, options, { prefix, all }, progress);
  } catch (error) {
    const { exitCode, message, advice } = describeFailure(error, toArgument(address));
    throw new CliError(
      exitCode,
      `${message} (after ${countOf(progress.deleted, 'entry', 'entries')} deleted)`,
      advice,
    );
  }
  const { last } = progress;
  await show(
    invocation,
    () => toJson(progress),
    () => `deleted ${countOf(progress.deleted, 'entry', 'entries')}\n`,
  );
  if (io.interrupted.aborted) return EXIT.interrupted;
  return last === undefined || progress.deleted === 0 ? EXIT.ok : checkGuarantee(last, options);
}

/** The user answers on one line of stdin. */
async function askForAll({ io, address }: Invocation): Promise<void> {
  io.note(`This deletes every entry of ${address.text}. Type yes to go on.\n`);
  let line = '';
  for await (const chunk of io.stdin) {
    line += Buffer.from(chunk).toString();
    if (line.includes('\n') || line.length > 10) break;
  }
  if (line.trim() !== 'yes') throw usageError('nothing was deleted', 'To delete without a question: --yes');
}

async function deleteAll(
  invocation: Invocation,
  options: DeletePrefixOptions,
  what: { readonly prefix: string; readonly all: boolean },
  progress: Progress,
): Promise<void> {
  const { io } = invocation;
  let clients: NodeClients | undefined;
  let cursor = '';
  do {
    const request = { ...what, cursor, limit: LIMIT, ...receiptFields(options) };
    const call = (given: NodeClients): Promise<DeletePrefixResponse> => {
      // A cursor is valid only on the node that returned it.
      clients = given;
      return given.kv.deletePrefix(request, waitingCall(invocation.io));
    };
    const response: DeletePrefixResponse = await (clients === undefined
      ? callFollowing(invocation, options, call)
      : call(clients));
    progress.deleted += response.deleted;
    progress.last = response;
    cursor = response.nextCursor;
    if (++progress.calls % CALLS_PER_LINE === 0)
      io.note(`${countOf(progress.deleted, 'entry', 'entries')} deleted so far\n`);
  } while (cursor !== '' && !io.interrupted.aborted);
}

function toJson({ deleted, last }: Progress): Record<string, unknown> {
  return {
    deleted,
    isComplete: last?.nextCursor === '',
    position: showPosition(last?.position),
    durabilityReached: enumName(Durability, last?.durabilityReached ?? Durability.UNSPECIFIED),
    replicasAcked: last?.replicasAcked ?? 0,
  };
}
