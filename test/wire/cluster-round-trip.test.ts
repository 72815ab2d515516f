/** Heartbeats, maps and what is asked of members survive the wire: encoded by one process, decoded by another. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffMaps } from '#cluster/map-diff.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { MapChangeSchema, ShardMapSchema } from '#gen/walnut/cluster/v1/map_pb.ts';
import * as memberMessages from '#gen/walnut/cluster/v1/member_pb.ts';
import { HeartbeatRequestSchema, HeartbeatResponseSchema } from '#gen/walnut/v1/coordinator_pb.ts';
import { CONFIGURED_REPLICAS_MAX, KNOWN_REPLICAS_MAX } from '#model/limits.ts';
import { type Lsn, TERM_MAX } from '#model/position.ts';
import { heartbeatOf, NO_REPORT } from '#test/doubles/heartbeat.ts';
import * as heartbeats from '#wire/heartbeat-codec.ts';
import * as members from '#wire/member-codec.ts';
import * as maps from '#wire/shard-map-codec.ts';

const number = fc.maxSafeNat();
const term = fc.nat({ max: TERM_MAX });
const text = fc.string({ unit: 'grapheme', maxLength: 9 });
const id = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => value.toString(16).padStart(32, '0'));
const idOrNone = fc.oneof(id, fc.constant(''));
const name = fc.stringMatching(/^[a-z0-9][a-z0-9.:_-]{0,9}$/);
const groupId = fc.stringMatching(/^[a-z0-9-]{1,9}$/);
const position = fc.record({ epoch: number, lsn: number as fc.Arbitrary<Lsn> });
const voter = fc.record({ node: name, incarnation: number });
const next = fc.record({ term, node: name });
const group = fc.record({
  id: groupId,
  logId: id,
  voters: fc.array(voter, { maxLength: 3 }),
  term,
  leader: fc.option(fc.record({ node: name, incarnation: number, tail: position }), { nil: undefined }),
  lastLeader: fc.oneof(name, fc.constant('')),
  next: fc.option(next, { nil: undefined }),
  withdrawn: term,
  grants: fc.option(
    fc.record({ term, count: fc.nat({ max: 9 }), voters: fc.array(voter, { maxLength: 3 }) }),
    { nil: undefined },
  ),
});
const node = fc.record({
  name,
  address: fc.constantFrom('a:1', '[::1]:2'),
  zone: text,
  status: fc.constantFrom('active' as const, 'draining' as const),
});
const range = fc
  .tuple(fc.nat({ max: 16_383 }), fc.nat({ max: 16_383 }))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b), group: 'g1' }));
const map: fc.Arbitrary<ShardMap> = fc
  .record({
    clusterId: id,
    epoch: number,
    groups: fc.uniqueArray(group, { maxLength: 3, selector: (each) => each.id }),
    slots: fc.array(range, { maxLength: 3 }),
    nodes: fc.uniqueArray(node, { maxLength: 3, selector: (each) => each.name }),
  })
  .map(({ groups, nodes, ...rest }) => ({
    ...rest,
    groups: new Map(groups.map((each) => [each.id, each])),
    nodes: new Map(nodes.map((each) => [each.name, each])),
  }));
const to = { clusterId: id, node: name, group: groupId, logId: id };
const heartbeat = fc
  .record({
    clusterId: idOrNone,
    incarnation: number,
    sequence: number,
    address: fc.constantFrom('a:1', ':8080'),
    zone: text,
    clusterName: groupId,
    group: fc.oneof(groupId, fc.constant('')),
    logVoters: fc.array(voter, { maxLength: 3 }),
    votersMin: fc.nat({ max: 9 }),
    plain: fc.option(
      fc.record({ isMaster: fc.boolean(), replicas: fc.array(fc.constantFrom('a:1', 'b:2')) }),
      {
        nil: undefined,
      },
    ),
    role: fc.constantFrom('unassigned' as const, 'master' as const, 'replica' as const),
    term,
    tail: position,
    mapEpoch: number,
    keptMapEpoch: number,
    owned: fc.constantFrom(
      undefined,
      [],
      [
        { first: 0, last: 5 },
        { first: 7, last: 16_383 },
      ],
    ),
    whyNoWrites: text,
    ackedByVoters: fc.nat({ max: 9 }),
    lastAck: fc.option(fc.record({ term, agoMs: number }), { nil: undefined }),
    logId: idOrNone,
    report: fc.record({
      version: text,
      formatLevel: fc.nat({ max: 9 }),
      state: fc.constantFrom('loading' as const, 'serving' as const, 'fenced' as const),
      reasons: fc.array(text, { maxLength: 2 }),
      links: fc.array(fc.record({ node: name, agoMs: number }), { maxLength: 2 }),
      oldestWriteMs: number,
      entries: number,
      bytes: number,
      bytesMax: number,
    }),
  })
  .map((fields) => heartbeatOf('n', fields));

function itSurvives<T, D extends DescMessage>(
  what: string,
  schema: D,
  values: fc.Arbitrary<T>,
  encode: (value: T) => MessageShape<D>,
  decode: (message: MessageShape<D>) => T,
): void {
  it(what, () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(fromBinary(schema, toBinary(schema, encode(value))))).toEqual(value);
      }),
    );
  });
}

describe('what coordinators and members say survives the wire', () => {
  itSurvives(
    'heartbeat',
    HeartbeatRequestSchema,
    heartbeat,
    heartbeats.fromHeartbeat,
    heartbeats.toHeartbeat,
  );
  itSurvives(
    'heartbeat, answering',
    HeartbeatResponseSchema,
    fc.record({
      clusterName: groupId,
      clusterId: idOrNone,
      mapEpoch: number,
      map: fc.option(map, { nil: undefined }),
      group: fc.option(group, { nil: undefined }),
      nodes: fc.array(node, { maxLength: 2 }),
      isLeased: fc.boolean(),
    }),
    heartbeats.fromHeartbeatAnswer,
    heartbeats.toHeartbeatAnswer,
  );
  itSurvives('map', ShardMapSchema, map, maps.fromShardMap, maps.toShardMap);
  itSurvives(
    'change of a map',
    MapChangeSchema,
    fc.tuple(map, map).map(([older, newer]) => diffMaps(older, newer)),
    maps.fromMapChange,
    maps.toMapChange,
  );
  itSurvives(
    'claim',
    memberMessages.ClaimRequestSchema,
    fc.record({ ...to, term, isCheck: fc.boolean() }),
    members.fromTermClaim,
    members.toTermClaim,
  );
  itSurvives(
    'claim, answering',
    memberMessages.ClaimResponseSchema,
    fc.record({
      isGranted: fc.boolean(),
      term,
      reason: text,
      voter,
      tail: position,
      epochs: fc.array(fc.record({ epoch: number, firstLsn: number as fc.Arbitrary<Lsn> }), { maxLength: 2 }),
      isQuarantined: fc.boolean(),
      isLoading: fc.boolean(),
    }),
    members.fromTermClaimAnswer,
    members.toTermClaimAnswer,
  );
  itSurvives(
    'take over',
    memberMessages.TakeOverRequestSchema,
    fc.record({ ...to, term, incarnation: number, tail: position, map }),
    members.fromLeadRequest,
    members.toLeadRequest,
  );
  itSurvives(
    'take over, answering',
    memberMessages.TakeOverResponseSchema,
    fc.record({ isAccepted: fc.boolean(), reason: text, term }),
    members.fromLeadAnswer,
    members.toLeadAnswer,
  );
  itSurvives(
    'hand over',
    memberMessages.HandOverRequestSchema,
    fc.record({ ...to, term, next }),
    members.fromHandOver,
    members.toHandOver,
  );
  itSurvives(
    'hand over, answering',
    memberMessages.HandOverResponseSchema,
    fc.record({ isAccepted: fc.boolean(), leadsOn: fc.boolean(), reason: text }),
    members.fromHandOverAnswer,
    members.toHandOverAnswer,
  );
});

it('a heartbeat has every replica that the master of a plain group can know', () => {
  const most = KNOWN_REPLICAS_MAX + CONFIGURED_REPLICAS_MAX;
  const replicas = Array.from({ length: most }, (_, i) => `replica-${i}:8080`);
  const stated = heartbeatOf('n', { plain: { isMaster: true, replicas } });
  expect(heartbeats.toHeartbeat(heartbeats.fromHeartbeat(stated)).plain?.replicas).toEqual(replicas);
});

describe('what is refused, with what was expected', () => {
  const wire = heartbeats.fromHeartbeat(heartbeatOf('n', { report: NO_REPORT }));
  it.each<[object, RegExp]>([
    [{ node: 'a b' }, /node is "a b": expected letters, digits and .*such as "cache-1"/],
    [{ node: '' }, /node is "": expected letters/],
    [{ clusterId: 'x' }, /cluster_id is "x": expected 32 lower-case hex digits/],
    [{ role: 0 }, /role is 0: not a role this version knows/],
    [{ term: TERM_MAX + 1 }, /term is 2097152: expected at most 2097151/],
    [{ zone: 'z'.repeat(65) }, /zone has 65 characters: expected at most 64/],
  ])('%j in a heartbeat', (fields, message) => {
    expect(() => heartbeats.toHeartbeat({ ...wire, ...fields })).toThrow(message);
  });

  it('a TakeOver without a map, and slots beyond the last', () => {
    const request = { clusterId: '0'.repeat(32), node: 'n', group: 'g1', logId: '0'.repeat(32), term: 1 };
    const claimed = { incarnation: 1, tail: heartbeatOf('n').tail };
    const none = { clusterId: '', epoch: 0, groups: new Map(), slots: [], nodes: new Map() };
    const message = members.fromLeadRequest({ ...request, ...claimed, map: none });
    expect(() => members.toLeadRequest({ ...message, map: undefined })).toThrow(/map is missing/);
    const beyond = { $typeName: 'walnut.cluster.v1.SlotRange' as const, first: 0, last: 16_384, group: 'g1' };
    expect(() => maps.toSlotRange(beyond)).toThrow(/slots 0 to 16384: expected a range within 0 to 16383/);
  });
});
