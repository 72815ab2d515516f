/** Converts what a coordinator answers, and what operators ask of it, from and to protobuf. Pure; bad input throws `invalid_argument`. */
import type {
  Alarm,
  ClusterPlan,
  ClusterView,
  GroupPlan,
  GroupStatus,
  InitAnswer,
  NodeHealth,
  NodesView,
} from '#cluster/coordinator-port.ts';
import type { RecoveryPlan } from '#cluster/plan-recovery.ts';
import type { NodeStatus } from '#cluster/shard-map.ts';
import { NodeStatus as WireStatus } from '#gen/walnut/cluster/v1/records_pb.ts';
import type {
  AddGroupRequest,
  Alarm as AlarmMessage,
  FailoverGroupRequest,
  GetClusterResponse,
  GroupPlan as GroupPlanMessage,
  GroupStatus as GroupStatusMessage,
  InitClusterRequest,
  InitClusterResponse,
  ListNodesResponse,
  NodeHealth as NodeHealthMessage,
  RecoverClusterRequest,
  RecoverClusterResponse,
  SetNodeStatusRequest,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import { fromHeartbeat } from '#wire/heartbeat-codec.ts';
import { checkGroupId, checkNodeName, fromGroup, fromNode } from '#wire/shard-map-codec.ts';

/** The most replicas of a group. */
const REPLICAS_MAX = 15;

export function fromClusterView(view: ClusterView, version: string): GetClusterResponse {
  const { name, clusterId, epoch, activeCoordinator, isActive, groups, alarms, warnings, metadataProblem } =
    view;
  return {
    $typeName: 'walnut.v1.GetClusterResponse',
    ...{ name, clusterId, activeCoordinator, isActive, version },
    epoch: BigInt(epoch),
    groups: groups.map(fromGroupStatus),
    alarms: alarms.map(fromAlarm),
    warnings: [...warnings],
    metadataProblem,
  };
}

export function fromNodesView({ nodes, isActive, activeCoordinator }: NodesView): ListNodesResponse {
  return {
    $typeName: 'walnut.v1.ListNodesResponse',
    nodes: nodes.map(fromNodeHealth),
    isActive,
    activeCoordinator,
  };
}

export function toClusterPlan({ groups, auto }: InitClusterRequest): ClusterPlan {
  if (groups.length > 0 === (auto !== undefined))
    throw invalidArgument('expected either groups or auto: the groups, or how many replicas each shall have');
  if (auto === undefined) return { kind: 'given', groups: groups.map(toGroupPlan) };
  if (auto.replicas <= REPLICAS_MAX) return { kind: 'auto', replicas: auto.replicas };
  throw invalidArgument(`auto.replicas is ${auto.replicas}: expected at most ${REPLICAS_MAX}`);
}

export function fromInitAnswer({ epoch, clusterId, groups }: InitAnswer): InitClusterResponse {
  return {
    $typeName: 'walnut.v1.InitClusterResponse',
    epoch: BigInt(epoch),
    clusterId,
    groups: groups.map(fromGroupPlan),
  };
}

/** `to` is empty where any voter will do. */
export function toFailoverGroup({ group, to }: FailoverGroupRequest): { group: string; to: string } {
  return { group: checkGroupId(group, 'group'), to: to === '' ? '' : checkNodeName(to, 'to') };
}

export function toSetNodeStatus({ node, status }: SetNodeStatusRequest): {
  node: string;
  status: NodeStatus;
} {
  const name = checkNodeName(node, 'node');
  if (status === WireStatus.ACTIVE) return { node: name, status: 'active' };
  if (status === WireStatus.DRAINING) return { node: name, status: 'draining' };
  throw invalidArgument(`status is ${status}: expected NODE_STATUS_ACTIVE or NODE_STATUS_DRAINING`);
}

export function toAddGroup({ group }: AddGroupRequest): GroupPlan {
  if (group === undefined)
    throw invalidArgument('group is missing: expected its id and the names of its nodes');
  return toGroupPlan(group);
}

/** The id of the group that is forced; empty: none is. */
export function toForcedGroup({ forceGroup }: RecoverClusterRequest): string {
  return forceGroup === '' ? '' : checkGroupId(forceGroup, 'force_group');
}

export function fromRecoveryPlan(plan: RecoveryPlan, isApplied: boolean): RecoverClusterResponse {
  const { clusterId, epoch, groups, problems } = plan;
  return {
    $typeName: 'walnut.v1.RecoverClusterResponse',
    applied: isApplied,
    clusterId,
    epoch: BigInt(epoch),
    groups: groups.map(({ group, heard, missing }) => ({
      $typeName: 'walnut.v1.GroupRecovery',
      group: fromGroup(group),
      heard: [...heard],
      missing: [...missing],
    })),
    problems: [...problems],
  };
}

function fromGroupStatus({ group, slots, isTakingWrites, votersHeard }: GroupStatus): GroupStatusMessage {
  return {
    $typeName: 'walnut.v1.GroupStatus',
    group: fromGroup(group),
    slots,
    takesWrites: isTakingWrites,
    votersHeard,
  };
}

function fromAlarm({ why, sinceMs }: Alarm): AlarmMessage {
  return { $typeName: 'walnut.v1.Alarm', why, sinceMs: BigInt(Math.round(sinceMs)) };
}

function fromNodeHealth({ node, isListed, group, heard }: NodeHealth): NodeHealthMessage {
  return {
    $typeName: 'walnut.v1.NodeHealth',
    node: fromNode(node),
    listed: isListed,
    group,
    heard: heard !== undefined,
    // Rounded down, so that a node which is just heard is not shown as silent.
    heardAgoMs: BigInt(Math.floor(heard?.agoMs ?? 0)),
    heartbeat: heard && fromHeartbeat(heard.heartbeat),
  };
}

function fromGroupPlan({ id, nodes }: GroupPlan): GroupPlanMessage {
  return { $typeName: 'walnut.v1.GroupPlan', id, nodes: [...nodes] };
}

function toGroupPlan({ id, nodes }: GroupPlanMessage): GroupPlan {
  return {
    id: checkGroupId(id, 'groups.id'),
    nodes: nodes.map((node) => checkNodeName(node, 'groups.nodes')),
  };
}
