/** How many more voters a group can lose, by what is heard of them. Pure. */
import { isHeard, type Observation } from '#cluster/heartbeat.ts';
import { heardVoter } from '#cluster/judge-master.ts';
import { type Group, majorityOf, type Voter } from '#cluster/shard-map.ts';
import { counted } from '#model/counted.ts';

export interface QuorumMargin {
  /** Whole: every voter counts; thin: some do not, and QUORUM is reached; none: it is not. */
  readonly level: 'whole' | 'thin' | 'none';
  /** For operators; empty where the level is whole. */
  readonly why: string;
}

interface Known {
  readonly observations: ReadonlyMap<string, Observation>;
  readonly nowMs: number;
}

/** The voters that are heard with the disks that are listed: no others ack, grant or lead. */
export function countingVoters({ voters }: Group, known: Known): Voter[] {
  return voters.filter((voter) => heardVoter(known, voter) !== undefined);
}

/** The margin of a group with a leader that takes writes. */
export function quorumMargin(group: Group, known: Known): QuorumMargin {
  const { id, voters, leader } = group;
  const name = leader?.node ?? 'its leader';
  const needed = majorityOf(voters.length);
  const counting = new Set(countingVoters(group, known));
  const absent = voters.filter((voter) => !counting.has(voter)).map(({ node }) => node);
  const missing = absent.map((node) => `${node} ${whyAbsent(node, known)}`).join(' and ');
  if (counting.size < needed)
    return {
      level: 'none',
      why:
        `${missing}: ${id} needs ${needed} of its ${voters.length} voters, so no write reaches QUORUM, and ${name} ` +
        'could not be replaced. Start them again; one whose disk is gone: on an empty directory, with its name',
    };
  if (known.observations.get(name)?.fewAcksSinceMs !== undefined)
    return {
      level: 'none',
      why:
        `too few voters ack what ${name}, the leader of ${id}, pushes: no write reaches QUORUM` +
        `${missing === '' ? '' : `, and ${missing}`}. Look at the network between the members: walnut cluster nodes --json shows their links`,
    };
  if (absent.length === 0) return { level: 'whole', why: '' };
  const spare = counting.size - needed;
  const rest =
    spare === 0 ? `${id} cannot lose another voter` : `${id} can lose ${counted(spare, 'more voter')}`;
  return { level: 'thin', why: `${missing}: ${rest}` };
}

function whyAbsent(node: string, { observations, nowMs }: Known): string {
  const observation = observations.get(node);
  return observation !== undefined && isHeard(observation, nowMs)
    ? 'has another disk than the one that is listed, and does not count until it has everything'
    : 'is not heard';
}
