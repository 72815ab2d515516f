/** Converts Status between the model and protobuf, in both directions: peers and the command line read it, too. */
import type {
  DelayStatus as DelayMessage,
  IntegrityStatus as IntegrityMessage,
  MasterStatus as MasterMessage,
  MemberStatus as MemberMessage,
  ReplicaStatus as ReplicaMessage,
  StatusResponse,
} from '#gen/walnut/v1/admin_pb.ts';
import { Role as WireRole, NodeState as WireState } from '#gen/walnut/v1/types_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import {
  type DelayStatus,
  INTEGRITY_UNKNOWN,
  type IntegrityStatus,
  type MemberStatus,
  type NodeState,
  type NodeStatus,
  type ReplicaStatus,
  SCRUB_UNKNOWN,
  type ScrubStatus,
  type UpstreamStatus,
} from '#model/status.ts';
import { fromClock, toClock } from '#wire/clock-codec.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toLsnField, toPositionOrNone } from '#wire/position-codec.ts';
import { fromOwned, toOwned } from '#wire/shard-map-codec.ts';

const STATES: Readonly<Record<NodeState, WireState>> = {
  loading: WireState.LOADING,
  serving: WireState.SERVING,
  streaming: WireState.STREAMING,
  delayed: WireState.DELAYED,
  catching_up: WireState.CATCHING_UP,
  quarantined: WireState.QUARANTINED,
  fenced: WireState.FENCED,
  no_space: WireState.NO_SPACE,
  no_lease: WireState.NO_LEASE,
  draining: WireState.DRAINING,
};

export function fromStatus(status: NodeStatus): StatusResponse {
  return {
    $typeName: 'walnut.v1.StatusResponse',
    nodeId: status.nodeId,
    role: status.role === 'master' ? WireRole.MASTER : WireRole.REPLICA,
    state: STATES[status.state],
    ready: status.isReady,
    reasons: [...status.reasons],
    logId: status.logId,
    position: fromPosition(status.position),
    durableLsn: BigInt(status.durableLsn),
    appliedLsn: BigInt(status.appliedLsn),
    earliestLsn: BigInt(status.earliestLsn),
    wal: {
      $typeName: 'walnut.v1.WalStatus',
      segments: status.wal.segments,
      bytes: BigInt(status.wal.bytes),
      formatLevel: status.wal.formatLevel,
    },
    store: {
      $typeName: 'walnut.v1.StoreStatus',
      entries: BigInt(status.store.entries),
      bytes: BigInt(status.store.bytes),
      hits: BigInt(status.store.hits),
      misses: BigInt(status.store.misses),
      evicted: BigInt(status.store.evicted),
      expired: BigInt(status.store.expired),
      maxEntries: BigInt(status.store.entriesMax),
      maxBytes: BigInt(status.store.bytesMax),
      refused: BigInt(status.store.refused),
    },
    master: status.upstream === undefined ? undefined : fromUpstream(status.upstream),
    replicas: status.replicas.map(fromReplica),
    observers: status.observers && {
      $typeName: 'walnut.v1.ObserversStatus',
      count: status.observers.count,
      furthest: status.observers.furthest.map(fromReplica),
      different: status.observers.different,
    },
    uptimeMs: toUint64(status.uptimeMs),
    version: status.version,
    integrity: fromIntegrity(status.integrity),
    term: status.term,
    promotions: status.promotions,
    delay: status.delay === undefined ? undefined : fromDelay(status.delay),
    clock: status.clock === undefined ? undefined : fromClock(status.clock),
    member: status.member && fromMember(status.member),
    cluster: undefined,
  };
}

function fromMember({ cluster, clusterId, node, group, owned }: MemberStatus): MemberMessage {
  return {
    $typeName: 'walnut.v1.MemberStatus',
    ...{ cluster, clusterId, node, group },
    owned: owned && fromOwned(owned, group),
  };
}

function fromIntegrity(integrity: IntegrityStatus & ScrubStatus): IntegrityMessage {
  return {
    $typeName: 'walnut.v1.IntegrityStatus',
    digestComparisons: BigInt(integrity.digestComparisons),
    digestMismatches: BigInt(integrity.digestMismatches),
    rebuilds: BigInt(integrity.rebuilds),
    scrubs: BigInt(integrity.scrubs),
    alteredFound: BigInt(integrity.alteredFound),
    scrubFraction: integrity.scrubFraction,
    lastScrubAtMs: BigInt(integrity.lastScrubAtMs),
  };
}

function toIntegrity(message: IntegrityMessage | undefined): IntegrityStatus & ScrubStatus {
  if (message === undefined) return { ...INTEGRITY_UNKNOWN, ...SCRUB_UNKNOWN };
  return {
    digestComparisons: toSafeNumber(message.digestComparisons, 'integrity.digest_comparisons'),
    digestMismatches: toSafeNumber(message.digestMismatches, 'integrity.digest_mismatches'),
    rebuilds: toSafeNumber(message.rebuilds, 'integrity.rebuilds'),
    scrubs: toSafeNumber(message.scrubs, 'integrity.scrubs'),
    alteredFound: toSafeNumber(message.alteredFound, 'integrity.altered_found'),
    scrubFraction: message.scrubFraction,
    lastScrubAtMs: toSafeNumber(message.lastScrubAtMs, 'integrity.last_scrub_at_ms'),
  };
}

export function fromDelay(delay: DelayStatus): DelayMessage {
  const { nextDueInMs } = delay;
  return {
    $typeName: 'walnut.v1.DelayStatus',
    applyDelayMs: BigInt(delay.delayMs),
    held: delay.isHeld,
    waitingRecords: toUint64(delay.waitingRecords),
    ...(nextDueInMs === undefined ? {} : { nextDueInMs: toUint64(nextDueInMs) }),
  };
}

function fromUpstream(upstream: UpstreamStatus): MasterMessage {
  return {
    $typeName: 'walnut.v1.MasterStatus',
    address: upstream.address,
    linked: upstream.isLinked,
    lagRecords: toUint64(upstream.lagRecords),
    lagMs: toUint64(upstream.lagMs),
  };
}

function fromReplica(replica: ReplicaStatus): ReplicaMessage {
  return {
    $typeName: 'walnut.v1.ReplicaStatus',
    nodeId: replica.nodeId,
    address: replica.address,
    state: STATES[replica.state],
    acked: fromPosition(replica.acked),
    lagRecords: toUint64(replica.lagRecords),
    lagMs: toUint64(replica.lagMs),
    fullResyncs: replica.fullResyncs,
    partialResyncs: replica.partialResyncs,
    lastFullResyncReason: replica.lastFullResyncReason,
    different: replica.isDifferent ?? false,
    applyDelayMs: BigInt(replica.applyDelayMs),
    problem: replica.problem ?? '',
  };
}

/** Rounds a time, which is fractional in the model; a lag between two clocks may be below zero. */
function toUint64(value: number): bigint {
  return BigInt(Math.max(0, Math.floor(value)));
}

export function toStatus(response: StatusResponse): NodeStatus {
  const { wal, store } = response;
  return {
    nodeId: response.nodeId,
    role: response.role === WireRole.MASTER ? 'master' : 'replica',
    state: toState(response.state),
    isReady: response.ready,
    reasons: response.reasons,
    logId: response.logId,
    term: response.term,
    promotions: response.promotions,
    position: toPositionOrNone(response.position, 'position'),
    durableLsn: toLsnField(response.durableLsn, 'durable_lsn'),
    appliedLsn: toLsnField(response.appliedLsn, 'applied_lsn'),
    earliestLsn: toLsnField(response.earliestLsn, 'earliest_lsn'),
    wal: {
      segments: wal?.segments ?? 0,
      bytes: toSafeNumber(wal?.bytes ?? 0n, 'wal.bytes'),
      formatLevel: wal?.formatLevel ?? 0,
    },
    store: {
      entries: toSafeNumber(store?.entries ?? 0n, 'store.entries'),
      bytes: toSafeNumber(store?.bytes ?? 0n, 'store.bytes'),
      hits: toSafeNumber(store?.hits ?? 0n, 'store.hits'),
      misses: toSafeNumber(store?.misses ?? 0n, 'store.misses'),
      evicted: toSafeNumber(store?.evicted ?? 0n, 'store.evicted'),
      expired: toSafeNumber(store?.expired ?? 0n, 'store.expired'),
      entriesMax: toSafeNumber(store?.maxEntries ?? 0n, 'store.max_entries'),
      bytesMax: toSafeNumber(store?.maxBytes ?? 0n, 'store.max_bytes'),
      refused: toSafeNumber(store?.refused ?? 0n, 'store.refused'),
    },
    integrity: toIntegrity(response.integrity),
    upstream: response.master === undefined ? undefined : toUpstream(response.master),
    replicas: response.replicas.map(toReplica),
    observers: response.observers && {
      count: response.observers.count,
      furthest: response.observers.furthest.map(toReplica),
      different: response.observers.different,
    },
    uptimeMs: toSafeNumber(response.uptimeMs, 'uptime_ms'),
    version: response.version,
    delay: response.delay === undefined ? undefined : toDelay(response.delay),
    clock: response.clock === undefined ? undefined : toClock(response.clock),
    member: response.member && toMember(response.member),
  };
}

function toMember({ cluster, clusterId, node, group, owned }: MemberMessage): MemberStatus {
  return { cluster, clusterId, node, group, owned: owned && toOwned(owned) };
}

function toDelay(message: DelayMessage): DelayStatus {
  const { nextDueInMs } = message;
  return {
    delayMs: toSafeNumber(message.applyDelayMs, 'delay.apply_delay_ms'),
    isHeld: message.held,
    waitingRecords: toSafeNumber(message.waitingRecords, 'delay.waiting_records'),
    nextDueInMs: nextDueInMs === undefined ? undefined : toSafeNumber(nextDueInMs, 'delay.next_due_in_ms'),
  };
}

function toUpstream(message: MasterMessage): UpstreamStatus {
  return {
    address: message.address,
    isLinked: message.linked,
    lagRecords: toSafeNumber(message.lagRecords, 'master.lag_records'),
    lagMs: toSafeNumber(message.lagMs, 'master.lag_ms'),
  };
}

function toReplica(message: ReplicaMessage): ReplicaStatus {
  return {
    nodeId: message.nodeId,
    address: message.address,
    state: toState(message.state),
    acked: toPositionOrNone(message.acked, 'replicas.acked'),
    lagRecords: toSafeNumber(message.lagRecords, 'replicas.lag_records'),
    lagMs: toSafeNumber(message.lagMs, 'replicas.lag_ms'),
    fullResyncs: message.fullResyncs,
    partialResyncs: message.partialResyncs,
    lastFullResyncReason: message.lastFullResyncReason,
    isDifferent: message.different,
    applyDelayMs: toSafeNumber(message.applyDelayMs, 'replicas.apply_delay_ms'),
    problem: message.problem,
  };
}

export function fromState(state: NodeState): WireState {
  return STATES[state];
}

/** Undefined for a state that this version does not know. */
export function tryState(wire: WireState): NodeState | undefined {
  for (const [state, value] of Object.entries(STATES)) if (value === wire) return state as NodeState;
  return undefined;
}

function toState(wire: WireState): NodeState {
  const state = tryState(wire);
  if (state !== undefined) return state;
  throw invalidArgument(`state is ${wire}: not a state this version knows`);
}
