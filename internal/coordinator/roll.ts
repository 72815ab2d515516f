/** The nodes that this coordinator hears, and what each said last. In memory only; bounded. */

import { SILENCE_MS } from '#cluster/figures.ts';
import { judgeTerm } from '#cluster/group-terms.ts';
import { type Heartbeat, isHeard, type Observation, observe } from '#cluster/heartbeat.ts';
import { heardVoter } from '#cluster/judge-master.ts';
import { groupOf } from '#cluster/leasable.ts';
import { type ClusterNode, majorityOf, type ShardMap, type Voter } from '#cluster/shard-map.ts';
import type { Alarms } from '#coordinator/alarms.ts';
import { WalnutError } from '#model/errors.ts';

/** Nodes that no map lists are heard up to this number; those of the map always. */
const UNLISTED_MAX = 1_024;
/** How many nodes a message names. */
const NAMED_MAX = 5;
const SEE = 'see walnut cluster recover';

interface Namesake {
  readonly heartbeat: Heartbeat;
  readonly heardMs: number;
  readonly sinceMs: number;
}

export class Roll {
  readonly #observations = new Map<string, Observation>();
  /** The terms that members stated when they answered a call, and when. */
  readonly #answered = new Map<string, { readonly term: number; readonly atMs: number }>();
  /** Why voters do not count whose terms are not believed, by name: no more than the map lists. */
  readonly #unbelieved = new Map<string, string>();
  /** Nodes under the name of a voter that is heard, too, by name: the newest heartbeat, and since when they are heard. */
  readonly #namesakes = new Map<string, Namesake>();
  readonly #alarms: Alarms;
  readonly #cluster: string;

  /** `cluster`: the name that nodes of this cluster have in their configurations. */
  constructor(alarms: Alarms, cluster: string) {
    this.#alarms = alarms;
    this.#cluster = cluster;
  }

  get observations(): ReadonlyMap<string, Observation> {
    return this.#observations;
  }

  /** Why voters do not count that state a term too far above the store's. */
  get unbelieved(): readonly string[] {
    return [...this.#unbelieved.values()];
  }

  /**
   * Throws `failed_precondition` where the node belongs to another cluster, or its term
   * is not believed, and `resource_exhausted` where too many unlisted nodes are heard. A node
   * under the name of a voter that is heard changes nothing.
   */
  hear(heartbeat: Heartbeat, map: ShardMap, nowMs: number): void {
    const { node, clusterName, clusterId, term } = heartbeat;
    if (clusterName !== '' && clusterName !== this.#cluster)
      throw new WalnutError(
        'failed_precondition',
        `${node} is of cluster ${clusterName}, and this coordinator is of cluster ${this.#cluster}: correct ` +
          'cluster.name or cluster.coordinators of the node, or coordinator.cluster here',
      );
    // A store without a cluster may have been lost: then what its nodes say is needed.
    if (clusterId !== '' && map.clusterId !== '' && clusterId !== map.clusterId)
      throw new WalnutError(
        'failed_precondition',
        `${node} belongs to cluster ${clusterId}, and this one is ${map.clusterId}`,
      );
    const group = groupOf(map, node);
    const voter = group?.voters.find((each) => each.node === node);
    // Else it would hide the member, which would look silent, or as if it led nothing.
    if (voter !== undefined && voter.incarnation !== heartbeat.incarnation && this.#isHeard(voter, nowMs)) {
      const sinceMs = this.#namesakes.get(node)?.sinceMs ?? nowMs;
      this.#namesakes.set(node, { heartbeat, heardMs: nowMs, sinceMs });
      return;
    }
    const isAbsurd = group !== undefined && judgeTerm(group, term) === 'absurd';
    const why =
      `${node} states term ${term}, too far above ${group?.term} to be believed: it does not count; if the metadata store was ` +
      'restored from a backup that is so old, restore a newer one, or begin with an empty one, and use walnut cluster recover; ' +
      'if only this node is wrong, start it on an empty directory';
    this.#alarms.set(`${node}: term`, isAbsurd ? why : undefined);
    if (isAbsurd) this.#unbelieved.set(node, why);
    else this.#unbelieved.delete(node);
    if (isAbsurd) throw new WalnutError('failed_precondition', why);
    if (!map.nodes.has(node) && !this.#observations.has(node) && this.#observations.size >= UNLISTED_MAX)
      throw new WalnutError(
        'resource_exhausted',
        `${UNLISTED_MAX} nodes are heard, and ${node} is not listed`,
      );
    const acksNeeded = majorityOf(group?.voters.length ?? 1) - 1;
    this.#observations.set(node, observe(this.#observations.get(node), heartbeat, nowMs, acksNeeded));
    // From then on heartbeats that were sent after the answer say it.
    if (nowMs - (this.#answered.get(node)?.atMs ?? nowMs) > SILENCE_MS) this.#answered.delete(node);
  }

  #isHeard(voter: Voter, nowMs: number): boolean {
    return heardVoter({ observations: this.#observations, nowMs }, voter) !== undefined;
  }

  /** Raises an alarm where two nodes have one name; none where one took the place of the other, which is silent since then. */
  tellNamesakes(nowMs: number): void {
    for (const [node, namesake] of this.#namesakes) {
      const other = namesake.heartbeat;
      const member = this.#observations.get(node);
      const isThere = isHeard(namesake, nowMs) && member?.heartbeat.incarnation !== other.incarnation;
      const isBoth = isThere && member !== undefined && member.heardMs > namesake.sinceMs;
      const why =
        `two nodes have the name ${node}: ${member?.heartbeat.address} (incarnation ${member?.heartbeat.incarnation}, which is ` +
        `the member) and ${other.address} (incarnation ${other.incarnation}): stop the one that is wrong, or give it a ` +
        'cluster.node of its own';
      this.#alarms.set(`${node}: name`, isBoth ? why : undefined);
      if (!isThere) this.#namesakes.delete(node);
    }
  }

  /** A voter of a group answered a call, and stated the highest term that it has persisted. */
  answered(node: string, term: number, nowMs: number): void {
    this.#answered.set(node, { term, atMs: nowMs });
  }

  /** The highest term that a node stated, in a heartbeat or in an answer; undefined if it stated none. */
  termOf(node: string): number | undefined {
    const heard = this.#observations.get(node)?.heartbeat.term;
    const answered = this.#answered.get(node)?.term;
    return heard === undefined || answered === undefined ? (heard ?? answered) : Math.max(heard, answered);
  }

  /** What the voters of the node's group state. */
  termsAround(map: ShardMap, node: string): number[] {
    const voters = groupOf(map, node)?.voters ?? [];
    return voters.map((voter) => this.termOf(voter.node)).filter((term) => term !== undefined);
  }

  /** True if a node states a term or an epoch above the map's since the map was asked for: the map has to be read again. */
  isDoubtful(map: ShardMap, askedMs: number): boolean {
    for (const [node, { term, atMs }] of this.#answered) {
      const group = groupOf(map, node);
      if (group !== undefined && atMs >= askedMs && judgeTerm(group, term) === 'ahead') return true;
    }
    return [...this.#observations.values()].some(({ heartbeat, roleSinceMs, epochSinceMs }) => {
      const group = groupOf(map, heartbeat.node);
      const isTermAhead = group !== undefined && judgeTerm(group, heartbeat.term) === 'ahead';
      const isEpochAhead = isOfCluster(heartbeat, map) && heartbeat.mapEpoch > map.epoch;
      return (isTermAhead && roleSinceMs >= askedMs) || (isEpochAhead && epochSinceMs >= askedMs);
    });
  }

  /** What operators must know where the store names no cluster and nodes belong to one. */
  whyLost(map: ShardMap): string | undefined {
    if (map.clusterId !== '') return undefined;
    const members = [...this.#observations.values()].filter(({ heartbeat }) => heartbeat.clusterId !== '');
    const [first] = members;
    if (first === undefined) return undefined;
    const names = members.slice(0, NAMED_MAX).map(({ heartbeat }) => heartbeat.node);
    const belonging = `${names.join(', ')} ${members.length === 1 ? 'belongs' : 'belong'}`;
    return `the metadata store has no cluster, and ${belonging} to cluster ${first.heartbeat.clusterId}: the store was lost, or is not theirs (coordinator.cluster, coordinator.metadata): ${SEE}`;
  }

  /** Why nothing of the map may be changed; undefined if no node states a higher epoch. */
  whyEpochAhead(map: ShardMap): string | undefined {
    for (const { heartbeat } of this.#observations.values()) {
      if (!isOfCluster(heartbeat, map) || heartbeat.mapEpoch <= map.epoch) continue;
      return `${heartbeat.node} heard of map epoch ${heartbeat.mapEpoch}, and the metadata store has ${map.epoch}: the store was lost, or restored from a backup, so nothing is changed: ${SEE}`;
    }
    return undefined;
  }

  /**
   * The records of voters whose listed incarnation states another address than the map
   * has, in groups that the store is not older than.
   */
  moved(map: ShardMap): ClusterNode[] {
    const moved: ClusterNode[] = [];
    for (const group of map.groups.values()) {
      if (group.voters.some(({ node }) => judgeTerm(group, this.termOf(node) ?? 0) === 'ahead')) continue;
      for (const { node, incarnation } of group.voters) {
        const heartbeat = this.#observations.get(node)?.heartbeat;
        const record = map.nodes.get(node);
        if (record === undefined || heartbeat?.incarnation !== incarnation) continue;
        const { address } = heartbeat;
        if (address !== '' && address !== record.address) moved.push({ ...record, address });
      }
    }
    return moved;
  }

  /** Forgets everything: what was heard while another coordinator acted is of no use. */
  clear(): void {
    this.#observations.clear();
    this.#answered.clear();
    this.#unbelieved.clear();
    this.#namesakes.clear();
  }
}

function isOfCluster({ clusterId }: Heartbeat, map: ShardMap): boolean {
  return clusterId !== '' && clusterId === map.clusterId;
}
