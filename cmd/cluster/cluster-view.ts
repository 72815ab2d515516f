/** What a cluster on this machine shows: who leads which group, in which term, and who has the lease. Pure. */
import { dirname } from 'node:path';
import { isSilentAfter } from '#cluster/heartbeat.ts';
import {
  type GetClusterResponse,
  type ListNodesResponse,
  MemberRole,
  type NodeHealth,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { command, table, WALNUT } from '../local/local-text.ts';
import { ROLES } from '../walnut/cluster/cluster-views.ts';
import type { ClusterSpec } from './cluster-plan.ts';

export interface ClusterView {
  readonly cluster: GetClusterResponse;
  readonly nodes: ListNodesResponse;
}

/** A process of this run, as the table names it. */
export interface Shown {
  readonly spec: ClusterSpec;
  /** Undefined before its first start. */
  readonly pid: number | undefined;
}

/** True if each group has a leader that takes writes, and all nodes are heard. */
export function isSettled({ cluster: { groups }, nodes: { nodes } }: ClusterView, count: number): boolean {
  const heard = nodes.filter((health) => isHeard(health));
  return groups.length > 0 && groups.every(({ takesWrites }) => takesWrites) && heard.length === count;
}

export function isHeard({ heard, heardAgoMs }: NodeHealth): boolean {
  return heard && !isSilentAfter(Number(heardAgoMs));
}

/** It names nothing that changes while the cluster stays as it is. */
export function clusterTable(all: readonly Shown[], view: ClusterView): string {
  const head = ['name', 'group', 'role', 'term', 'lease', 'address', 'pid'];
  return table(
    head,
    all.map(({ spec: { name, kind, address }, pid }) => {
      const what = kind === 'node' ? nodeCells(name, view) : ['', kind, '', ''];
      return [name, ...what, address, String(pid ?? '')];
    }),
  );
}

/** Group, role, term and lease. */
function nodeCells(name: string, { cluster, nodes }: ClusterView): string[] {
  const health = nodes.nodes.find(({ node }) => node?.name === name);
  const heartbeat = health?.heartbeat;
  if (health === undefined || heartbeat === undefined || !isHeard(health)) return ['', 'not heard', '', ''];
  const status = cluster.groups.find(({ group }) => group?.id === health.group);
  const isMaster = heartbeat.role === MemberRole.MASTER;
  const isLeader = status?.group?.leader?.voter?.node === name;
  const lease = isLeader && status?.takesWrites ? 'held' : 'none';
  return [health.group, ROLES[heartbeat.role] ?? '', String(heartbeat.term), isMaster ? lease : ''];
}

/** Three commands to try. */
export function clusterInvitation(all: readonly Shown[], { cluster }: ClusterView): string {
  const [coordinator, ...nodes] = all;
  const [first] = cluster.groups;
  const leaders = cluster.groups.map(({ group }) =>
    nodes.find(({ spec }) => spec.name === group?.leader?.voter?.node),
  );
  const leader = leaders[0] ?? nodes[0];
  const etcd = nodes.find(({ spec }) => spec.kind === 'etcd');
  const coordinators = `--coordinators ${coordinator?.spec.address}`;
  const gateway = nodes.find(({ spec }) => spec.kind === 'gateway');
  const { address } = (gateway ?? leader ?? coordinator)?.spec ?? {};
  const second =
    gateway === undefined
      ? `${WALNUT} cluster failover ${first?.group?.id} ${coordinators}`
      : `${WALNUT} cluster slot greeting ${coordinators}`;
  const meanwhile = gateway === undefined ? '' : ' Calls to its group wait in the gateway until then.';
  return [
    'Try, in another terminal:',
    command(`curl -X PUT --data-binary hello ${address}/v1/keys/greeting`),
    command(second),
    command(`kill -9 ${leader?.pid}`),
    '',
    'The last one kills a leader: another node leads within seconds, and the killed one is started again.' +
      meanwhile,
    ...(etcd === undefined ? [] : [`To kill a member of etcd, which stops nothing: kill -9 ${etcd.pid}`]),
    `Logs are in ${dirname(coordinator?.spec.directory ?? '')}/*.log. Ctrl-C stops them all and keeps the data.`,
  ].join('\n');
}
