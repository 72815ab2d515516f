/** What the commands of a cluster print: tables for people, plain values for programs. Pure. */
import { isSilentAfter } from '#cluster/heartbeat.ts';
import { ownerOf, type ShardMap } from '#cluster/shard-map.ts';
import { slotOf } from '#cluster/slot-hash.ts';
import { NodeStatus } from '#gen/walnut/cluster/v1/records_pb.ts';
import type {
  GetClusterResponse,
  GroupStatus,
  ListNodesResponse,
  NodeHealth,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { MemberRole } from '#gen/walnut/v1/coordinator_pb.ts';
import { showDuration } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';

/** True if every group takes writes and nothing is wrong, as far as the one that answers knows. */
export function isHealthy({ isActive, clusterId, groups, alarms }: GetClusterResponse): boolean {
  return (
    isActive && clusterId !== '' && alarms.length === 0 && groups.every(({ takesWrites }) => takesWrites)
  );
}

export function clusterJson(view: GetClusterResponse): object {
  const { name, clusterId, isActive, activeCoordinator, version } = view;
  return {
    ...{ name, clusterId, isActive, activeCoordinator, version },
    epoch: Number(view.epoch),
    healthy: isHealthy(view),
    groups: view.groups.map(({ group, slots, takesWrites, votersHeard }) => ({
      id: group?.id ?? '',
      term: group?.term ?? 0,
      leader: group?.leader?.voter?.node ?? '',
      next: group?.next?.node ?? '',
      voters: group?.voters.map(({ node }) => node) ?? [],
      slots,
      // Only the active coordinator hears nodes: what others answer here means nothing.
      ...(isActive ? { takesWrites, votersHeard } : { takesWrites: null, votersHeard: null }),
    })),
    alarms: view.alarms.map(({ why, sinceMs }) => ({ why, sinceMs: Number(sinceMs) })),
    warnings: view.warnings,
    metadataProblem: view.metadataProblem,
  };
}

export function clusterText(colors: Colors, view: GetClusterResponse, note: string): string {
  const { clusterId, alarms, warnings, metadataProblem } = view;
  const none =
    alarms.length === 0 ? 'not made yet: walnut cluster init' : 'not in the metadata store: see the alarm';
  const made = clusterId === '' ? none : clusterId;
  const facts: [string, string][] = [
    // A gateway that hears no coordinator knows the id alone.
    ['cluster', view.name === '' ? made : `${view.name}, ${made}`],
    ['epoch', String(view.epoch)],
    ['active coordinator', view.activeCoordinator === '' ? 'none is known' : view.activeCoordinator],
  ];
  if (metadataProblem !== '')
    facts.push(['metadata store', colors.yellow(metadataProblem.replace(/^the metadata store /, ''))]);
  if (note !== '') facts.push(['note', colors.yellow(note)]);
  for (const { why, sinceMs } of alarms)
    facts.push(['alarm', `${why} (since ${new Date(Number(sinceMs)).toISOString()})`]);
  for (const why of warnings) facts.push(['warning', colors.yellow(why)]);
  const head = ['group', 'term', 'leader', 'writes', 'voters heard', 'slots'];
  const rows = view.groups.map((group) => groupRow(group, view.isActive));
  const table = rows.length === 0 ? '' : `\n${renderTable(colors, head, rows)}`;
  return `${renderFacts(colors, facts)}${table}`;
}

function groupRow({ group, slots, takesWrites, votersHeard }: GroupStatus, isActive: boolean): string[] {
  const next = group?.next === undefined ? '' : `, then ${group.next.node}`;
  const leader = `${group?.leader?.voter?.node ?? 'none'}${next}`;
  const heard = isActive ? `${votersHeard} of ${group?.voters.length ?? 0}` : 'unknown';
  const writes = takesWrites ? 'yes' : 'no';
  return [
    group?.id ?? '',
    String(group?.term ?? 0),
    leader,
    isActive ? writes : 'unknown',
    heard,
    String(slots),
  ];
}

export const ROLES: Readonly<Record<number, string>> = {
  [MemberRole.UNASSIGNED]: 'unassigned',
  [MemberRole.MASTER]: 'master',
  [MemberRole.REPLICA]: 'replica',
};

export function nodesJson({ nodes, isActive, activeCoordinator }: ListNodesResponse): object {
  return { isActive, activeCoordinator, nodes: nodes.map(nodeJson) };
}

function nodeJson({ node, listed, group, heard, heardAgoMs, heartbeat }: NodeHealth): object {
  return {
    name: node?.name ?? '',
    address: node?.address ?? '',
    zone: node?.zone ?? '',
    draining: node?.status === NodeStatus.DRAINING,
    ...{ listed, group, heard },
    ...(heartbeat === undefined
      ? {}
      : {
          heardAgoMs: Number(heardAgoMs),
          silent: isSilentAfter(Number(heardAgoMs)),
          role: ROLES[heartbeat.role] ?? '',
          term: heartbeat.term,
          lsn: Number(heartbeat.tail?.lsn ?? 0),
          whyNoWrites: heartbeat.whyNoWrites,
          reasons: heartbeat.reasons,
          links: heartbeat.links.map(({ node: name, agoMs }) => ({ node: name, agoMs: Number(agoMs) })),
          entries: Number(heartbeat.load?.entries ?? 0),
          bytes: Number(heartbeat.load?.bytes ?? 0),
          version: heartbeat.version,
        }),
  };
}

export function nodesText(colors: Colors, { nodes, isActive }: ListNodesResponse, note: string): string {
  const end = note === '' ? '' : `note: ${note}\n`;
  if (nodes.length === 0)
    return `no node is heard: start some with walnut-node, with the addresses of the coordinators\n${end}`;
  const head = ['node', 'address', 'zone', 'group', 'role', 'term', 'lsn', 'heard', 'what'];
  const rows = nodes.map((node) => nodeRow(node, isActive));
  return `${renderTable(colors, head, rows)}${end}`;
}

function nodeRow(
  { node, listed, group, heard, heardAgoMs, heartbeat }: NodeHealth,
  isActive: boolean,
): string[] {
  const isSilent = isSilentAfter(Number(heardAgoMs));
  const age = showDuration(Number(heardAgoMs));
  const role = heartbeat === undefined ? '' : (ROLES[heartbeat.role] ?? '');
  const told = isSilent ? `silent for ${age}` : `${age} ago`;
  // Only the active coordinator hears nodes.
  const unheard = isActive ? 'silent since this coordinator became active' : 'unknown';
  const what = [
    ...(listed ? [] : ['not listed']),
    ...(node?.status === NodeStatus.DRAINING ? ['draining'] : []),
    ...(heartbeat === undefined || isSilent || heartbeat.whyNoWrites === '' ? [] : [heartbeat.whyNoWrites]),
  ];
  return [
    node?.name ?? '',
    node?.address ?? '',
    node?.zone ?? '',
    group,
    // What a silent node said last is no word on what it does now.
    isSilent && role !== '' ? `was ${role}` : role,
    heartbeat === undefined ? '' : String(heartbeat.term),
    heartbeat === undefined ? '' : String(heartbeat.tail?.lsn ?? 0),
    heard ? told : unheard,
    what.join('; '),
  ];
}

export function mapText(colors: Colors, { clusterId, epoch, groups, slots, nodes }: ShardMap): string {
  if (clusterId === '') return 'the cluster is not made yet: walnut cluster init\n';
  const head = ['slots', 'group', 'leader', 'members'];
  const rows = slots.map(({ first, last, group: id }) => {
    const group = groups.get(id);
    const members = (group?.voters ?? []).map(({ node }) => `${node} ${nodes.get(node)?.address ?? '?'}`);
    return [`${first}-${last}`, id, group?.leader?.node ?? 'none', members.join(', ')];
  });
  return `epoch ${epoch}\n${renderTable(colors, head, rows)}`;
}

export interface SlotPlace {
  readonly slot: number;
  /** Empty: no group owns it. */
  readonly group: string;
  readonly leader: string;
  readonly address: string;
}

export function placeOf({ slots, groups, nodes }: ShardMap, key: string): SlotPlace {
  const slot = slotOf(Buffer.from(key));
  const group = ownerOf(slots, slot) ?? '';
  const leader = groups.get(group)?.leader?.node ?? '';
  return { slot, group, leader, address: nodes.get(leader)?.address ?? '' };
}
