/** Snapshots of processes in which nothing is wrong, for tests that change them. */
import type { Snapshot } from '#page/assets/figures.js';

export const AT_MS = 1_767_225_600_000;
/** Term 3 with a nonce. */
export const EPOCH = String(3 * 2 ** 32 + 7);

export function statusOf(changes: object = {}): object {
  return {
    role: 'ROLE_MASTER',
    state: 'NODE_STATE_SERVING',
    ready: true,
    reasons: [],
    logId: 'ab'.repeat(16),
    position: { epoch: EPOCH, lsn: '1200' },
    term: 3,
    appliedLsn: '1200',
    durableLsn: '1190',
    earliestLsn: '1',
    wal: { segments: 2, bytes: '4096', formatLevel: 1 },
    store: {
      entries: '10',
      bytes: '1000',
      hits: '90',
      misses: '10',
      evicted: '0',
      expired: '0',
      refused: '0',
    },
    integrity: { digestMismatches: '0', alteredFound: '0', scrubs: '1' },
    clock: { aheadMs: '5' },
    replicas: [replicaOf({})],
    uptimeMs: '1000',
    ...changes,
  };
}

export function replicaOf(changes: object): object {
  return {
    address: 'r:8081',
    state: 'NODE_STATE_STREAMING',
    acked: { epoch: EPOCH, lsn: '1190' },
    lagRecords: '0',
    lagMs: '0',
    fullResyncs: 0,
    partialResyncs: 1,
    different: false,
    applyDelayMs: '0',
    problem: '',
    ...changes,
  };
}

export function snapshotOf(changes: Partial<Snapshot> = {}): Snapshot {
  return { kind: 'node', version: '0.0.0', atMs: AT_MS, view: statusOf(), figures: {}, ...changes };
}
