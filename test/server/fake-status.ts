/** The identity of the fake node, and what it gives to those who ask for Status or a push. */
import { type Lsn, type Position, toLsn } from '#model/position.ts';
import type { ReplicateRequest } from '#model/replication.ts';
import type { NodeStatus } from '#model/status.ts';

export const EPOCH = 4_294_967_297;
export const NODE_ID = '0123456789abcdef0123456789abcdef';
export const LOG_ID = 'fedcba9876543210fedcba9876543210';

export function positionOf(lsn: number): Position {
  return { epoch: EPOCH, lsn: toLsn(lsn) };
}

export const FAKE_PUSH: ReplicateRequest = {
  masterNodeId: NODE_ID,
  logId: LOG_ID,
  term: 1,
  previous: { ...positionOf(3), crc: 17 },
  frames: new Uint8Array([1, 2, 3]),
  durableLsn: toLsn(9),
  logClockMs: 1_234,
  ackWhenDurable: false,
};

export function fakeStatus(lsn: number, entries: number): NodeStatus {
  return {
    nodeId: NODE_ID,
    role: 'master',
    state: 'serving',
    isReady: true,
    reasons: [],
    logId: LOG_ID,
    term: 1,
    promotions: 2,
    position: positionOf(lsn),
    durableLsn: toLsn(lsn),
    appliedLsn: toLsn(lsn),
    earliestLsn: 1 as Lsn,
    wal: { segments: 2, bytes: 4_096, formatLevel: 1 },
    store: {
      entries,
      bytes: 1_000,
      entriesMax: 10,
      bytesMax: 2_000,
      hits: 3,
      misses: 4,
      evicted: 5,
      expired: 6,
      refused: 7,
    },
    integrity: {
      digestComparisons: 7,
      digestMismatches: 1,
      rebuilds: 2,
      scrubs: 3,
      alteredFound: 1,
      scrubFraction: 0.25,
      lastScrubAtMs: 1_700_000_000_000,
    },
    upstream: undefined,
    replicas: [],
    uptimeMs: 12_345.6,
    version: '0.0.0-test',
  };
}
