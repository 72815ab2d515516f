// @ts-check
/** What a process did between two snapshots, and what it has at the later one. Pure. */

/**
 * @typedef {object} Figure
 * @property {Record<string, string>} labels
 * @property {number} [value]
 * @property {[from: number, to: number | null, count: number][]} [buckets]
 *
 * @typedef {object} Snapshot
 * @property {'node' | 'coordinator' | 'gateway'} kind
 * @property {string} version
 * @property {number} atMs
 * @property {any} view
 * @property {Record<string, Figure[]>} figures
 * @property {{ seconds: number, late: number, maxMs: number }} [stalls] in how many of the last seconds the event loop ran late
 *
 * @typedef {(labels: Record<string, string>) => boolean} Choice
 */

const KEYS = 'walnut.v1.KVStore/';
const GET = `${KEYS}Get`;
/** A stream lasts as long as its client wants, so its time says nothing. */
const STREAM = `${KEYS}Watch`;
/** Codes that are the fault of the process, and no answer that a caller has to expect. */
const FAULTS = new Set(['internal', 'unknown']);
/** Count answers by their code. A Batch is answered OK, whatever became of its operations. */
const ANSWERS = ['walnut_rpc_handled_total', 'walnut_batch_operations_total', 'walnut_keys_requests_total'];

/** @type {Choice} */
const isEvery = () => true;
/** @type {Choice} */
export const isKeyCall = ({ method = '' }) => method.startsWith(KEYS) && method !== STREAM;
/** @type {Choice} */
const isFault = ({ code = '' }) => FAULTS.has(code);

/**
 * @param {Snapshot | undefined} snapshot
 * @param {string} name
 * @param {Choice} [choice]
 * @returns {number | undefined} undefined where the process has no such metric
 */
export function sumOf(snapshot, name, choice = isEvery) {
  const values = (snapshot?.figures[name] ?? []).filter(({ labels }) => choice(labels));
  return values.length === 0 ? undefined : values.reduce((sum, { value = 0 }) => sum + value, 0);
}

/**
 * How much of one metric another is; undefined where the process lacks one of them.
 * @param {Snapshot} snapshot
 * @param {string} used
 * @param {string} limit
 */
export function shareOf(snapshot, used, limit) {
  const [part, whole] = [sumOf(snapshot, used), sumOf(snapshot, limit)];
  return part === undefined || whole === undefined || whole === 0 ? undefined : part / whole;
}

/**
 * How much a counter rose. One that has fallen is that of a process which has started again.
 * @param {Snapshot} before
 * @param {Snapshot} now
 * @param {string} name
 * @param {Choice} [choice]
 */
export function riseOf(before, now, name, choice = isEvery) {
  const [from, to] = [sumOf(before, name, choice) ?? 0, sumOf(now, name, choice) ?? 0];
  return to < from ? to : to - from;
}

/**
 * @param {Snapshot} snapshot
 * @param {string} name
 * @param {Choice} choice
 */
function valuesOf({ figures }, name, choice) {
  const chosen = (figures[name] ?? []).filter(({ labels }) => choice(labels));
  return chosen.flatMap(({ buckets = [] }) => buckets).reduce((sum, [, , count]) => sum + count, 0);
}

/**
 * The values that were counted between two snapshots, by the upper bound of their bucket: all of
 * those that are there where the process has started again.
 * @param {Snapshot} before
 * @param {Snapshot} now
 * @param {string} name
 * @param {Choice} choice
 * @param {Map<number, { from: number, count: number }>} [into]
 */
function bucketsBetween(before, now, name, choice, into = new Map()) {
  const hasRestarted = valuesOf(now, name, choice) < valuesOf(before, name, choice);
  for (const [sign, { figures }] of /** @type {const} */ ([
    [1, now],
    [-1, before],
  ])) {
    if (sign === -1 && hasRestarted) continue;
    for (const { labels, buckets = [] } of figures[name] ?? []) {
      if (!choice(labels)) continue;
      for (const [from, to, count] of buckets) {
        const bound = to ?? Number.POSITIVE_INFINITY;
        into.set(bound, { from, count: (into.get(bound)?.count ?? 0) + sign * count });
      }
    }
  }
  return into;
}

/**
 * The value below which the part `q` (0 to 1) lies, by linear interpolation in its bucket. Undefined
 * without values; above all bounds the highest bound.
 * @param {Map<number, { from: number, count: number }>} buckets
 * @param {number} q
 * @returns {number | undefined}
 */
export function quantileOf(buckets, q) {
  const sorted = [...buckets].filter(([, { count }]) => count > 0).sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, { count }]) => sum + count, 0);
  const wanted = q * total;
  let below = 0;
  for (const [to, { from, count }] of sorted) {
    if (below + count >= wanted)
      return Number.isFinite(to) ? from + ((to - from) * (wanted - below)) / count : from;
    below += count;
  }
  return undefined;
}

/**
 * @param {Snapshot} before
 * @param {Snapshot} now
 */
function callBucketsBetween(before, now) {
  const rpcs = bucketsBetween(before, now, 'walnut_rpc_duration_seconds', isKeyCall);
  return bucketsBetween(before, now, 'walnut_keys_duration_seconds', isEvery, rpcs);
}

/**
 * Gets alone: what a call that writes takes, the caller decides by what it waits for.
 * @param {Snapshot} before
 * @param {Snapshot} now
 */
export function getBucketsBetween(before, now) {
  const rpcs = bucketsBetween(before, now, 'walnut_rpc_duration_seconds', ({ method }) => method === GET);
  return bucketsBetween(before, now, 'walnut_keys_duration_seconds', ({ method }) => method === 'GET', rpcs);
}

/**
 * @param {Snapshot} before
 * @param {Snapshot} now
 */
export function fsyncBucketsBetween(before, now) {
  return bucketsBetween(before, now, 'walnut_wal_fsync_duration_seconds', isEvery);
}

/**
 * Calls that failed by a fault of the process.
 * @param {Snapshot} before
 * @param {Snapshot} now
 */
export function faultsBetween(before, now) {
  return answersBetween(before, now, isFault);
}

/**
 * Calls that named a position of a history that was discarded.
 * @param {Snapshot} before
 * @param {Snapshot} now
 */
export function discardedBetween(before, now) {
  return answersBetween(before, now, ({ code }) => code === 'data_loss');
}

/**
 * @param {Snapshot} before
 * @param {Snapshot} now
 * @param {Choice} choice
 */
function answersBetween(before, now, choice) {
  return ANSWERS.reduce((sum, name) => sum + riseOf(before, now, name, choice), 0);
}

/**
 * Rates are of the time between the snapshots, the rest is as of the later one. Null: not known,
 * or nothing happened that it could be told of.
 * @param {Snapshot} before
 * @param {Snapshot} now
 */
export function loadBetween(before, now) {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000);
  const calls =
    riseOf(before, now, 'walnut_rpc_handled_total', isKeyCall) +
    riseOf(before, now, 'walnut_keys_requests_total');
  const durations = callBucketsBetween(before, now);
  const store = now.view.store ?? {};
  return {
    callsPerS: calls / seconds,
    faultsPerS: faultsBetween(before, now) / seconds,
    p50Ms: toMs(quantileOf(durations, 0.5)),
    p99Ms: toMs(quantileOf(durations, 0.99)),
    p999Ms: toMs(quantileOf(durations, 0.999)),
    hitRatio: hitRatioBetween(before.view.store, now.view.store),
    fsyncP99Ms: toMs(quantileOf(fsyncBucketsBetween(before, now), 0.99)),
    writtenPerS: riseOf(before, now, 'walnut_wal_written_bytes_total') / seconds,
    processor: riseOf(before, now, 'process_cpu_seconds_total') / seconds,
    residentBytes: sumOf(now, 'process_resident_memory_bytes') ?? null,
    storeBytes: Number(store.bytes ?? 0),
    logBytes: Number(now.view.wal?.bytes ?? 0),
  };
}

/**
 * @param {any} before the store of an earlier Status
 * @param {any} now
 * @returns {number | null}
 */
function hitRatioBetween(before, now) {
  if (before === undefined || now === undefined) return null;
  const rise = (/** @type {string} */ name) => Math.max(0, Number(now[name]) - Number(before[name]));
  const [hits, misses] = [rise('hits'), rise('misses')];
  return hits + misses === 0 ? null : hits / (hits + misses);
}

/** @param {number | undefined} seconds */
function toMs(seconds) {
  return seconds === undefined ? null : seconds * 1_000;
}
