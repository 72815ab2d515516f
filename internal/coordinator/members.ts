/** What a coordinator asks of the members of a group: a port. A promise that rejects is no answer. */
import type { Grant } from '#cluster/choose-leader.ts';
import type { ClusterNode, Group, Leader } from '#cluster/shard-map.ts';

export type ClaimAnswer =
  | { readonly kind: 'granted'; readonly grant: Grant }
  /** A higher term was granted before. */
  | { readonly kind: 'refused'; readonly term: number };

export interface Members {
  /** Asks whether the member would grant the term, and with which tail. Changes nothing. */
  wouldGrant(node: ClusterNode, group: Group, term: number): Promise<ClaimAnswer>;
  /** The member persists `group.term` and takes nothing of a lower one from then on. A repeat is granted again. */
  claim(node: ClusterNode, group: Group): Promise<ClaimAnswer>;
  /**
   * The member leads `group.term`. False if its tail or incarnation is another one than
   * `leader` states, or if it saw a higher term. A repeat changes nothing.
   */
  takeOver(node: ClusterNode, group: Group, leader: Leader): Promise<boolean>;
  /** The master hands over to `group.next` without losing a write; true also where it has done so before. False if it did not. */
  handOver(node: ClusterNode, group: Group): Promise<boolean>;
}
