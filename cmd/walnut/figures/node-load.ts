/** What one node did between two readings, and what it has at the later one. Pure. */
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { enumName } from '../output/output.ts';
import { callsOf } from './call-figures.ts';
import type { NodeReading } from './read-figures.ts';

/** Per second, and durations, are of the time between the readings; the rest is as of the later one. */
export interface NodeLoad {
  readonly role: string;
  readonly state: string;
  readonly ready: boolean;
  readonly callsPerSecond: number;
  readonly faultsPerSecond: number;
  /** 0 to 1; null where nothing was read. */
  readonly hitRatio: number | null;
  /** Milliseconds; null without calls, and "over 10 s" is 10,000. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly fsyncP99Ms: number | null;
  /** Processor time a second: 1 is one core that is busy all the time. */
  readonly processor: number;
  /** Records and milliseconds that a replica is behind; null on a master. */
  readonly lagRecords: number | null;
  readonly lagMs: number | null;
  readonly entries: number;
  readonly storeBytes: number;
  readonly residentBytes: number;
  readonly logBytes: number;
  readonly connections: number;
  readonly watchers: number;
}

const FSYNCS = 'walnut_wal_fsync_duration_seconds';
/** The last finite bound of all durations. */
const MS_MAX = 10_000;

export function loadOf(before: NodeReading, now: NodeReading): NodeLoad {
  const { status, page } = now;
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000);
  // A counter that has fallen is that of a process which has started again.
  const rose = (from: number, to: number): number => (to < from ? to : to - from);
  const roseOf = (name: string): number => rose(before.page.sum(name) ?? 0, page.sum(name) ?? 0);
  const [earlier, calls] = [callsOf(before.page), callsOf(page)];
  const durations = calls.seconds.since(earlier.seconds);
  const fsyncs = page.histogram(FSYNCS).since(before.page.histogram(FSYNCS));
  const [hits, misses] = [roseOf('walnut_store_hits_total'), roseOf('walnut_store_misses_total')];
  const { master } = status;
  return {
    role: enumName(Role, status.role),
    state: enumName(NodeState, status.state),
    ready: status.ready,
    callsPerSecond: rose(earlier.calls, calls.calls) / seconds,
    faultsPerSecond: rose(earlier.faults, calls.faults) / seconds,
    hitRatio: hits + misses === 0 ? null : hits / (hits + misses),
    p50Ms: toMs(durations.quantile(0.5)),
    p99Ms: toMs(durations.quantile(0.99)),
    fsyncP99Ms: toMs(fsyncs.quantile(0.99)),
    processor: roseOf('process_cpu_seconds_total') / seconds,
    lagRecords: master === undefined ? null : Number(master.lagRecords),
    lagMs: master === undefined ? null : Number(master.lagMs),
    entries: Number(status.store?.entries ?? 0),
    storeBytes: Number(status.store?.bytes ?? 0),
    residentBytes: page.sum('process_resident_memory_bytes') ?? 0,
    logBytes: Number(status.wal?.bytes ?? 0),
    connections: page.sum('walnut_connections') ?? 0,
    watchers: page.sum('walnut_watchers') ?? 0,
  };
}

function toMs(seconds: number | undefined): number | null {
  return seconds === undefined ? null : Math.min(MS_MAX, seconds * 1_000);
}
