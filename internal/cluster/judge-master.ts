/** Decides whether a group's master is down, from what its members said last. Pure: see the table in ADR 17. */
import { FEW_ACKS_MS, FIRST_WRITE_WAIT_MS, NO_WRITES_MS, SILENCE_MS } from '#cluster/figures.ts';
import { hasAcked, isHeard, type Observation } from '#cluster/heartbeat.ts';
import { type Group, majorityOf, type Voter } from '#cluster/shard-map.ts';

export interface GroupView {
  readonly group: Group;
  /** The newest observation of each node, by name. */
  readonly observations: ReadonlyMap<string, Observation>;
  /** The coordinator's monotonic time. */
  readonly nowMs: number;
  /** Since when it is active, or judges again after a check that came late. */
  readonly judgingSinceMs: number;
  /** Since when it knows the group's leader as such. */
  readonly leaderSinceMs: number;
}

export type Verdict =
  | { readonly kind: 'up' }
  /** Not judged, or not to be replaced; `why` is for operators. */
  | { readonly kind: 'left'; readonly why: string }
  | { readonly kind: 'down'; readonly isByItsOwnWord: boolean; readonly why: string };

/** The verdict on `group.leader`. A group without a leader is no question for this function. */
export function judgeMaster(view: GroupView): Verdict {
  const { group, nowMs, judgingSinceMs } = view;
  const { leader } = group;
  if (leader === undefined) return { kind: 'left', why: 'the group has no leader' };
  if (nowMs - judgingSinceMs < SILENCE_MS) return { kind: 'left', why: 'the coordinator is new' };
  const master = heardVoter(view, leader);
  return master === undefined ? judgeSilent(view, leader) : judgeWord(view, leader, master);
}

/** True if a voter says, for long enough, that nothing could be written if it led. */
export function isDownByItsOwnWord(observation: Observation | undefined, nowMs: number): boolean {
  const sinceMs = observation?.noWritesSinceMs;
  return sinceMs !== undefined && nowMs - sinceMs >= NO_WRITES_MS;
}

/** The observation of a voter that is neither silent nor of another incarnation. */
export function heardVoter(
  { observations, nowMs }: Pick<GroupView, 'observations' | 'nowMs'>,
  voter: Voter,
): Observation | undefined {
  const observation = observations.get(voter.node);
  if (observation === undefined || observation.heartbeat.incarnation !== voter.incarnation) return undefined;
  return isHeard(observation, nowMs) ? observation : undefined;
}

/** True if the leader of the group was heard lately, leads the term and takes writes. */
export function isTakingWrites(
  { leader, term }: Group,
  heard: Pick<GroupView, 'observations' | 'nowMs'>,
): boolean {
  const heartbeat = leader && heardVoter(heard, leader)?.heartbeat;
  return heartbeat?.role === 'master' && heartbeat.term === term && heartbeat.whyNoWrites === '';
}

/** For operators, where nobody can be led by force either. */
export function describeUnheard({ id, voters }: Group): string {
  const names = voters.map(({ node }) => node).join(', ');
  return `no voter of ${id} is heard (${names}): none of them runs, or the coordinator is cut off from them`;
}

function othersHeard(view: GroupView, leader: Voter): Observation[] {
  return view.group.voters
    .filter(({ node }) => node !== leader.node)
    .map((voter) => heardVoter(view, voter))
    .filter((each) => each !== undefined);
}

function judgeSilent(view: GroupView, leader: Voter): Verdict {
  const { group, nowMs } = view;
  const others = othersHeard(view, leader);
  if (others.length === 0) return { kind: 'left', why: describeUnheard(group) };
  const acking = others.filter((each) => hasAcked(each, group.term, nowMs));
  if (acking.length >= majorityOf(group.voters.length) - 1)
    return {
      kind: 'left',
      why: `only the coordinator does not hear ${leader.node}: its voters ack its pushes`,
    };
  return { kind: 'down', isByItsOwnWord: false, why: `${leader.node} is silent` };
}

function judgeWord(view: GroupView, leader: Voter, master: Observation): Verdict {
  const { group, nowMs, leaderSinceMs } = view;
  const isInItsTerm = master.heartbeat.role === 'master' && master.heartbeat.term === group.term;
  const why = isInItsTerm ? master.heartbeat.whyNoWrites : `it does not lead term ${group.term}`;
  const hasFewAcks = master.fewAcksSinceMs !== undefined && nowMs - master.fewAcksSinceMs >= FEW_ACKS_MS;
  if (why === '' && !hasFewAcks) return { kind: 'up' };
  if (nowMs - leaderSinceMs < FIRST_WRITE_WAIT_MS + NO_WRITES_MS)
    return { kind: 'left', why: `${leader.node} is a new leader` };
  const able = othersHeard(view, leader).filter(({ heartbeat }) => heartbeat.whyNoWrites === '');
  const needed = majorityOf(group.voters.length);
  const sinceMs = isInItsTerm
    ? (master.noWritesSinceMs ?? nowMs)
    : Math.max(leaderSinceMs, master.roleSinceMs);
  if (why !== '' && nowMs - sinceMs >= NO_WRITES_MS && able.length > 0)
    return { kind: 'down', isByItsOwnWord: true, why: `${leader.node} takes no writes: ${why}` };
  if (hasFewAcks && able.length >= needed)
    return { kind: 'down', isByItsOwnWord: true, why: `${leader.node} is acked by too few voters` };
  return {
    kind: 'left',
    why: `${leader.node} takes no writes or is acked by too few, and no other could do better`,
  };
}
