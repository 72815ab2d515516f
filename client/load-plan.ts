/** How `getOrSet` reads, loads and keeps a value: its options, checked, and how old a value is. Pure. */
import type { GetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { checkMs, checkNames, type OptionNames } from './call-options.ts';
import { invalid } from './failures.ts';

export interface GetOrSetOptions {
  /** How long a loaded value is fresh, milliseconds. */
  readonly ttlMs: number;
  /** A value that is fresh for less than this is given, and loaded anew meanwhile. Default 0: never. */
  readonly refreshBeforeMs?: number;
  /**
   * The entry stays for so long after `ttlMs`. A value of this time is loaded anew; it is
   * given where that fails, or while another process loads. Other readers of the key are
   * not told that it is stale. Default 0.
   */
  readonly staleIfErrorMs?: number;
  /**
   * What `load` found to be missing is kept as missing for so long. Such an entry has an
   * empty value and the content type `application/x-walnut-absent`. Default: not kept.
   */
  readonly absentTtlMs?: number;
  /**
   * Where the cache is not readable for so long (at most 60,000, default 2,000), or says UNAVAILABLE or
   * DEADLINE_EXCEEDED, `load` is called all the same, once for all callers of this process, and its value
   * is given and not stored. Infinity: the call rejects then, as a `get` does.
   */
  readonly loadAfterMs?: number;
  /**
   * While the cache is not readable, as calls before this one found out, this one loads at once, and one
   * call in so long (at most 60,000, default 1,000; up to half of it less, by chance) asks the cache
   * again. 0: every call asks, and waits for itself.
   */
  readonly probeEveryMs?: number;
  /** After so long another process may load, too; at most 60,000, default 10,000. */
  readonly leaseMs?: number;
  /** Gives this call up. The load goes on while others wait for it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Plan {
  readonly ttlMs: number;
  readonly refreshBeforeMs: number;
  readonly staleMs: number;
  readonly absentTtlMs: number;
  readonly leaseMs: number;
  readonly loadAfterMs: number;
  readonly probeEveryMs: number;
}

export type Age = 'missing' | 'fresh' | 'to_refresh' | 'stale';

const LEASE_MS = 10_000;
const LEASE_MS_MAX = 60_000;
const LOAD_AFTER_MS = 2_000;
const LOAD_AFTER_MS_MAX = 60_000;
const PROBE_EVERY_MS = 1_000;
const PROBE_EVERY_MS_MAX = 60_000;
const NAMES: OptionNames = new Map(
  [
    ...['ttlMs', 'refreshBeforeMs', 'staleIfErrorMs', 'absentTtlMs', 'leaseMs', 'loadAfterMs'],
    ...['probeEveryMs', 'signal', 'codec'],
  ].map((name) => [name, name === 'signal' ? 'signal' : undefined]),
);

/** Throws INVALID_ARGUMENT for an option that does not exist, or is out of range. */
export function planOf(options: GetOrSetOptions): Plan {
  checkNames(options, NAMES);
  const { ttlMs, refreshBeforeMs = 0, staleIfErrorMs = 0, absentTtlMs = 0, leaseMs = LEASE_MS } = options;
  const { loadAfterMs = LOAD_AFTER_MS, probeEveryMs = PROBE_EVERY_MS } = options;
  checkMs('ttlMs', ttlMs, 1, Number.MAX_SAFE_INTEGER);
  for (const [name, value] of Object.entries({ refreshBeforeMs, staleIfErrorMs, absentTtlMs }))
    checkMs(name, value, 0, Number.MAX_SAFE_INTEGER);
  checkMs('leaseMs', leaseMs, 1, LEASE_MS_MAX);
  if (loadAfterMs !== Number.POSITIVE_INFINITY) checkMs('loadAfterMs', loadAfterMs, 0, LOAD_AFTER_MS_MAX);
  checkMs('probeEveryMs', probeEveryMs, 0, PROBE_EVERY_MS_MAX);
  if (refreshBeforeMs >= ttlMs)
    throw invalid(`refreshBeforeMs is ${refreshBeforeMs}: expected less than ttlMs, which is ${ttlMs}`);
  return {
    ...{ ttlMs, refreshBeforeMs, staleMs: staleIfErrorMs },
    ...{ absentTtlMs, leaseMs, loadAfterMs, probeEveryMs },
  };
}

/** How old an answer is. `nowMs`: this machine's wall clock, which decides only when to load anew. */
export function ageOf(
  { found, expireAtMs }: Pick<GetResponse, 'found' | 'expireAtMs'>,
  { staleMs, refreshBeforeMs }: Pick<Plan, 'staleMs' | 'refreshBeforeMs'>,
  nowMs: number,
): Age {
  if (!found) return 'missing';
  if (expireAtMs === 0n) return 'fresh';
  const leftMs = Number(expireAtMs) - nowMs;
  if (staleMs > 0 && leftMs <= staleMs) return 'stale';
  return leftMs <= staleMs + refreshBeforeMs && refreshBeforeMs > 0 ? 'to_refresh' : 'fresh';
}
