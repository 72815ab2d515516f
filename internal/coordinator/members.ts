/** What a coordinator asks of the members of a group: a port, and its form over calls to nodes. A promise that rejects is no answer. */
import type { Grant } from '#cluster/choose-leader.ts';
import type { HandOverAnswer, MemberPort, TermClaimAnswer, ToMember } from '#cluster/member-port.ts';
import type { Group, Leader, ShardMap } from '#cluster/shard-map.ts';
import { WalnutError } from '#model/errors.ts';

export type ClaimAnswer =
  /** `term`: the highest one that the member has persisted. */
  | { readonly kind: 'granted'; readonly grant: Grant; readonly term: number }
  /** A higher term was granted before, or this one is led. */
  | { readonly kind: 'refused'; readonly term: number };

export interface TakeOverAnswer {
  readonly isAccepted: boolean;
  /** The highest term that the member has persisted. */
  readonly term: number;
}

/** `map` lists the nodes by their names. */
export interface Members {
  /** Asks whether the member would grant the term, and with which tail. Changes nothing. */
  wouldGrant(map: ShardMap, node: string, group: Group, term: number): Promise<ClaimAnswer>;
  /** The member persists `group.term` and takes nothing of a lower one from then on. A repeat is granted again, until the term is led. */
  claim(map: ShardMap, node: string, group: Group): Promise<ClaimAnswer>;
  /**
   * `leader` leads `group.term`, as `map` says. Not accepted if its tail or incarnation is
   * another one than stated, or if it saw a higher term. A repeat changes nothing.
   */
  takeOver(map: ShardMap, group: Group, leader: Leader): Promise<TakeOverAnswer>;
  /** The group's master hands over to `next` without losing a write; accepted also where it has done so before. */
  handOver(map: ShardMap, group: Group, next: NonNullable<Group['next']>): Promise<HandOverAnswer>;
}

/** `memberAt`: calls to the node at an address. */
export function createMembers(memberAt: (address: string) => MemberPort): Members {
  // A node that the map does not list has no address, so that a call to it gives no answer.
  const at = async ({ nodes }: ShardMap, node: string): Promise<MemberPort> => {
    const address = nodes.get(node)?.address;
    if (address !== undefined) return memberAt(address);
    throw new WalnutError('unavailable', `the map lists no node ${node}`);
  };
  const claim = async (map: ShardMap, to: ToMember, term: number, isCheck: boolean): Promise<ClaimAnswer> => {
    const member = await at(map, to.node);
    return toAnswer(to.node, await member.claim({ ...to, term, isCheck }));
  };
  return {
    wouldGrant: (map, node, group, term) => claim(map, toMember(map, node, group), term, true),
    claim: (map, node, group) => claim(map, toMember(map, node, group), group.term, false),
    takeOver: async (map, group, { node, incarnation, tail }) => {
      const member = await at(map, node);
      const to = toMember(map, node, group);
      return member.takeOver({ ...to, term: group.term, incarnation, tail, map });
    },
    handOver: async (map, group, next) => {
      const node = group.leader?.node ?? '';
      const member = await at(map, node);
      return member.handOver({ ...toMember(map, node, group), term: group.term, next });
    },
  };
}

function toMember({ clusterId }: ShardMap, node: string, { id, logId }: Group): ToMember {
  return { clusterId, node, group: id, logId };
}

/** Throws if another node answers than the one that was asked. */
function toAnswer(node: string, answer: TermClaimAnswer): ClaimAnswer {
  const { isGranted, term, voter, tail, isQuarantined, isLoading } = answer;
  if (voter.node !== node)
    throw new WalnutError('unavailable', `${voter.node} answered in place of ${node}: is its address right?`);
  if (!isGranted) return { kind: 'refused', term };
  return { kind: 'granted', term, grant: { ...voter, tail, isQuarantined, isLoading } };
}
