/** `walnut scan`. */
import type { Command } from 'commander';
import type { ScanResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import { parseCount } from '../arguments.ts';
import { createNodeClients, shortCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import {
  entryToJson,
  modifiedToJson,
  showDeadline,
  showLineKey,
  showPosition,
  showValue,
} from '../output/output.ts';
import { renderTable } from '../output/table.ts';

const SCAN_LIMIT = 100;
/** Small enough that a page of large values stays far below the size limit of a response. */
const PAGE_WITH_VALUES = 200;
const PAGE_KEYS_ONLY = 5_000;

interface ScanOptions {
  readonly limit?: number;
  readonly keysOnly?: boolean;
  readonly count?: boolean;
  readonly all?: boolean;
}

export function addScanCommand(program: Command, host: CommandHost): void {
  program
    .command('scan')
    .summary('list entries, by prefix')
    .description('Lists entries whose key begins with PREFIX (without PREFIX all), in no order.')
    .argument('[prefix]')
    .option('--limit <n>', `stop after this many entries (default: ${SCAN_LIMIT})`, parseCount(1))
    .option('--keys-only', 'one key per line, no values')
    .option('--count', 'print only the number of entries')
    .option('--all', 'no limit; one line per entry with tabs between')
    .addHelpText(
      'after',
      `
Examples:
  walnut scan user:
  walnut scan user: --keys-only --all | sort
  walnut scan user: --count
  walnut scan --limit 10 --json

A key with control characters is shown quoted and escaped; --json has it exactly.`,
    )
    .action(host.action<ScanOptions>(runScan));
}

async function runScan(invocation: Invocation, options: ScanOptions): Promise<ExitCode> {
  if (options.all === true && options.limit !== undefined)
    throw usageError('--all and --limit exclude each other');
  if (options.count === true) return runCount(invocation, options);
  const limit = options.all === true ? Number.POSITIVE_INFINITY : (options.limit ?? SCAN_LIMIT);
  const isKeysOnly = options.keysOnly === true;
  const printer = createScanPrinter(invocation, isKeysOnly, options.all === true);
  const page = { prefix: invocation.args[0] ?? '', keysOnly: isKeysOnly, withModified: invocation.isJson };
  const pages = scanPages(invocation, page, limit);
  let hasMore = false;
  for await (const page of pages) {
    await printer.page(page.entries);
    hasMore = page.nextCursor !== '';
    if (invocation.io.interrupted.aborted) return EXIT.interrupted;
  }
  await printer.end();
  if (hasMore) invocation.io.note('There is more: raise --limit or use --all.\n');
  return EXIT.ok;
}

async function runCount(invocation: Invocation, options: ScanOptions): Promise<ExitCode> {
  if (options.limit !== undefined || options.keysOnly === true || options.all === true)
    throw usageError('--count excludes --limit, --keys-only and --all');
  const { kv } = createNodeClients(invocation.address);
  const prefix = invocation.args[0] ?? '';
  let entries = 0;
  let cursor = '';
  do {
    const page = await kv.scan({ prefix, cursor, countOnly: true }, shortCall(invocation.io));
    entries += page.count;
    cursor = page.nextCursor;
    if (invocation.io.interrupted.aborted) return EXIT.interrupted;
  } while (cursor !== '');
  await show(
    invocation,
    () => ({ entries }),
    () => `${entries}\n`,
  );
  return EXIT.ok;
}

/** Reads pages until `limit` entries or the end. Never requests more entries than it needs. */
async function* scanPages(
  { address, io }: Invocation,
  what: { readonly prefix: string; readonly keysOnly: boolean; readonly withModified: boolean },
  limit: number,
): AsyncGenerator<ScanResponse> {
  const { kv } = createNodeClients(address);
  const pageSize = what.keysOnly ? PAGE_KEYS_ONLY : PAGE_WITH_VALUES;
  let cursor = '';
  let wanted = limit;
  do {
    const page = await kv.scan({ ...what, cursor, limit: Math.min(wanted, pageSize) }, shortCall(io));
    yield page;
    wanted -= page.entries.length;
    cursor = page.nextCursor;
  } while (cursor !== '' && wanted > 0);
}

interface ScanPrinter {
  page(entries: readonly Entry[]): Promise<void>;
  end(): Promise<void>;
}

/** JSON and lines are streamed. Only the table, which --limit bounds, is kept in memory. */
function createScanPrinter(invocation: Invocation, isKeysOnly: boolean, isLines: boolean): ScanPrinter {
  const { io } = invocation;
  if (invocation.isJson) return createJsonPrinter(invocation, isKeysOnly);
  if (isKeysOnly || isLines) {
    const line = (entry: Entry): string =>
      isKeysOnly ? showLineKey(entry.key) : entryToCells(entry).join('\t');
    return {
      page: async (entries) => {
        if (entries.length > 0) await io.write(`${entries.map(line).join('\n')}\n`);
      },
      end: async () => {},
    };
  }
  const rows: string[][] = [];
  return {
    page: async (entries) => void rows.push(...entries.map(entryToCells)),
    end: () =>
      io.write(renderTable(invocation.colors, ['KEY', 'BYTES', 'VERSION', 'EXPIRES', 'VALUE'], rows)),
  };
}

/** Writes one JSON array with one entry per line. */
function createJsonPrinter({ io }: Invocation, isKeysOnly: boolean): ScanPrinter {
  let separator = '[\n';
  return {
    page: async (entries) => {
      for (const entry of entries) {
        await io.write(`${separator}  ${JSON.stringify(scannedToJson(entry, !isKeysOnly))}`);
        separator = ',\n';
      }
    },
    end: () => io.write(separator === '[\n' ? '[]\n' : '\n]\n'),
  };
}

function scannedToJson(entry: Entry, hasValue: boolean): Record<string, unknown> {
  return { ...entryToJson(entry, hasValue), ...modifiedToJson(entry) };
}

function entryToCells(entry: Entry): string[] {
  return [
    showLineKey(entry.key),
    String(entry.value.length),
    showPosition(entry.version),
    showDeadline(entry.expireAtMs),
    showValue(entry.value),
  ];
}
