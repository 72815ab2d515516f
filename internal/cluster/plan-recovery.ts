/**
 * Makes the map of a cluster anew from what its nodes say, where the metadata store is
 * older than they are or was lost, and lets a group fail over with fewer grants where too
 * many disks are gone (ADR 18). Pure.
 */
import { termGiven } from '#cluster/group-terms.ts';
import { type Heartbeat, isHeard, type Observation } from '#cluster/heartbeat.ts';
import { isTakingWrites } from '#cluster/judge-master.ts';
import {
  type ClusterNode,
  electorateOf,
  type Group,
  grantsNeeded,
  type ShardMap,
  usualElectorate,
  type Voter,
} from '#cluster/shard-map.ts';
import { isAhead, TERM_MAX } from '#model/position.ts';
import { findOwnerFault, SLOTS, type SlotRun } from '#model/slots.ts';
import { describeLastTerm, TERM_JUMP_MAX } from '#model/terms.ts';

/** How far the next term is above all that are known: a lost store may have given some that nobody who is heard knows. */
const TERMS_ABOVE = 100;
/** Epochs of one generation. */
const GENERATION = 2 ** 32;

export interface RecoveryView {
  readonly map: ShardMap;
  /** By name. */
  readonly observations: ReadonlyMap<string, Observation>;
  readonly nowMs: number;
  /** Why voters do not count that state a term too far above the store's, each a sentence. */
  readonly unbelieved: readonly string[];
}

export interface GroupRecovery {
  /** The record that it gets. */
  readonly group: Group;
  /** Names of its voters that are heard under their listed incarnations, sorted. */
  readonly heard: readonly string[];
  /** Names of the others, sorted. */
  readonly missing: readonly string[];
}

export interface RecoveryPlan {
  readonly clusterId: string;
  /** The epoch of the map that has it. */
  readonly epoch: number;
  /** Sorted by id. */
  readonly groups: readonly GroupRecovery[];
  readonly slots: ShardMap['slots'];
  readonly nodes: readonly ClusterNode[];
  /** Why it cannot be done; empty if it can. */
  readonly problems: readonly string[];
}

/**
 * Recovers every group where the store is older than the nodes. `forced`: the id of a group that
 * fails over with the grants of the voters that are heard; empty: none does.
 */
export function planRecovery(view: RecoveryView, forced: string): RecoveryPlan {
  const { map } = view;
  const members = membersOf(view);
  const ids = new Set(members.map(({ clusterId }) => clusterId));
  const clusterId = map.clusterId === '' && ids.size === 1 ? ([...ids][0] ?? '') : map.clusterId;
  const own = members.filter((member) => member.clusterId === clusterId);
  const known = groupsOf(map, own);
  const isOld = isOlder(map, own);
  const groups = known
    .filter(({ id }) => isOld || id === forced)
    .map((each) => recovered(each, own, each.id === forced));
  const slots = map.slots.length > 0 ? map.slots : slotsOfLogs(known, own);
  const epoch = isOld ? nextGeneration(map, own) : map.epoch + 1;
  const wrong = [
    ...whyNotAtAll(map, ids),
    ...(Number.isSafeInteger(epoch) ? [] : [noEpoch(own)]),
    ...(forced === '' || known.some(({ id }) => id === forced) ? [] : [noGroup(forced, known)]),
    ...(groups.length > 0 && slots.length === 0 ? [NO_SLOTS] : []),
    ...(map.slots.length > 0 || slots.length === 0 ? [] : whyNotAllSlots(slots)),
    ...groups.flatMap(({ group: { id, term } }) =>
      term > TERM_MAX ? [`${id}: ${describeLastTerm(term - TERMS_ABOVE)}`] : [],
    ),
    ...groups.flatMap(({ group: { id } }) => whyTwoLead(id, own)),
    ...groups.flatMap((each) =>
      each.group.id === forced ? whyNotForced(each, view, isOld) : whyNotGroup(each),
    ),
  ];
  const notTheirs = map.clusterId === '' && members.length > 0 && wrong.length > 0 ? [NOT_THEIRS] : [];
  const problems = problemsOf([...wrong, ...notTheirs], isOld || forced !== '', view.unbelieved);
  return { clusterId, epoch, groups, slots, nodes: nodesOf(map, groups, own), problems };
}

/** Voters that are not believed are named where they may be the reason; they stop no recovery by the others. */
function problemsOf(
  wrong: readonly string[],
  isWanted: boolean,
  unbelieved: readonly string[],
): readonly string[] {
  if (wrong.length === 0 && isWanted) return [];
  const all = [...wrong, ...unbelieved];
  return all.length === 0 ? [NOTHING] : all;
}

const NOTHING =
  'nothing is to be recovered: no node states a term or an epoch above those of the metadata store';
const NO_SLOTS =
  'the metadata store does not say which group owns which slots, and not every log does: restore any backup of it first';

const NOT_THEIRS =
  'this coordinator may have the wrong metadata store, where another one acts with which the nodes work: correct its ' +
  'coordinator.cluster or coordinator.metadata, and recover nothing';

/** Those that belong to a cluster and were heard lately. */
function membersOf({ observations, nowMs }: RecoveryView): Heartbeat[] {
  return [...observations.values()]
    .filter((each) => isHeard(each, nowMs) && each.heartbeat.clusterId !== '' && each.heartbeat.group !== '')
    .map(({ heartbeat }) => heartbeat);
}

type Known = Pick<Group, 'id' | 'logId'> & { readonly record: Group | undefined };

/** The groups of the map, and those that only nodes state. Sorted by id. */
function groupsOf(map: ShardMap, members: readonly Heartbeat[]): Known[] {
  const known = new Map<string, Known>();
  for (const { group: id, logId } of members)
    if (logId !== '') known.set(id, { id, logId, record: undefined });
  for (const record of map.groups.values()) known.set(record.id, { ...record, record });
  return [...known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function recovered(
  { id, logId, record }: Known,
  members: readonly Heartbeat[],
  isForced: boolean,
): GroupRecovery {
  const own = members.filter((member) => member.group === id && member.logId === logId);
  const voters = votersOf(own, record);
  const isVoter = ({ node, incarnation }: Heartbeat): boolean =>
    voters.some((voter) => voter.node === node && voter.incarnation === incarnation);
  const heard = own
    .filter(isVoter)
    .map(({ node }) => node)
    .sort();
  const missing = voters.map(({ node }) => node).filter((node) => !heard.includes(node));
  const survivors = voters.filter(({ node }) => heard.includes(node));
  const given = record === undefined ? 0 : termGiven(record);
  const isBelieved = (term: number): boolean => record === undefined || term <= given + TERM_JUMP_MAX;
  const term = Math.max(given, ...own.map((member) => member.term).filter(isBelieved)) + TERMS_ABOVE;
  const group: Group = {
    id,
    logId,
    voters,
    term,
    leader: undefined,
    lastLeader: record?.leader?.node ?? record?.lastLeader ?? '',
    next: undefined,
    withdrawn: 0,
    grants: isForced ? { term, count: heard.length, voters: survivors } : undefined,
  };
  return { group, heard, missing };
}

/** The member list of the most advanced log; that of the record where no log has one. */
function votersOf(members: readonly Heartbeat[], record: Group | undefined): readonly Voter[] {
  const listed = members.filter(({ logVoters }) => logVoters.length > 0);
  return mostAdvanced(listed)?.logVoters ?? record?.voters ?? [];
}

function mostAdvanced(members: readonly Heartbeat[]): Heartbeat | undefined {
  const [first, ...others] = members;
  return first && others.reduce((a, b) => (isAhead(b.tail, a.tail) ? b : a), first);
}

/** What the most advanced log of each group owns; all for the only group if its log does not say; empty: not known. */
function slotsOfLogs(groups: readonly Known[], members: readonly Heartbeat[]): ShardMap['slots'] {
  const owned = groups.map(({ id, logId }) => ownedOf(members, id, logId));
  const [only] = groups;
  if (groups.length === 1 && only !== undefined && owned[0] === undefined)
    return [{ first: 0, last: SLOTS - 1, group: only.id }];
  if (owned.includes(undefined)) return [];
  const ranges = groups.flatMap(({ id: group }, i) => (owned[i] ?? []).map((run) => ({ ...run, group })));
  return ranges.sort((a, b) => a.first - b.first);
}

function ownedOf(members: readonly Heartbeat[], id: string, logId: string): readonly SlotRun[] | undefined {
  const own = members.filter((each) => each.group === id && each.logId === logId && each.owned !== undefined);
  return mostAdvanced(own)?.owned;
}

/** A group of which no node is heard is not among those that are known, but the slots that it owns are missing. */
function whyNotAllSlots(slots: ShardMap['slots']): string[] {
  const fault = findOwnerFault(slots);
  if (fault === undefined) return [];
  if (fault.kind === 'two')
    return [`the log of ${fault.groups[1]} owns slot ${fault.slot}, and that of another group does, too`];
  return [
    `no log of a node that is heard owns slots ${fault.first} to ${fault.last}: start a node of the group that does, ` +
      'or restore any backup of the metadata store that has the group',
  ];
}

function nextGeneration(map: ShardMap, members: readonly Heartbeat[]): number {
  const highest = Math.max(map.epoch, ...members.map(({ mapEpoch }) => mapEpoch));
  return (Math.floor(highest / GENERATION) + 1) * GENERATION;
}

/** True if a member shows that the store is older than it. */
function isOlder(map: ShardMap, members: readonly Heartbeat[]): boolean {
  return members.some(({ group: id, node, role, term, mapEpoch }) => {
    const group = map.groups.get(id);
    if (mapEpoch > map.epoch || group === undefined || term > termGiven(group)) return true;
    return role === 'master' && term === group.term && node !== group.leader?.node;
  });
}

function nodesOf(
  map: ShardMap,
  groups: readonly GroupRecovery[],
  members: readonly Heartbeat[],
): ClusterNode[] {
  const heard = new Map(members.map((member) => [member.node, member]));
  return groups.flatMap(({ group }) =>
    group.voters.map(({ node: name }): ClusterNode => {
      const { address = '', zone = '', status = 'active' } = map.nodes.get(name) ?? {};
      const member = heard.get(name);
      return { name, address: member?.address ?? address, zone: member?.zone ?? zone, status };
    }),
  );
}

function whyNotAtAll(map: ShardMap, ids: ReadonlySet<string>): string[] {
  if (map.clusterId !== '' || ids.size === 1) return [];
  if (ids.size === 0)
    return ['no node that belongs to a cluster is heard: start them, with the addresses of the coordinators'];
  return [
    `nodes of ${ids.size} clusters are heard, and the metadata store names none: stop those of the others`,
  ];
}

/** A record with a higher epoch could be written and not be read again. */
function noEpoch(members: readonly Heartbeat[]): string {
  const { node, mapEpoch } = members.reduce((a, b) => (b.mapEpoch > a.mapEpoch ? b : a));
  return `${node} states map epoch ${mapEpoch}, above which there is no other: stop it`;
}

function noGroup(id: string, known: readonly Known[]): string {
  return `there is no group ${id}: there are ${known.map((each) => each.id).join(', ') || 'none'}`;
}

/** The nodes that are heard may be a part of the group only, so they are not taken for its voters. */
function noVoters(id: string): string {
  return (
    `nobody knows the voters of ${id}: neither the metadata store nor the log of a node that is heard lists them: ` +
    'start its other nodes, or restore any backup of the store that has the group'
  );
}

/** A recovery could choose the one that has more records, and give up what the other one acknowledged. */
function whyTwoLead(id: string, members: readonly Heartbeat[]): string[] {
  const masters = members.filter(({ group, role }) => group === id && role === 'master');
  const [first, second] = masters.filter(({ node, term }) =>
    masters.some((other) => other.node !== node && other.term === term),
  );
  if (first === undefined || second === undefined) return [];
  return [
    `${first.node} and ${second.node} both lead term ${first.term} of ${id}: start the one that takes no writes ` +
      '(walnut cluster nodes), or either if both take none, on an empty directory first',
  ];
}

function whyNotGroup({ group: { id, voters }, heard, missing }: GroupRecovery): string[] {
  if (voters.length === 0) return [noVoters(id)];
  const needed = grantsNeeded(voters.length);
  if (heard.length >= needed) return [];
  return [
    `${id} needs ${needed} of its voters, and ${heard.join(' and ') || 'none'} of them ${heard.length === 1 ? 'is' : 'are'} heard: start ${someOf(missing, needed - heard.length)}, or give up what only their disks have: walnut cluster recover --group ${id} --force`,
  ];
}

function someOf(names: readonly string[], count: number): string {
  if (count >= names.length) return names.join(' and ');
  return count === 1 ? names.join(' or ') : `${count} of ${names.join(', ')}`;
}

/** Refused also where nothing has to be given up, since a failover with as many grants as usual loses nothing. */
function whyNotForced(
  { group: { id, voters }, heard, missing }: GroupRecovery,
  view: RecoveryView,
  isOld: boolean,
): string[] {
  if (voters.length === 0) return [noVoters(id)];
  if (heard.length === 0)
    return [`${id} needs 1 of its voters, and none of them are heard: start ${someOf(missing, 1)}`];
  const record = isOld ? undefined : view.map.groups.get(id);
  // The term that is being claimed may need more than usual, or others than those that are heard.
  const isClaimed = record !== undefined && record.leader === undefined;
  const { voters: counting, needed } = isClaimed ? electorateOf(record) : usualElectorate(voters);
  if (counting.filter(({ node }) => heard.includes(node)).length >= needed) {
    const way = isOld ? 'recover it without --force' : 'it fails over by itself, see walnut cluster status';
    return [
      `${heard.join(' and ')} of ${id} are heard, and ${needed} of its voters are enough: nothing has to be given up: ${way}`,
    ];
  }
  if (record === undefined || !isTakingWrites(record, view)) return [];
  return [
    `${record.leader?.node} leads ${id} and takes writes: a failover would bring none nearer to QUORUM, and nothing has to be ` +
      `given up: start ${missing.join(' and ')}, each on an empty directory where its disk is gone`,
  ];
}
