/** `walnut diverged`: lists and shows the diverged tails of a running node or of a data directory. */
import type { Command } from 'commander';
import { listDiverged, readDiverged } from '#engine/diverged.ts';
import { Cause, Op } from '#gen/walnut/v1/types_pb.ts';
import type { Update } from '#model/commands.ts';
import type { DivergedSlice } from '#model/diverged.ts';
import { formatPosition, type Lsn, toLsn } from '#model/position.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createReadOnlyFileSystem } from '#platform/read-only-file-system.ts';
import { MANIFEST_NAME } from '#wal/file-names.ts';
import { type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { readWholeFile } from '#wal/whole-files.ts';
import { parseCount, parsePath } from '../arguments.ts';
import { createNodeClients, waitingCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode, inputFailure } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import {
  countOf,
  enumName,
  showBytes,
  showCount,
  showDeadline,
  showPosition,
  showText,
  showValue,
  valueToJson,
} from '../output/output.ts';
import { renderTable } from '../output/table.ts';
import { escapeLine } from '../output/terminal.ts';

const SLICE_BYTES = 1 << 20;

interface ShowOptions {
  readonly values?: boolean;
  readonly limit?: number;
}

/** A diverged tail in its output form. */
interface Tail {
  readonly id: number;
  readonly fromLsn: number;
  readonly last: string;
  readonly records: number;
  readonly since: string;
  readonly sinceMs: number;
  readonly upstream: string;
  readonly reason: string;
  readonly files: readonly string[];
  readonly bytes: number;
}

/** The source of the tails: a node or a directory. */
interface Source {
  readonly name: string;
  list(): Promise<Tail[]>;
  slice(id: number, afterLsn: Lsn): Promise<DivergedSlice>;
}

export function addDivergedCommand(program: Command, host: CommandHost): void {
  const diverged = program
    .command('diverged')
    .summary('show diverged records that a node set aside')
    .description(
      'Shows the diverged tails of the log that a node set aside: records that an old master wrote ' +
        'alone, or that a replica had of it. They are read from the node at --address, or from DIR. Only ' +
        'seen changes anything.',
    )
    .addHelpText('after', '\nExamples:\n  walnut diverged list\n  walnut diverged show 1 --values');
  diverged
    .command('list')
    .description(
      'Lists the diverged tails: the first and last record of each, when it was set aside, and why.',
    )
    .argument('[dir]', 'wal.directory (default: read from the node at --address)', parsePath)
    .addHelpText(
      'after',
      '\nExamples:\n  walnut diverged list --address 127.0.0.1:8081\n  walnut diverged list data/master --json',
    )
    .action(host.action(runList));
  diverged
    .command('seen')
    .description(
      'Marks a diverged tail of the node at --address as seen. Its files are then deleted as ' +
        'wal.aside_max_age and wal.aside_max_bytes allow. This cannot be undone.',
    )
    .argument('<id>', 'its number, as list shows it')
    .addHelpText('after', '\nExamples:\n  walnut diverged seen 1 --address 127.0.0.1:8081')
    .action(host.action(runSeen));
  diverged
    .command('show')
    .description('Prints the mutations of one diverged tail in order, with --json one per line.')
    .argument('<id>', 'its number, as list shows it')
    .argument('[dir]', 'wal.directory (default: read from the node at --address)', parsePath)
    .option('--values', 'print values too')
    .option('--limit <count>', 'print at most this many mutations', parseCount(1))
    .addHelpText(
      'after',
      `
To bring a key back, set it anew on the master after looking at what it is there now.
Exits 1 where the tail cannot be read to its end.

Examples:
  walnut diverged show 1
  walnut diverged show 1 data/master --values --json | jq -c '[.op, .key, .value]'`,
    )
    .action(host.action<ShowOptions>(runShow));
}

async function runList(invocation: Invocation): Promise<ExitCode> {
  const source = await sourceOf(invocation, invocation.args[0]);
  const tails = await source.list();
  const head = ['ID', 'RECORDS', 'FROM LSN', 'TO', 'SET ASIDE', 'FOR MASTER', 'SIZE', 'WHY'];
  const rows = tails.map((tail) => [
    String(tail.id),
    showCount(tail.records),
    String(tail.fromLsn),
    tail.last,
    tail.since,
    tail.upstream,
    tail.files.length === 0 ? 'removed' : showBytes(tail.bytes),
    tail.reason,
  ]);
  await show(
    invocation,
    () => tails,
    () =>
      tails.length === 0
        ? `${source.name}: nothing was set aside\n`
        : renderTable(invocation.colors, head, rows),
  );
  return EXIT.ok;
}

async function runSeen(invocation: Invocation): Promise<ExitCode> {
  const { address, args, io } = invocation;
  const id = parseTailId(args[0]);
  await createNodeClients(address).admin.divergedSeen({ id }, waitingCall(io));
  await show(
    invocation,
    () => ({ id, seen: true }),
    () =>
      `tail ${id} of ${address.text} is kept no longer than anything else in aside/: for wal.aside_max_age, and less where all takes more than wal.aside_max_bytes\n`,
  );
  return EXIT.ok;
}

function parseTailId(text: string | undefined): number {
  const id = Number(text);
  if (Number.isSafeInteger(id) && id >= 1) return id;
  throw usageError(`argument <id>: expected a number of walnut diverged list, not ${text}`);
}

async function runShow(invocation: Invocation, options: ShowOptions): Promise<ExitCode> {
  const { io, args, isJson } = invocation;
  const id = parseTailId(args[0]);
  const source = await sourceOf(invocation, args[1]);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  let afterLsn = toLsn(0);
  for (;;) {
    const slice = await source.slice(id, afterLsn);
    const wanted = slice.updates.slice(0, Math.min(left, slice.updates.length));
    left -= wanted.length;
    const render = isJson ? updateToJson : updateToText;
    if (wanted.length > 0)
      await io.write(wanted.map((update) => render(update, options.values === true)).join(''));
    if (slice.damage !== '') {
      invocation.tell(`tail ${id} cannot be read to its end: ${escapeLine(slice.damage)}`);
      return EXIT.negative;
    }
    if (slice.isEnd || left <= 0) return EXIT.ok;
    if (io.interrupted.aborted) return EXIT.interrupted;
    afterLsn = slice.lastLsn;
  }
}

function updateToJson(update: Update, hasValue: boolean): string {
  const { position, timestampMs, op, cause, key, value, expireAtMs } = update;
  const bytes = op === 'set' ? { bytes: value.length, ...(hasValue ? valueToJson(value) : {}) } : {};
  const content = op === 'delete' ? {} : { ...bytes, expireAtMs };
  return `${JSON.stringify({ position: formatPosition(position), timeMs: timestampMs, op, cause, key, ...content })}\n`;
}

function updateToText(update: Update, hasValue: boolean): string {
  const { position, timestampMs, op, cause, key, value, expireAtMs } = update;
  const head = `${formatPosition(position)}  ${showDeadline(timestampMs)}  ${op.padEnd(6)} ${showText(key)}`;
  if (op === 'delete') return `${head}  (${cause})\n`;
  if (op === 'touch')
    return `${head}  ${expireAtMs === 0 ? 'never expires' : `expires ${showDeadline(expireAtMs)}`}\n`;
  const content = hasValue ? showValue(value) : `${countOf(value.length, 'byte')}`;
  return `${head}  ${content}${expireAtMs === 0 ? '' : `, expires ${showDeadline(expireAtMs)}`}\n`;
}

async function sourceOf(invocation: Invocation, directory: string | undefined): Promise<Source> {
  return directory === undefined
    ? nodeSource(invocation)
    : directorySource(directory.replace(/(?<=.)\/+$/, ''));
}

function nodeSource({ address, io }: Invocation): Source {
  const call = waitingCall(io);
  const { admin } = createNodeClients(address);
  return {
    name: address.text,
    list: async () => {
      const { tails } = await admin.divergedList({}, call);
      return tails.map((tail) =>
        toTail({
          ...tail,
          fromLsn: Number(tail.firstLsn),
          last: showPosition(tail.last),
          lastLsn: Number(tail.last?.lsn ?? 0n),
          sinceMs: Number(tail.sinceMs),
          bytes: Number(tail.bytes),
        }),
      );
    },
    slice: async (id, afterLsn) => {
      const request = { id, afterLsn: BigInt(afterLsn), maxBytes: SLICE_BYTES };
      const answer = await admin.divergedShow(request, call);
      const updates = answer.entries.map(
        (entry): Update => ({
          position: {
            epoch: Number(entry.position?.epoch ?? 0n),
            lsn: toLsn(Number(entry.position?.lsn ?? 0n)),
          },
          timestampMs: Number(entry.timestampMs),
          op: enumName(Op, entry.op) as Update['op'],
          cause: enumName(Cause, entry.cause) as Update['cause'],
          key: entry.key,
          value: entry.value,
          expireAtMs: Number(entry.expireAtMs),
        }),
      );
      return { updates, lastLsn: toLsn(Number(answer.lastLsn)), isEnd: answer.end, damage: answer.damage };
    },
  };
}

async function directorySource(directory: string): Promise<Source> {
  const fileSystem = createReadOnlyFileSystem(createNodeFileSystem());
  const read = async (): Promise<Manifest> => {
    const bytes = await readWholeFile(fileSystem, `${directory}/${MANIFEST_NAME}`).catch((error: Error) => {
      throw inputFailure(
        `cannot read ${directory}: ${error.message}`,
        error,
        'Give the wal.directory of a node.',
      );
    });
    const manifest = tryDecodeManifest(bytes);
    if (typeof manifest === 'string')
      throw new CliError(EXIT.negative, `${directory}/${MANIFEST_NAME}: ${manifest}`);
    return manifest;
  };
  return {
    name: directory,
    list: async () => {
      const reports = await listDiverged(fileSystem, directory, await read());
      return reports.map((report) =>
        toTail({ ...report, last: formatPosition(report.last), lastLsn: report.last.lsn }),
      );
    },
    slice: async (id, afterLsn) => {
      const tail = (await read()).diverged?.find((one) => one.id === id);
      if (tail === undefined)
        throw new CliError(
          EXIT.negative,
          `no tail ${id} was set aside in ${directory}`,
          `See: walnut diverged list ${directory}`,
        );
      return readDiverged(fileSystem, directory, tail, { afterLsn, bytesMax: SLICE_BYTES });
    },
  };
}

function toTail(tail: Omit<Tail, 'records' | 'since'> & { readonly lastLsn: number }): Tail {
  const { id, fromLsn, last, lastLsn, sinceMs, upstream, reason, files, bytes } = tail;
  const records = Math.max(0, lastLsn - fromLsn + 1);
  return {
    id,
    fromLsn,
    last,
    records,
    since: showDeadline(sinceMs),
    sinceMs,
    upstream,
    reason,
    files,
    bytes,
  };
}
