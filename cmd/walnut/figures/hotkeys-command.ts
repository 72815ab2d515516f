/** `walnut hotkeys`: the keys that one node is asked for most. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { HotKeysResponse } from '#gen/walnut/v1/admin_pb.ts';
import { HOT_KEYS_LIMIT_MAX, HOT_KEYS_MS_MAX } from '#model/hot-keys.ts';
import { parseCount, parseDurationMs } from '../arguments.ts';
import { createNodeClients } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { showCount, showDuration, showLineKey } from '../output/output.ts';
import { renderTable } from '../output/table.ts';

const DURATION_MS_MIN = 100;
const ANSWER_MS_MAX = 10_000;

interface HotkeysOptions {
  readonly for: number;
  readonly top: number;
}

export function addHotkeysCommand(program: Command, host: CommandHost): void {
  program
    .command('hotkeys')
    .summary('show the keys that are used most')
    .description(
      'Looks for a time, 200 times a second, which key the node read or wrote last, and shows how often it was ' +
        'which, with the rate of all accesses. Reads and writes do no work for it. Of the operations of a batch ' +
        'only the last can be seen. A replica counts its own reads and the writes of its master. Where ' +
        'auth.mode is required it needs the role monitor, and reader on the whole key space.',
    )
    .addOption(
      new Option('--for <duration>', 'how long to look, 30s at most')
        .argParser(parseFor)
        .default(5_000, '5s'),
    )
    .option('--top <n>', 'show so many', parseCount(1, HOT_KEYS_LIMIT_MAX), 20)
    .addHelpText(
      'after',
      `
Examples:
  walnut hotkeys
  walnut hotkeys --for 30s --top 5
  walnut hotkeys --json | jq '.keys[] | select(.part > 0.1)'`,
    )
    .action(host.action<HotkeysOptions>(runHotkeys));
}

function parseFor(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= DURATION_MS_MIN && ms <= HOT_KEYS_MS_MAX) return ms;
  throw new InvalidArgumentError('Expected 100ms to 30s.');
}

async function runHotkeys(invocation: Invocation, options: HotkeysOptions): Promise<ExitCode> {
  const { admin } = createNodeClients(invocation.address);
  const request = { durationMs: options.for, limit: options.top };
  const limits = { timeoutMs: options.for + ANSWER_MS_MAX, signal: invocation.io.interrupted };
  const answer = await admin.hotKeys(request, limits);
  await show(
    invocation,
    () => toJson(answer),
    () => toText(invocation, answer),
  );
  return EXIT.ok;
}

interface Rated {
  readonly key: string;
  readonly looks: number;
  /** The part of all accesses, from 0 to 1. */
  readonly part: number;
  readonly accessesPerSecond: number;
}

function rate({ keys, looks, accesses, durationMs }: HotKeysResponse): { all: number; keys: Rated[] } {
  const all = (1_000 * Number(accesses)) / Math.max(1, durationMs);
  const rated = keys.map((each) => {
    const part = each.looks / Math.max(1, looks);
    return { key: each.key, looks: each.looks, part, accessesPerSecond: part * all };
  });
  return { all, keys: rated };
}

function toJson(answer: HotKeysResponse): Record<string, unknown> {
  const { all, keys } = rate(answer);
  const { looks, accesses, durationMs, distinct } = answer;
  return { durationMs, accesses: Number(accesses), accessesPerSecond: all, looks, distinct, keys };
}

function toText({ colors }: Invocation, answer: HotKeysResponse): string {
  const { all, keys } = rate(answer);
  const sum =
    `${showCount(Math.round(all))} accesses a second for ${showDuration(answer.durationMs)}; ` +
    `${showCount(answer.looks)} looks saw ${showCount(answer.distinct)} different keys\n`;
  if (keys.length === 0) return sum;
  const rows = keys.map(({ key, looks, part, accessesPerSecond }) => [
    `${(100 * part).toFixed(1)} %`,
    showCount(Math.round(accessesPerSecond)),
    showCount(looks),
    showLineKey(key),
  ]);
  return `${renderTable(colors, ['PART', 'A SECOND', 'LOOKS', 'KEY'], rows)}\n${sum}`;
}
