/** `walnut watch`: tells changes as they happen, and goes on by itself. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { WatchEvent, WatchRequest, WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Cause, Op } from '#gen/walnut/v1/types_pb.ts';
import { WATCH_PROGRESS_MS_MAX, WATCH_PROGRESS_MS_MIN } from '#model/watch.ts';
import { DURATION_FORM, parseDuration } from '#platform/duration.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { parseTime, TIME_FORM } from '#platform/time.ts';
import type { WatchInit } from '../../../client/resuming-watch.ts';
import { parseCount, parseDurationMs, parseKey, parseWirePosition, type WirePosition } from '../arguments.ts';
import { openStream, toCallError } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, usageError } from '../command-host.ts';
import {
  contentTypeToJson,
  entryToJson,
  enumName,
  showLineKey,
  showPosition,
  showValue,
  valueToJson,
} from '../output/output.ts';
import { escapeLine } from '../output/terminal.ts';
import { hasDeadline, showDeadlineOf } from './event-deadline.ts';

interface WatchOptions {
  readonly key?: string;
  readonly after?: WirePosition;
  /** Milliseconds since the Unix epoch. */
  readonly since?: number;
  readonly resume?: string;
  readonly ops?: Op[];
  readonly previous?: boolean;
  readonly keysOnly?: boolean;
  readonly initial?: boolean;
  readonly count?: number;
  /** Milliseconds. */
  readonly progress?: number;
}

/** How long it tries to reach the node again. */
const PATIENCE_MS = 600_000;
/** A value and the one before it, at the largest `server.max_value_bytes`, and their keys. */
const MESSAGE_BYTES_MAX = 160 * 1_024 * 1_024;

export function addWatchCommand(program: Command, host: CommandHost): void {
  program
    .command('watch')
    .summary('tell changes as they happen')
    .description(
      'Tells every change of the keys that begin with PREFIX (all without one), once and in order, ' +
        'until Ctrl-C. A line has op, cause, key, value, version and deadline with tabs between; with ' +
        '--json it is one JSON object. If the node stops or the connection breaks, the watch goes ' +
        'on where it was. On Ctrl-C it prints a --resume text, with which it can be continued later.',
    )
    .argument('[prefix]')
    .option('--key <key>', 'watch this one key', parseKey)
    .addOption(
      new Option('--after <position>', 'begin after the record EPOCH-LSN; 0-0: with the first of the log')
        .argParser(parseWirePosition)
        .conflicts(['resume', 'initial', 'since']),
    )
    .addOption(
      new Option('--since <time>', 'begin with the first record at or after a time, or so long ago: 10m')
        .argParser(parseSince)
        .conflicts(['resume', 'initial']),
    )
    .addOption(new Option('--resume <text>', 'go on from where a watch was').conflicts('initial'))
    .option('--ops <kinds>', 'only these, with commas between: set, delete, touch', parseOps)
    .option('--previous', 'with --json: also the entry before each change')
    .option('--keys-only', 'without values')
    .option('--initial', 'first the entries that are there')
    .addOption(
      new Option(
        '--progress <duration>',
        'hear at least so often how far the log is, 100ms to 10m (default: 10s)',
      ).argParser(parseProgress),
    )
    .option(
      '--count <n>',
      'end at the end of the message that brings this many changes; it may bring more',
      parseCount(1),
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut watch
  walnut watch user: --initial
  walnut watch --key greeting --address 127.0.0.1:8081
  walnut watch user: --ops delete --json | jq -r .key
  walnut watch --after 0-0 --count 100                # what the log still has, from its beginning
  walnut watch user: --since 10m                      # the last ten minutes, then what happens
  walnut watch --since 2027-01-31T12:00:00Z --json
  walnut watch user: --json --progress 1s             # a line each second, also where nothing changes

With --json each object is a change, or {"position", "resume"} where a message ended: all before it was
told, and --resume goes on from there.`,
    )
    .action(host.action<WatchOptions>(runWatch));
}

function parseOps(text: string): Op[] {
  return text.split(',').map((name) => {
    if (name === 'set') return Op.SET;
    if (name === 'delete') return Op.DELETE;
    if (name === 'touch') return Op.TOUCH;
    throw new InvalidArgumentError('Expected set, delete or touch, or several with commas between.');
  });
}

function parseProgress(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= WATCH_PROGRESS_MS_MIN && ms <= WATCH_PROGRESS_MS_MAX) return ms;
  throw new InvalidArgumentError('Expected 100ms to 10m.');
}

/** A duration means that long before now. */
function parseSince(text: string): number {
  const agoMs = parseDuration(text);
  const ms = agoMs === undefined ? parseTime(text) : createNodeClock().wallMs() - agoMs;
  if (ms === undefined) throw new InvalidArgumentError(`Expected ${TIME_FORM}, or ${DURATION_FORM}.`);
  return Math.max(0, ms);
}

async function runWatch(invocation: Invocation, options: WatchOptions): Promise<ExitCode> {
  const { io, isJson } = invocation;
  if (options.previous === true && !isJson)
    throw usageError('--previous needs --json: a line has no room for it');
  const request = toRequest(invocation.args[0], options);
  let left = options.count ?? Number.POSITIVE_INFINITY;
  let resume = '';
  for await (const message of watch(invocation, request)) {
    await io.write(isJson ? toJsonLines(message, options) : toLines(message));
    resume = message.resume || resume;
    left -= message.events.length;
    if (left <= 0) break;
  }
  if (resume !== '' && !isJson) io.note(`Go on with: --resume ${resume}\n`);
  return io.interrupted.aborted ? EXIT.interrupted : EXIT.ok;
}

function toRequest(prefix: string | undefined, options: WatchOptions): WatchInit {
  const { key, after, since, resume } = options;
  if (key !== undefined && prefix !== undefined) throw usageError('--key and PREFIX exclude each other');
  const what: WatchRequest['what'] =
    key === undefined ? { case: 'prefix', value: prefix ?? '' } : { case: 'key', value: key };
  const request: WatchInit = {
    what,
    ops: options.ops ?? [],
    withPrevious: options.previous === true,
    keysOnly: options.keysOnly === true,
    initial: options.initial === true,
    progressEveryMs: options.progress ?? 0,
  };
  if (after !== undefined) return { ...request, from: { case: 'after', value: after } };
  if (since !== undefined) return { ...request, from: { case: 'sinceMs', value: BigInt(since) } };
  if (resume !== undefined) return { ...request, from: { case: 'resume', value: resume } };
  return request;
}

async function* watch(invocation: Invocation, request: WatchInit): AsyncGenerator<WatchResponse> {
  const { io, address, tell } = invocation;
  // It loads Connect, which takes longer than the help of all commands.
  const { resumingWatch } = await import('../../../client/resuming-watch.ts');
  const { watch: method } = KVStore.method;
  try {
    yield* resumingWatch(
      (asked, signal) => openStream(address, method, asked, { signal, answerBytesMax: MESSAGE_BYTES_MAX }),
      request,
      {
        clock: createNodeClock(),
        signal: io.interrupted,
        patienceMs: PATIENCE_MS,
        onBreak: ({ rawMessage }) => tell(`going on after: ${escapeLine(rawMessage)}`),
      },
    );
  } catch (error) {
    throw await toCallError(error);
  }
}

function toLines({ events }: WatchResponse): string {
  return events.map((event) => `${toCells(event).join('\t')}\n`).join('');
}

function toCells(event: WatchEvent): string[] {
  const isSet = event.op === Op.SET;
  return [
    event.initial ? 'initial' : enumName(Op, event.op),
    enumName(Cause, event.cause),
    showLineKey(event.key),
    isSet ? showValue(event.value) : '-',
    showPosition(event.version),
    showDeadlineOf(event),
  ];
}

function toJsonLines(
  { events, position, resume, initialDone }: WatchResponse,
  options: WatchOptions,
): string {
  const lines = events.map((event) => JSON.stringify(toJson(event, options)));
  if (resume !== '') {
    lines.push(
      JSON.stringify({ position: showPosition(position), resume, ...(initialDone ? { initialDone } : {}) }),
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

function toJson(event: WatchEvent, { keysOnly, previous }: WatchOptions): Record<string, unknown> {
  const hasValue = keysOnly !== true;
  const before = event.previous;
  const isSet = event.op === Op.SET;
  return {
    op: enumName(Op, event.op),
    cause: enumName(Cause, event.cause),
    key: event.key,
    ...(isSet && hasValue ? { ...valueToJson(event.value), bytes: event.value.length } : {}),
    ...contentTypeToJson(event),
    version: showPosition(event.version),
    ...(hasDeadline(event) ? { expireAtMs: Number(event.expireAtMs) } : {}),
    ...(event.initial ? { initial: true } : { timestampMs: Number(event.timestampMs) }),
    ...(previous === true && before !== undefined ? { previous: entryToJson(before, hasValue) } : {}),
    ...(event.previousUnknown ? { previousUnknown: true } : {}),
  };
}
