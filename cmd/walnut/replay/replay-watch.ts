/** Watches the lag of the replicas during a replay, and shows progress. */

import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { Admin, StatusRequestSchema } from '#gen/walnut/v1/admin_pb.ts';
import { CallError } from '../call/call-error.ts';
import { LeanClient } from '../call/lean-client.ts';
import type { CliIo } from '../cli-io.ts';
import { countOf, showCount, showDuration } from '../output/output.ts';
import { chooseColors, own } from '../output/terminal.ts';
import type { ReplayCounters } from './replay-report.ts';

const POLL_MS = 200;
const STATUS_TIMEOUT_MS = 2_000;
const QUIET_MS = 2_000;
const TERMINAL_MS = 500;
const LINE_MS = 5_000;
const CLEAR_LINE = own('\r\u001b[K');

/** Asks the master for its Status until `done` aborts, and once more after that. A failed call is repeated. */
export async function watchLag(master: Endpoint, counters: ReplayCounters, done: AbortSignal): Promise<void> {
  const client = new LeanClient(master, STATUS_TIMEOUT_MS);
  for (let isLast = false; !isLast; ) {
    isLast = done.aborted;
    try {
      const { replicas } = await client.call(Admin.method.status, create(StatusRequestSchema));
      for (const replica of replicas) counters.recordLag(Number(replica.lagRecords), Number(replica.lagMs));
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
    }
    if (!isLast) await delay(POLL_MS, undefined, { signal: done }).catch(() => {});
  }
  client.close();
}

/** Shows progress on stderr: one changing line on a terminal, else one line every 5 s. Short runs show nothing. */
export async function showProgress(
  io: CliIo,
  counters: ReplayCounters,
  limit: number | undefined,
  done: AbortSignal,
): Promise<void> {
  const colors = chooseColors(io, io.isErrTerminal);
  await delay(QUIET_MS, undefined, { signal: done }).catch(() => {});
  const intervalMs = io.isErrTerminal ? TERMINAL_MS : LINE_MS;
  let hasShown = false;
  for (let before = 0; !done.aborted; ) {
    const startMs = performance.now();
    before = counters.operations;
    await delay(hasShown ? intervalMs : Math.min(intervalMs, LINE_MS - QUIET_MS), undefined, {
      signal: done,
    }).catch(() => {});
    if (done.aborted) break;
    const rate = ((counters.operations - before) * 1_000) / (performance.now() - startMs);
    const line = describeProgress(counters, rate, limit);
    io.note(io.isErrTerminal ? `${CLEAR_LINE}${colors.dim(line)}` : `${line}\n`);
    hasShown = true;
  }
  if (hasShown && io.isErrTerminal) io.note(CLEAR_LINE);
}

function describeProgress(counters: ReplayCounters, rate: number, limit: number | undefined): string {
  const gets = counters.hits + counters.misses;
  const parts = [
    `${showCount(counters.operations)}${limit === undefined ? '' : ` of ${showCount(limit)}`} operations`,
    `${showCount(Math.round(rate))}/s`,
    `${gets === 0 ? '0' : ((100 * counters.hits) / gets).toFixed(1)} % hits`,
    `${showDuration(counters.seconds * 1_000)}`,
  ];
  if (counters.errors > 0) parts.push(`${countOf(counters.errors, 'error')}`);
  if (counters.retries > 0) parts.push(`${countOf(counters.retries, 'retry', 'retries')}`);
  if (counters.maxLagRecords > 0) parts.push(`max lag ${countOf(counters.maxLagRecords, 'record')}`);
  return parts.join(', ');
}
