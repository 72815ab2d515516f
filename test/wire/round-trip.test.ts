/** What the model says survives the wire: encoded by one node, decoded by another. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StatusResponseSchema } from '#gen/walnut/v1/admin_pb.ts';
import { GetUpdatesRequestSchema, GetUpdatesResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import {
  AnnounceRequestSchema,
  AnnounceResponseSchema,
  ClaimRequestSchema,
  ClaimResponseSchema,
  FetchSnapshotResponseSchema,
  RegisterRequestSchema,
  RegisterResponseSchema,
  ReplicateRequestSchema,
  ReplicateResponseSchema,
  TakeOverRequestSchema,
  TakeOverResponseSchema,
} from '#gen/walnut/v1/replication_pb.ts';
import { WalnutError } from '#model/errors.ts';
import { type Lsn, NO_LSN, NO_POSITION, TERM_MAX } from '#model/position.ts';
import type { ReplicateVerdict, ResyncVerdict } from '#model/replication.ts';
import type { NodeState } from '#model/status.ts';
import * as leadership from '#wire/leadership-codec.ts';
import { checkAddress, toSafeNumber } from '#wire/numbers.ts';
import * as replication from '#wire/replication-codec.ts';
import {
  fromUpdatesAnswer,
  fromUpdatesCommand,
  toUpdatesAnswer,
  toUpdatesCommand,
} from '#wire/scan-codec.ts';
import * as snapshot from '#wire/snapshot-codec.ts';
import { fromStatus, toStatus } from '#wire/status-codec.ts';

const number = fc.maxSafeNat();
const integer = fc.maxSafeInteger();
const uint32 = fc.nat({ max: 0xffff_ffff });
const lsn = number as fc.Arbitrary<Lsn>;
const term = fc.nat({ max: TERM_MAX });
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const id = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => value.toString(16).padStart(32, '0'));
const bytes = fc.uint8Array({ maxLength: 50 });
const position = fc.record({ epoch: number, lsn });
const chainPoint = fc.record({ epoch: number, lsn, crc: uint32 });
const address = fc.nat({ max: 65_534 }).map((port) => `node-${port % 7}:${port + 1}`);
/** Absent from a node that states none. */
const formatLevel = fc.integer({ min: 1, max: 0xffff_ffff });
const stated = fc.option(formatLevel, { nil: undefined });
function withoutUnstated<T extends { formatLevel?: number | undefined }>(value: T): T {
  const { formatLevel, ...rest } = value;
  return (formatLevel === undefined ? rest : value) as T;
}
const group = fc.record({
  replicas: fc.array(address),
  removed: fc.array(address, { maxLength: 2 }),
  nodes: fc.array(fc.record({ address, nodeId: id, formatLevel }, { requiredKeys: ['address', 'nodeId'] }), {
    maxLength: 2,
  }),
});
const HEARTBEAT = {
  masterNodeId: '0'.repeat(32),
  logId: '0'.repeat(32),
  term: 1,
  previous: { epoch: 1, lsn: NO_LSN, crc: 0 },
  frames: new Uint8Array(0),
  durableLsn: NO_LSN,
  logClockMs: 0,
  ackWhenDurable: false,
};
const epochs = fc.array(fc.record({ epoch: number, firstLsn: lsn }), { maxLength: 4 });
const state = fc.constantFrom<NodeState>(
  'loading',
  'serving',
  'streaming',
  'catching_up',
  'quarantined',
  'fenced',
  'no_space',
  'draining',
);
const resync: fc.Arbitrary<ResyncVerdict> = fc.oneof(
  fc.constant({ kind: 'continue' as const }),
  fc.record({ kind: fc.constantFrom('snapshot' as const, 'conflict' as const), reason: text }),
);
const verdict: fc.Arbitrary<ReplicateVerdict> = fc.oneof(
  fc.constant({ kind: 'ok' as const }),
  fc.record({ kind: fc.constant('need' as const), tail: chainPoint }),
  fc.record({ kind: fc.constant('conflict' as const), epochs }),
  fc.record({ kind: fc.constant('fenced' as const), term }),
);

/** `encode` and `decode` as two nodes use them, with real bytes between. */
function itSurvives<T>(name: string, model: fc.Arbitrary<T>, pass: (value: T) => T): void {
  it(name, () => {
    fc.assert(
      fc.property(model, (value) => {
        expect(pass(value)).toEqual(value);
      }),
    );
  });
}

describe('the model survives the wire', () => {
  itSurvives(
    'register, asking',
    fc
      .record({
        nodeId: id,
        incarnation: text,
        advertise: text,
        logId: fc.oneof(id, fc.constant('')),
        tail: chainPoint,
        upstreamPath: fc.array(id, { maxLength: 3 }),
        fullResyncReason: text,
        applyDelayMs: number,
        term,
        formatLevel: stated,
      })
      .map(withoutUnstated),
    (value) => {
      const wire = toBinary(RegisterRequestSchema, replication.fromRegisterRequest(value));
      return replication.toRegisterRequest(fromBinary(RegisterRequestSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'register, answering',
    fc
      .record({
        masterNodeId: id,
        logId: id,
        term,
        epochs,
        latest: chainPoint,
        logClockMs: number,
        verdict: resync,
        address: text,
        group,
        formatLevel: stated,
      })
      .map(withoutUnstated),
    (value) => {
      const wire = toBinary(RegisterResponseSchema, replication.fromRegisterAnswer(value));
      return replication.toRegisterAnswer(fromBinary(RegisterResponseSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'replicate, asking',
    fc.record({
      masterNodeId: id,
      logId: id,
      term,
      previous: chainPoint,
      frames: bytes,
      durableLsn: lsn,
      logClockMs: number,
      ackWhenDurable: fc.boolean(),
      digest: fc.oneof(id, fc.constant('')),
      group: fc.option(group, { nil: undefined }),
      replicaNodeId: fc.option(id, { nil: undefined }),
    }),
    (value) => {
      const wire = toBinary(ReplicateRequestSchema, replication.fromReplicateRequest(value));
      return replication.toReplicateRequest(fromBinary(ReplicateRequestSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'claim',
    fc.record({ logId: id, term, nodeId: id, receiverNodeId: fc.option(id, { nil: undefined }) }),
    (value) => {
      const wire = toBinary(ClaimRequestSchema, leadership.fromClaimRequest(value));
      return leadership.toClaimRequest(fromBinary(ClaimRequestSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'claim, answering',
    fc.record({
      isGranted: fc.boolean(),
      hasNoVote: fc.boolean(),
      term,
      reason: text,
      tail: position,
      nodeId: fc.option(id, { nil: undefined }),
    }),
    (value) => {
      const wire = toBinary(ClaimResponseSchema, leadership.fromClaimAnswer(value));
      return leadership.toClaimAnswer(fromBinary(ClaimResponseSchema, wire)) as typeof value;
    },
  );
  itSurvives('announce', fc.record({ logId: id, term, nodeId: id, advertise: text }), (value) =>
    leadership.toAnnounceRequest(
      fromBinary(
        AnnounceRequestSchema,
        toBinary(AnnounceRequestSchema, leadership.fromAnnounceRequest(value)),
      ),
    ),
  );
  itSurvives('announce, answering', fc.record({ fencedBy: fc.option(term, { nil: undefined }) }), (value) => {
    const wire = toBinary(AnnounceResponseSchema, leadership.fromAnnounceAnswer(value));
    return leadership.toAnnounceAnswer(fromBinary(AnnounceResponseSchema, wire)) as typeof value;
  });
  itSurvives(
    'take over',
    fc.record({
      logId: id,
      term,
      nodeId: id,
      tail: chainPoint,
      isCheck: fc.boolean(),
      replicaNodeId: fc.option(id, { nil: undefined }),
    }),
    (value) => {
      const wire = toBinary(TakeOverRequestSchema, leadership.fromTakeOverRequest(value));
      return leadership.toTakeOverRequest(fromBinary(TakeOverRequestSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'take over, answering',
    fc.record({ isAccepted: fc.boolean(), reason: text, nodeId: fc.option(id, { nil: undefined }) }),
    (value) => {
      const wire = toBinary(TakeOverResponseSchema, leadership.fromTakeOverAnswer(value));
      return leadership.toTakeOverAnswer(fromBinary(TakeOverResponseSchema, wire)) as typeof value;
    },
  );
  const hotKeys = fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 20 });
  const digestMismatch = fc.option(fc.record({ lsn, stated: id, found: id }), { nil: undefined });
  itSurvives(
    'replicate, answering',
    fc.record({
      verdict,
      nodeId: fc.option(id, { nil: undefined }),
      durable: position,
      appliedLsn: lsn,
      hotKeys,
      digestMismatch,
    }),
    (value) => {
      const wire = toBinary(ReplicateResponseSchema, replication.fromReplicateAnswer(value));
      return replication.toReplicateAnswer(fromBinary(ReplicateResponseSchema, wire)) as typeof value;
    },
  );
  it('of a group that version 0.1 let grow without a bound the newest are read', () => {
    const addresses = (kind: string) => Array.from({ length: 2_000 }, (_, i) => `${kind}-${i}:1`);
    const group = { replicas: addresses('r'), removed: addresses('gone'), nodes: [] };
    const push = { ...HEARTBEAT, group };
    const read = replication.toReplicateRequest(replication.fromReplicateRequest(push)).group;
    expect(read?.replicas).toEqual(addresses('r').slice(-192));
    expect(read?.removed).toEqual(addresses('gone').slice(-512));
  });
  it('a hint of keys over its bound is cut', () => {
    const keys = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(1_000));
    const answer = {
      verdict: { kind: 'ok' },
      durable: NO_POSITION,
      appliedLsn: NO_LSN,
      hotKeys: keys,
    } as const;
    expect(replication.toReplicateAnswer(replication.fromReplicateAnswer(answer)).hotKeys).toEqual(
      keys.slice(0, 4),
    );
  });
  itSurvives(
    'a slice of a snapshot',
    fc.record({ position, offset: number, totalBytes: number, bytes }),
    (value) => {
      const wire = toBinary(FetchSnapshotResponseSchema, snapshot.fromSnapshotChunk(value));
      return snapshot.toSnapshotChunk(fromBinary(FetchSnapshotResponseSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'updates, asking',
    fc.record({
      after: position,
      format: fc.constantFrom('entries' as const, 'frames' as const),
      bytesMax: fc.nat({ max: 16_777_216 }),
    }),
    (value) => {
      const wire = toBinary(GetUpdatesRequestSchema, fromUpdatesCommand(value));
      return toUpdatesCommand(fromBinary(GetUpdatesRequestSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'updates, answering',
    fc.record({
      updates: fc.array(
        fc.record({
          position,
          timestampMs: number,
          op: fc.constantFrom('set' as const, 'delete' as const),
          cause: fc.constantFrom(
            'client' as const,
            'expired' as const,
            'evicted' as const,
            'restored' as const,
          ),
          key: text,
          value: bytes,
          expireAtMs: number,
        }),
        { maxLength: 3 },
      ),
      frames: bytes,
      last: position,
      latest: position,
      earliest: position,
    }),
    (value) => {
      const wire = toBinary(GetUpdatesResponseSchema, fromUpdatesAnswer(value));
      return toUpdatesAnswer(fromBinary(GetUpdatesResponseSchema, wire)) as typeof value;
    },
  );
  itSurvives(
    'status',
    fc.record({
      nodeId: id,
      role: fc.constantFrom('master' as const, 'replica' as const),
      state,
      isReady: fc.boolean(),
      reasons: fc.array(text, { maxLength: 2 }),
      logId: id,
      term,
      promotions: uint32,
      position,
      durableLsn: lsn,
      appliedLsn: lsn,
      earliestLsn: lsn,
      wal: fc.record({ segments: uint32, bytes: number, formatLevel: uint32 }),
      store: fc.record({
        entries: number,
        bytes: number,
        entriesMax: number,
        bytesMax: number,
        hits: number,
        misses: number,
        evicted: number,
        expired: number,
        refused: number,
      }),
      integrity: fc.record({
        digestComparisons: number,
        digestMismatches: number,
        rebuilds: number,
        scrubs: number,
        alteredFound: number,
        scrubFraction: fc.double({ min: 0, max: 1, noNaN: true }),
        lastScrubAtMs: number,
      }),
      upstream: fc.option(
        fc.record({ address: text, isLinked: fc.boolean(), lagRecords: number, lagMs: number }),
        { nil: undefined },
      ),
      replicas: fc.array(
        fc.record({
          nodeId: id,
          address: text,
          state,
          acked: position,
          lagRecords: number,
          lagMs: number,
          fullResyncs: uint32,
          partialResyncs: uint32,
          lastFullResyncReason: text,
          isDifferent: fc.boolean(),
          applyDelayMs: number,
          problem: text,
        }),
        { maxLength: 2 },
      ),
      uptimeMs: number,
      version: text,
      clock: fc.option(
        fc.record({ logMs: number, aheadMs: integer, wallOffsetMs: integer, shiftMs: integer }),
        { nil: undefined },
      ),
      delay: fc.option(
        fc.record({
          delayMs: number,
          isHeld: fc.boolean(),
          waitingRecords: number,
          nextDueInMs: fc.option(number, { nil: undefined }),
        }),
        { nil: undefined },
      ),
    }),
    (value) =>
      toStatus(
        fromBinary(StatusResponseSchema, toBinary(StatusResponseSchema, fromStatus(value))),
      ) as typeof value,
  );
});

describe('numbers', () => {
  it('beyond 2^53 - 1 are refused, never rounded', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        if (value <= BigInt(Number.MAX_SAFE_INTEGER)) expect(BigInt(toSafeNumber(value, 'x'))).toBe(value);
        else expect(() => toSafeNumber(value, 'x')).toThrow(WalnutError);
      }),
    );
  });
});

describe('addresses', () => {
  it.each(['a:1', 'replica-1.example:65535', '10.0.0.1:8080', '[::1]:8081', 'my_host:80'])(
    '%s is one',
    (address) => expect(checkAddress(address, 'address')).toBe(address),
  );
  it.each([
    '',
    'a',
    ':80',
    'a:',
    'a:0',
    'a:65536',
    'a:080808',
    '::1:80',
    'http://a:80',
    '[fe80::1%eth0]:1',
    'a b:80',
    'a:80/x',
    'a\n:80',
  ])('%j is not one', (address) =>
    expect(() => checkAddress(address, 'address')).toThrow('expected host:port'),
  );
});
