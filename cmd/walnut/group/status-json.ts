/** The state of a node as JSON. Pure. */
import type { MemberStatus, ReplicaStatus, StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { enumName, showPosition } from '../output/output.ts';
import { clockToJson } from './clock-command.ts';
import { delayToJson } from './delay-command.ts';

export function statusToJson(status: StatusResponse): Record<string, unknown> {
  const { wal, store, master } = status;
  return {
    nodeId: status.nodeId,
    role: enumName(Role, status.role),
    state: enumName(NodeState, status.state),
    ready: status.ready,
    reasons: status.reasons,
    logId: status.logId,
    term: status.term,
    promotions: status.promotions,
    position: showPosition(status.position),
    durableLsn: Number(status.durableLsn),
    appliedLsn: Number(status.appliedLsn),
    earliestLsn: Number(status.earliestLsn),
    wal: {
      segments: wal?.segments ?? 0,
      bytes: Number(wal?.bytes ?? 0),
      formatLevel: wal?.formatLevel ?? 0,
    },
    store: {
      entries: Number(store?.entries ?? 0),
      bytes: Number(store?.bytes ?? 0),
      maxEntries: Number(store?.maxEntries ?? 0),
      maxBytes: Number(store?.maxBytes ?? 0),
      hits: Number(store?.hits ?? 0),
      misses: Number(store?.misses ?? 0),
      evicted: Number(store?.evicted ?? 0),
      expired: Number(store?.expired ?? 0),
    },
    ...(master === undefined
      ? {}
      : {
          master: {
            address: master.address,
            linked: master.linked,
            lagRecords: Number(master.lagRecords),
            lagMs: Number(master.lagMs),
          },
        }),
    ...(status.delay === undefined ? {} : { delay: delayToJson(status.delay) }),
    ...(status.clock === undefined ? {} : { clock: clockToJson(status.clock) }),
    ...(status.member === undefined ? {} : { member: memberToJson(status.member) }),
    replicas: status.replicas.map(replicaToJson),
    ...(status.observers === undefined
      ? {}
      : {
          observers: {
            count: status.observers.count,
            furthest: status.observers.furthest.map(replicaToJson),
            different: status.observers.different,
          },
        }),
    integrity: {
      digestComparisons: Number(status.integrity?.digestComparisons ?? 0),
      digestMismatches: Number(status.integrity?.digestMismatches ?? 0),
      rebuilds: Number(status.integrity?.rebuilds ?? 0),
      scrubs: Number(status.integrity?.scrubs ?? 0),
      alteredFound: Number(status.integrity?.alteredFound ?? 0),
      scrubFraction: status.integrity?.scrubFraction ?? 0,
      lastScrubAtMs: Number(status.integrity?.lastScrubAtMs ?? 0),
    },
    uptimeMs: Number(status.uptimeMs),
    version: status.version,
  };
}

function memberToJson({ cluster, clusterId, node, group, owned }: MemberStatus): Record<string, unknown> {
  const slots = owned?.ranges.map(({ first, last }) => ({ first, last })) ?? null;
  return { cluster, clusterId, node, group, slots };
}

function replicaToJson(replica: ReplicaStatus): Record<string, unknown> {
  return {
    nodeId: replica.nodeId,
    address: replica.address,
    state: enumName(NodeState, replica.state),
    acked: showPosition(replica.acked),
    lagRecords: Number(replica.lagRecords),
    lagMs: Number(replica.lagMs),
    fullResyncs: replica.fullResyncs,
    partialResyncs: replica.partialResyncs,
    lastFullResyncReason: replica.lastFullResyncReason,
    different: replica.different,
    applyDelayMs: Number(replica.applyDelayMs),
    problem: replica.problem,
  };
}
