/** `walnut replay`: options, choice of nodes, exit codes. `replay-driver.ts` does the work. */

import { type Command, Option } from 'commander';
import type { Endpoint } from '#dial/endpoint.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import { parseCount, parsePath } from '../arguments.ts';
import { CallError } from '../call/call-error.ts';
import { createNodeClients, shortCall } from '../call/connection.ts';
import { ADVICE_ALL_GROUPS, CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, parseToldAddress, show, toArgument } from '../command-host.ts';
import { showProgress } from '../output/show-progress.ts';
import { escapeLine } from '../output/terminal.ts';
import { replayTrace } from './replay-driver.ts';
import { ReplayCounters, renderReport } from './replay-report.ts';
import { progressOf, watchLag } from './replay-watch.ts';
import { TraceQueue } from './trace-queue.ts';
import { openTrace, type TraceFormat } from './trace-source.ts';

const PATIENCE_MS = 60_000;
const CONCURRENCY_MAX = 10_000;

interface ReplayOptions {
  readonly reads: 'master' | 'replicas';
  readonly limit?: number;
  readonly concurrency: number;
  readonly batch: number;
  readonly format?: TraceFormat;
}

export function addReplayCommand(program: Command, host: CommandHost): void {
  program
    .command('replay')
    .summary('drive a recorded trace against a group as a read-through cache')
    .description(
      'Replays the accesses in FILE: gets each key and sets it on a miss. Nothing is deleted first. ' +
        'Prints hits, misses, operations, errors, retries, time, rate, latency and the greatest lag of a ' +
        'replica. Exits 1 if operations failed.',
    )
    .argument('<file>', 'a trace, gzipped or not', parsePath)
    .addOption(
      new Option('--reads <where>', 'where gets go').choices(['master', 'replicas']).default('master'),
    )
    .option('--limit <n>', 'stop after this many operations', parseCount(1))
    .option(
      '--concurrency <n>',
      'operations in flight; 1 keeps the order of the trace',
      parseCount(1, CONCURRENCY_MAX),
      16,
    )
    .option(
      '--batch <n>',
      'gets in one Batch; another Batch sets the keys that missed',
      parseCount(1, BATCH_OPERATIONS_MAX),
      1,
    )
    .addOption(
      new Option('--format <format>', 'format of the trace (default: detected)').choices(['int32', 'csv']),
    )
    .addHelpText(
      'after',
      `
Formats, gunzipped if the content is gzip:
  int32  one little-endian signed 32-bit key per access, used as decimal text; a value has 40 + key mod 1,000 bytes
  csv    columns time, key, op, size, ttl, or others in any order under a header that names key; op is get, set or delete (default get), size is in bytes, ttl in seconds or as 500ms. Without a size, a value has 40 to 1,039 bytes, always the same for the same key

In a batch, a later get of a key that already missed counts as a hit, as in a read-through cache.
UNAVAILABLE and lost connections are retried for 60 s; a latency includes its retries.
For the exact hits of an LRU: --concurrency 1 --batch 1 --reads master, on an empty group.

Examples:
  walnut replay orm-busy.trace.gz --limit 1000000 --concurrency 1
  walnut replay orm-busy.trace.gz --batch 100 --reads replicas --json
  walnut replay accesses.csv --address 127.0.0.1:8080`,
    )
    .action(host.action<ReplayOptions>(runReplay));
}

async function runReplay(invocation: Invocation, options: ReplayOptions): Promise<ExitCode> {
  const { io } = invocation;
  const trace = await openTrace(invocation.args[0] ?? '', options.format);
  const queue = new TraceQueue(trace.chunks, options.limit);
  const done = new AbortController();
  try {
    const readers = await chooseReaders(invocation, options.reads);
    const counters = new ReplayCounters();
    const beside = [
      watchLag(invocation.address, counters, done.signal),
      showProgress(io, progressOf(counters, options.limit), done.signal),
    ];
    const failure = await replayTrace(
      {
        master: invocation.address,
        readers,
        concurrency: options.concurrency,
        batch: options.batch,
        policy: { patienceMs: PATIENCE_MS, interrupted: io.interrupted },
      },
      queue,
      counters,
    ).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const report = counters.report(failure === undefined && !io.interrupted.aborted);
    done.abort();
    await Promise.all(beside);
    const { maxLagRecords, maxLagMs } = counters;
    const full = { ...report, maxLagRecords, maxLagMs };
    await show(
      invocation,
      () => full,
      () => renderReport(full, invocation.colors),
    );
    if (failure !== undefined) throw describeStop(failure.error, invocation.address);
    if (io.interrupted.aborted)
      throw new CliError(EXIT.interrupted, 'interrupted: the summary is of a part of the trace');
    return report.errors === 0 ? EXIT.ok : EXIT.negative;
  } finally {
    done.abort();
    await queue.close();
  }
}

/** Returns the nodes that gets go to. Fails if the address is not a master's, because fills would be refused. */
async function chooseReaders(invocation: Invocation, reads: ReplayOptions['reads']): Promise<Endpoint[]> {
  const { address, io } = invocation;
  const status = await createNodeClients(address).admin.status({}, shortCall(io));
  if (status.role === Role.REPLICA) {
    const master = status.master?.address;
    const advice =
      master === undefined
        ? 'Name its master: --address HOST:PORT'
        : `Its master: --address ${escapeLine(master)}`;
    throw new CliError(EXIT.server, `${address.text} is a replica, and a replay writes`, advice);
  }
  if (reads === 'master') return [address];
  const following = status.replicas.filter((replica) => replica.state !== NodeState.QUARANTINED);
  if (following.length > 0) return following.map((replica) => parseToldAddress(replica.address, address));
  throw new CliError(
    EXIT.server,
    `${address.text} has no replica to read from`,
    'Start one, or use: --reads master',
  );
}

function describeStop(error: unknown, address: Endpoint): unknown {
  if (!(error instanceof CallError)) return error;
  const lead = 'the replay stopped; the summary is of a part of the trace';
  if (error.code === 'lost' || error.code === 'unavailable') {
    const message = `${lead}: for ${PATIENCE_MS / 1_000} s no answer but ${error.code}: ${escapeLine(error.message)}`;
    return new CliError(
      EXIT.server,
      message,
      `Is it running? See: walnut status --address ${toArgument(address)}`,
      error,
    );
  }
  const ofMaster =
    error.leaderHint === undefined
      ? undefined
      : `Ask the master instead: --address ${escapeLine(error.leaderHint)}`;
  const advice = error.ownerHint === undefined ? ofMaster : ADVICE_ALL_GROUPS;
  return new CliError(EXIT.server, `${lead}: ${error.code}: ${escapeLine(error.message)}`, advice, error);
}
