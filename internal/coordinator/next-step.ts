/** What a coordinator does next for a group: the table of ADR 17, as a function of what is recorded and heard. Pure. */
import { SILENCE_MS } from '#cluster/figures.ts';
import { judgeTerm, mayPlan } from '#cluster/group-terms.ts';
import type { Observation } from '#cluster/heartbeat.ts';
import {
  describeUnheard,
  type GroupView,
  heardVoter,
  isTakingWrites,
  judgeMaster,
} from '#cluster/judge-master.ts';
import { leads, secondLeader } from '#cluster/leasable.ts';
import { type ClusterNode, electorateOf, type Group, type Voter } from '#cluster/shard-map.ts';
import { successor } from '#cluster/successor.ts';
import { counted } from '#model/counted.ts';

/** How long a planned failover may take, milliseconds. */
export const PLANNED_MS = 10_000;

export type Step =
  | { readonly kind: 'none' }
  /** Nothing yet: the coordinator is new, or does not hear those whom the step is about. `why`: for operators. */
  | { readonly kind: 'wait'; readonly why?: string }
  /** Nothing, and operators must know why. */
  | { readonly kind: 'alarm'; readonly why: string }
  /** The leader is down: ask who would grant a term. */
  | { readonly kind: 'question'; readonly isByItsOwnWord: boolean; readonly why: string }
  /** There is no leader: claim the term that is recorded. */
  | { readonly kind: 'claim' }
  /** The leader does not say that it leads: tell it. */
  | { readonly kind: 'take_over' }
  /** The log of the leader has another member list: the record follows it. */
  | { readonly kind: 'relist'; readonly voters: readonly Voter[] }
  /** The leader's node is draining: plan that another one leads. */
  | { readonly kind: 'plan'; readonly to: string }
  /** A planned failover: tell the master to hand over. */
  | { readonly kind: 'hand_over'; readonly next: NonNullable<Group['next']> }
  /** A planned failover came to nothing, and the leader takes writes: it stays. */
  | { readonly kind: 'withdraw'; readonly why: string }
  /** `next` leads its term: record it. */
  | { readonly kind: 'confirm'; readonly voter: Voter; readonly observation: Observation };

export interface StepView extends GroupView {
  /** Since when this coordinator knows of `group.next`. */
  readonly nextSinceMs: number;
  /** By name. */
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  /** The highest term that a node stated in a heartbeat or an answer; undefined if it stated none. */
  readonly termOf: (node: string) => number | undefined;
}

export function nextStep(view: StepView): Step {
  const { group } = view;
  const ahead = nodesAhead(view);
  if (ahead.length > 0)
    return {
      kind: 'alarm',
      why: `${ahead.join(' and ')} saw a term of ${group.id} above all that the metadata store gave it: the store was lost, or restored from a backup: see walnut cluster recover`,
    };
  const second = secondLeader(group, view.observations);
  if (second !== undefined) return { kind: 'alarm', why: twoLead(group, second) };
  // Before it has heard the members a coordinator cannot know that its store is as new as they are.
  if (view.nowMs - view.judgingSinceMs < SILENCE_MS) return { kind: 'wait' };
  if (group.leader === undefined) return claimOrWait(view);
  const plan = group.next === undefined ? undefined : planned(view, group.next);
  // Once `next` leads, the old leader's silence means nothing.
  if (plan?.kind === 'confirm') return plan;
  const verdict = judgeMaster(view);
  if (verdict.kind === 'down') return { ...verdict, kind: 'question' };
  if (plan !== undefined) return plan;
  if (heardVoter(view, group.leader) === undefined)
    return verdict.kind === 'left' ? { kind: 'wait', why: verdict.why } : { kind: 'wait' };
  if (!leads(view.observations, group.leader, group.term)) return { kind: 'take_over' };
  const voters = listed(view, group.leader);
  if (voters !== undefined) return { kind: 'relist', voters };
  const isDraining = view.nodes.get(group.leader.node)?.status === 'draining';
  const to = isDraining && mayPlan(group) ? successor(view) : undefined;
  return to === undefined ? { kind: 'none' } : { kind: 'plan', to };
}

function planned(view: StepView, next: NonNullable<Group['next']>): Step {
  const voter = view.group.voters.find(({ node }) => node === next.node);
  const observation = view.observations.get(next.node);
  if (voter !== undefined && observation !== undefined && leads(view.observations, voter, next.term))
    return { kind: 'confirm', voter, observation };
  if (view.nowMs - view.nextSinceMs < PLANNED_MS) return { kind: 'hand_over', next };
  const why = `${next.node} does not lead term ${next.term} after ${PLANNED_MS} ms`;
  return isTakingWrites(view.group, view)
    ? { kind: 'withdraw', why }
    : { kind: 'question', isByItsOwnWord: false, why };
}

/** A claim needs as many of those whose grants count as have to grant the term. */
function claimOrWait(view: StepView): Step {
  const { group } = view;
  if (group.voters.length === 0)
    return {
      kind: 'wait',
      why: `${group.id} has no leader, and its record has no voters: restore a backup of the metadata store that names them`,
    };
  if (group.voters.every((voter) => heardVoter(view, voter) === undefined))
    return { kind: 'wait', why: describeUnheard(group) };
  const { voters, needed } = electorateOf(group);
  const silent = voters.filter((voter) => heardVoter(view, voter) === undefined);
  if (voters.length - silent.length >= needed) return { kind: 'claim' };
  const names = silent.map(({ node }) => node);
  const unheard = `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} not heard`;
  return { kind: 'wait', why: `${group.id} has no leader: ${lackOfGrants(group, needed, names, unheard)}` };
}

/** Says what an alarm needs to say where too few grant a term. `lack`: what is wrong; a recovery is for voters that are `silent`. */
export function lackOfGrants(group: Group, needed: number, silent: readonly string[], lack: string): string {
  const what = `${counted(needed, 'voter has', 'voters have')} to grant a term, and ${lack}`;
  if (electorateOf(group).voters.length - silent.length >= needed)
    return `${what}; they are asked again until enough do`;
  const [whose, only] =
    silent.length === 1
      ? [`the disk of ${silent[0]} is`, 'that disk has']
      : [`the disks of ${silent.join(' and ')} are`, 'these disks have'];
  return (
    `${what}. If ${whose} gone for good, ` +
    `walnut cluster recover --group ${group.id} --force goes on without, and gives up the writes that only ${only}, ` +
    'acknowledged at QUORUM or not'
  );
}

function twoLead({ id, term, leader }: Group, second: string): string {
  const given = leader === undefined ? 'nobody yet' : leader.node;
  return (
    `${second} leads term ${term} of ${id}, which the metadata store gave to ${given}: the store was restored from a ` +
    'backup. See walnut cluster recover'
  );
}

function nodesAhead({ group, termOf }: StepView): string[] {
  return group.voters
    .map(({ node }) => node)
    .filter((node) => judgeTerm(group, termOf(node) ?? 0) === 'ahead');
}

/** The voters that the leader's log lists, if an incarnation is another one than recorded; names change elsewhere. */
function listed({ group, observations }: GroupView, leader: Voter): readonly Voter[] | undefined {
  const voters = observations.get(leader.node)?.heartbeat.voters ?? [];
  const isSame = (incarnationToo: boolean): boolean =>
    voters.length === group.voters.length &&
    group.voters.every(({ node, incarnation }, i) => {
      const voter = voters[i];
      return voter?.node === node && (!incarnationToo || voter.incarnation === incarnation);
    });
  return isSame(false) && !isSame(true) ? voters : undefined;
}
