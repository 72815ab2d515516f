/** `walnut bigkeys`: the largest entries, and the memory by prefix. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import { utf8Length } from '#model/limits.ts';
import { entryCost } from '#storage/entry-cost.ts';
import { parseCount, parseDurationMs } from '../arguments.ts';
import { untilInterrupted } from '../call/call-error.ts';
import { createNodeClients, shortCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { countOf, showBytes, showCount, showLineKey } from '../output/output.ts';
import { renderTable } from '../output/table.ts';
import { KeySizes, type PrefixSum } from './key-sizes.ts';

/**
 * A page keeps the node from other calls while it is made, which takes about 3 ms for 1,000
 * keys. Pages of 250 with a pause between them keep that below 1 ms, and leave the node most
 * of its time.
 */
const PAGE_KEYS = 250;
const PAUSE_MS_DEFAULT = 5;
const TOP_MAX = 1_000;
const SEPARATOR_LENGTH_MAX = 16;

interface BigkeysOptions {
  readonly top: number;
  readonly separator: string;
  readonly depth: number;
  readonly limit?: number;
  readonly pause: number;
}

export function addBigkeysCommand(program: Command, host: CommandHost): void {
  program
    .command('bigkeys')
    .summary('show the largest entries, and memory by prefix')
    .description(
      'Walks over all keys that begin with PREFIX (without it all), a page at a time, and shows the largest ' +
        'entries and how much memory the keys of each prefix take. The node sends keys and lengths, no ' +
        'values. Entries that are written meanwhile may be left out. A gateway is asked in the same way.',
    )
    .argument('[prefix]')
    .option('--top <n>', 'so many entries and prefixes', parseCount(1, TOP_MAX), 20)
    .option('--separator <text>', 'what ends a prefix', parseSeparator, ':')
    .option('--depth <n>', 'how many separators a prefix has', parseCount(1, 16), 1)
    .option(
      '--limit <n>',
      'stop after so many entries, which are the first and no random ones',
      parseCount(1),
    )
    .addOption(
      new Option('--pause <duration>', `wait between pages of ${PAGE_KEYS} keys`)
        .argParser(parseDurationMs)
        .default(PAUSE_MS_DEFAULT, `${PAUSE_MS_DEFAULT}ms`),
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut bigkeys
  walnut bigkeys user: --depth 2 --top 5
  walnut bigkeys --pause 50ms                    # on a node that is busy
  walnut bigkeys --json | jq '.prefixes[] | [.prefix, .memoryBytes]'`,
    )
    .action(host.action<BigkeysOptions>(runBigkeys));
}

function parseSeparator(text: string): string {
  if (text !== '' && text.length <= SEPARATOR_LENGTH_MAX) return text;
  throw new InvalidArgumentError(`Expected 1 to ${SEPARATOR_LENGTH_MAX} characters such as : or /.`);
}

async function runBigkeys(invocation: Invocation, options: BigkeysOptions): Promise<ExitCode> {
  const { io } = invocation;
  const sizes = new KeySizes(options);
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const isComplete = await walk(invocation, sizes, limit, options.pause);
  await show(
    invocation,
    () => toJson(sizes, isComplete),
    () => toText(invocation, sizes),
  );
  if (!isComplete && !io.interrupted.aborted)
    io.note(`There is more: these are the first ${showCount(limit)} entries.\n`);
  return io.interrupted.aborted ? EXIT.interrupted : EXIT.ok;
}

/** False where the walk ended before the last page. */
async function walk(
  { address, args, io }: Invocation,
  sizes: KeySizes,
  limit: number,
  pauseMs: number,
): Promise<boolean> {
  const { kv } = createNodeClients(address);
  const [prefix = ''] = args;
  const call = shortCall(io);
  let cursor = '';
  do {
    const wanted = Math.min(PAGE_KEYS, limit - sizes.entries);
    // What was found before an interruption is shown: it ends the walk, and is no failure of it.
    const page = await untilInterrupted(kv.scan({ prefix, cursor, limit: wanted, keysOnly: true }, call));
    if (page === undefined) return false;
    for (const entry of page.entries) sizes.add({ key: entry.key, ...sizesOf(entry) });
    cursor = page.nextCursor;
    if (cursor !== '' && pauseMs > 0)
      await delay(pauseMs, undefined, { signal: io.interrupted }).catch(() => {});
  } while (cursor !== '' && sizes.entries < limit && !io.interrupted.aborted);
  return cursor === '';
}

function sizesOf({ key, valueBytes, contentType }: Entry): { valueBytes: number; memoryBytes: number } {
  if (valueBytes === undefined)
    throw new CliError(EXIT.server, 'the node does not say how long values are: it is older than this tool');
  const length = Number(valueBytes);
  return { valueBytes: length, memoryBytes: entryCost(utf8Length(key), length + contentType.length) };
}

function toJson(sizes: KeySizes, isComplete: boolean): Record<string, unknown> {
  return {
    entries: sizes.entries,
    memoryBytes: sizes.memoryBytes,
    complete: isComplete,
    largest: sizes.largest,
    prefixes: sizes.prefixes.map(({ prefix = null, ...sum }) => ({ prefix, ...sum })),
  };
}

function toText({ colors }: Invocation, sizes: KeySizes): string {
  const sum = `${countOf(sizes.entries, 'entry', 'entries')}, ${showBytes(sizes.memoryBytes)} of storage.max_memory\n`;
  if (sizes.entries === 0) return sum;
  const keys = sizes.largest.map(({ key, valueBytes, memoryBytes }) => [
    showBytes(memoryBytes),
    showBytes(valueBytes),
    showLineKey(key),
  ]);
  const prefixes = sizes.prefixes.map((each) => [
    showBytes(each.memoryBytes),
    percentOf(each, sizes),
    showCount(each.entries),
    each.prefix === undefined ? '(without a prefix)' : showLineKey(each.prefix),
  ]);
  return `${renderTable(colors, ['MEMORY', 'VALUE', 'KEY'], keys)}\n${renderTable(colors, ['MEMORY', 'PART', 'ENTRIES', 'PREFIX'], prefixes)}\n${sum}`;
}

function percentOf({ memoryBytes }: PrefixSum, sizes: KeySizes): string {
  return `${((100 * memoryBytes) / sizes.memoryBytes).toFixed(1)} %`;
}
