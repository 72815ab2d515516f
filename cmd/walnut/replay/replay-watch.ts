/** Watches the lag of the replicas during a replay, and describes its progress. */

import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { Admin, StatusRequestSchema } from '#gen/walnut/v1/admin_pb.ts';
import { CallError } from '../call/call-error.ts';
import { LeanClient } from '../call/lean-client.ts';
import { countOf, showCount, showDuration } from '../output/output.ts';
import type { Progress } from '../output/show-progress.ts';
import type { ReplayCounters } from './replay-report.ts';

const POLL_MS = 200;
const STATUS_TIMEOUT_MS = 2_000;

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

/** Progress as a line: see `cmd/walnut/output/show-progress.ts`. `limit`: how many operations there will be at most. */
export function progressOf(counters: ReplayCounters, limit: number | undefined): Progress {
  return {
    count: () => counters.operations,
    describe: (perS) => describeProgress(counters, perS, limit),
  };
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
