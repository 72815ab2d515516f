/**
 * Carries out the next step for one group, one at a time. Every change compares what
 * the step was decided by, so a step that comes too late changes nothing; what fails is
 * tried again with back-off, and a coordinator that takes over goes on from the record.
 */
import { type Choice, chooseLeader, type Grant } from '#cluster/choose-leader.ts';
import { judgeTerm, nextTerm, termGiven } from '#cluster/group-terms.ts';
import { isHeard } from '#cluster/heartbeat.ts';
import { isDownByItsOwnWord, isTakingWrites } from '#cluster/judge-master.ts';
import {
  type Electorate,
  electorateOf,
  type Group,
  type ShardMap,
  usualElectorate,
} from '#cluster/shard-map.ts';
import type { Alarms } from '#coordinator/alarms.ts';
import { Backoff } from '#coordinator/backoff.ts';
import type { Catalogue } from '#coordinator/catalogue.ts';
import { gather } from '#coordinator/gather.ts';
import type { ClaimAnswer, Members } from '#coordinator/members.ts';
import { lackOfGrants, nextStep, type Step, type StepView } from '#coordinator/next-step.ts';
import type { Roll } from '#coordinator/roll.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';

/** A leader that took writes for this long ends the back-off: its failover did not end where it began. Milliseconds. */
const SETTLED_MS = 5_000;
/** How long a withdrawn plan stays an alarm, milliseconds. */
const WITHDRAWN_MS = 60_000;
/** Steps after which the group may be where it was before. */
const FAILOVERS: readonly Step['kind'][] = ['question', 'plan'];

export interface GroupKeeperOptions {
  readonly catalogue: Catalogue;
  readonly members: Members;
  readonly roll: Roll;
  readonly alarms: Alarms;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when a term is given because a leader is down or does not take over. */
  readonly onFailover: () => void;
}

/** What a step is carried out with. */
export interface StepContext {
  readonly map: ShardMap;
  readonly group: Group;
  /** The create revision of this coordinator's `leader` key. */
  readonly leaderRevision: number;
  readonly judgingSinceMs: number;
}

export class GroupKeeper {
  readonly #options: GroupKeeperOptions;
  /** Failovers: each may end where it began. */
  readonly #failovers = new Backoff(500, 60_000);
  /** Questions that too few answered: they change nothing, and a voter that comes back must not wait. */
  readonly #questions = new Backoff(500, 2_000);
  /** Calls to members that gave no answer, or too few. */
  readonly #calls = new Backoff(200, 5_000);
  #isBusy = false;
  /** Ends the wait for the answer to a hand-over; undefined while none is awaited. */
  #abandon: (() => void) | undefined;
  /** When a plan was withdrawn last: that stays an alarm for a while. */
  #withdrawnMs = Number.NEGATIVE_INFINITY;
  /** Since when the leader takes writes. */
  #writesSinceMs = Number.POSITIVE_INFINITY;
  /** The leader that was deposed by its own word: it is passed over until the group is led again. */
  #deposed = '';
  /** Why voters did not grant what was asked last, by name; those that are not named did not answer. */
  #refusals = new Map<string, string>();
  /** The leader and the planned one, and since when this coordinator knows them. */
  #known = { leader: '', leaderSinceMs: 0, next: '', nextSinceMs: 0 };

  constructor(options: GroupKeeperOptions) {
    this.#options = options;
  }

  /** Begins the next step, if none is under way. */
  step(context: StepContext): void {
    if (this.#isBusy && this.#abandon === undefined) return;
    const { clock, alarms, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const view = this.#view(context, nowMs);
    const step = nextStep(view);
    if (this.#isBusy) {
      if (step.kind !== 'hand_over' && step.kind !== 'wait') this.#abandon?.();
      return;
    }
    const isWriting = isTakingWrites(context.group, view);
    this.#writesSinceMs = isWriting ? Math.min(this.#writesSinceMs, nowMs) : Number.POSITIVE_INFINITY;
    const { id } = context.group;
    alarms.set(`${id}: term`, step.kind === 'alarm' ? step.why : undefined);
    if (context.group.next !== undefined || nowMs - this.#withdrawnMs >= WITHDRAWN_MS)
      alarms.set(`${id}: plan`, undefined);
    if (step.kind === 'none') {
      this.#calls.reset();
      if (nowMs - this.#writesSinceMs >= SETTLED_MS) this.#failovers.reset();
      this.#deposed = '';
      alarms.set(`${id}: failover`, undefined);
    }
    if (step.kind === 'wait' && step.why !== undefined) alarms.set(`${id}: failover`, step.why);
    if (step.kind === 'none' || step.kind === 'wait' || step.kind === 'alarm') return;
    const isFailover = FAILOVERS.includes(step.kind);
    const isQuestion = step.kind === 'question';
    const gate = isFailover ? this.#failovers : this.#calls;
    if (!gate.isOver(nowMs) || (isQuestion && !this.#questions.isOver(nowMs))) return;
    this.#isBusy = true;
    this.#carryOut(step, context)
      .then((isForward) => {
        if (isQuestion && !isForward) return this.#questions.failed(clock.monotonicMs());
        this.#questions.reset();
        if (isFailover || !isForward) gate.failed(clock.monotonicMs());
      })
      .catch((error: unknown) => {
        gate.failed(clock.monotonicMs());
        logger.warn({ group: id, step: step.kind, why: messageOf(error) }, 'a step for a group failed');
      })
      .finally(() => {
        this.#isBusy = false;
      });
  }

  #view({ group, map, judgingSinceMs }: StepContext, nowMs: number): StepView {
    const leader = group.leader === undefined ? '' : `${group.term} ${group.leader.node}`;
    const next = group.next === undefined ? '' : `${group.next.term} ${group.next.node}`;
    const known = this.#known;
    if (leader !== known.leader) this.#known = { ...this.#known, leader, leaderSinceMs: nowMs };
    if (next !== known.next) this.#known = { ...this.#known, next, nextSinceMs: nowMs };
    const { leaderSinceMs, nextSinceMs } = this.#known;
    const { roll } = this.#options;
    const { observations } = roll;
    const since = { nowMs, judgingSinceMs, leaderSinceMs, nextSinceMs };
    return { group, observations, ...since, nodes: map.nodes, termOf: (node) => roll.termOf(node) };
  }

  /** Resolves with true if the group is further than before. */
  async #carryOut(step: Step, context: StepContext): Promise<boolean> {
    const { group } = context;
    const { logger } = this.#options;
    switch (step.kind) {
      case 'question':
        if (step.isByItsOwnWord) this.#deposed = group.leader?.node ?? '';
        return this.#question(context, step.why);
      case 'claim':
        return this.#claim(context);
      case 'take_over':
        return this.#takeOver(context, group);
      case 'hand_over':
        return this.#handOver(context, step.next);
      case 'withdraw':
        return this.#withdraw(context, step.why);
      case 'confirm': {
        const leader = { ...step.voter, tail: step.observation.heartbeat.tail };
        logger.info({ group: group.id, node: leader.node }, 'a planned failover is done');
        return this.#change(context, { leader, term: group.next?.term ?? group.term, next: undefined });
      }
      case 'relist':
        logger.warn({ group: group.id, voters: step.voters }, 'a member took its place again');
        return this.#change(context, { voters: step.voters });
      case 'plan':
        return this.#change(context, { next: { term: nextTerm(group), node: step.to } });
      case 'none':
      case 'wait':
      case 'alarm':
        return true;
    }
  }

  /** The answer is awaited only until another step is due: a master that fails meanwhile is replaced like any other. */
  async #handOver(context: StepContext, next: NonNullable<Group['next']>): Promise<boolean> {
    const { group, map } = context;
    const abandoned = new Promise<undefined>((resolve) => {
      this.#abandon = () => resolve(undefined);
    });
    const answer = await Promise.race([this.#options.members.handOver(map, group, next), abandoned]).finally(
      () => {
        this.#abandon = undefined;
      },
    );
    if (answer === undefined || answer.isAccepted) return true;
    const why = `${group.leader?.node} did not hand over: ${answer.reason}`;
    return answer.leadsOn ? this.#withdraw(context, why) : this.#question(context, why);
  }

  async #question(context: StepContext, why: string): Promise<boolean> {
    const { group } = context;
    const term = nextTerm(group);
    const choice = await this.#choose(context, usualElectorate(group.voters), (node) =>
      this.#options.members.wouldGrant(context.map, node, group, term),
    );
    if (choice === undefined || !this.#hasEnough(group, choice)) return false;
    return this.#newTerm(context, why);
  }

  /**
   * The plan ends and the leader stays. A hand-over that is still on its way may yet be carried out, and
   * so the term is given to nobody else: an ordinary failover above it follows then.
   */
  async #withdraw(context: StepContext, why: string): Promise<boolean> {
    const { group } = context;
    const { alarms, clock, logger } = this.#options;
    const what = `the plan that ${group.next?.node} leads ${group.id} was withdrawn`;
    logger.warn({ group: group.id, node: group.next?.node, why }, 'a planned failover is withdrawn');
    if (!(await this.#change(context, { next: undefined, withdrawn: termGiven(group) }))) return false;
    this.#withdrawnMs = clock.monotonicMs();
    alarms.set(`${group.id}: plan`, `${what}: ${why}`);
    return true;
  }

  /** Step a: nobody leads from here on. */
  async #newTerm(context: StepContext, why: string): Promise<boolean> {
    const { group } = context;
    const term = nextTerm(group);
    if (!(await this.#change(context, { term, leader: undefined, next: undefined }))) return false;
    this.#options.logger.warn({ group: group.id, term, why }, 'a failover begins');
    this.#options.onFailover();
    return true;
  }

  /** Steps b to e. */
  async #claim(context: StepContext): Promise<boolean> {
    const { group } = context;
    const choice = await this.#choose(context, electorateOf(group), (node) =>
      this.#options.members.claim(context.map, node, group),
    );
    if (choice === undefined || !this.#hasEnough(group, choice) || choice.kind !== 'leader') return false;
    const { node, incarnation, tail } = choice.grant;
    const leader = { node, incarnation, tail };
    if (!(await this.#change(context, { leader }))) return false;
    return this.#takeOver(context, { ...group, leader });
  }

  async #takeOver(context: StepContext, group: Group): Promise<boolean> {
    const { leader } = group;
    if (leader === undefined) return false;
    const { catalogue, members } = this.#options;
    // The newest map names the leader; the one that the step was decided by may not.
    const answer = await members.takeOver(catalogue.lastMap ?? context.map, group, leader);
    if (answer.isAccepted) return true;
    if (this.#isAhead(group, leader.node, answer.term)) return false;
    return this.#question({ ...context, group }, `${leader.node} refused to take over`);
  }

  /**
   * Notes the term that a voter states in an answer. True if the record's store did not
   * give it: then nothing is written, and the store is read again before the next step.
   */
  #isAhead(group: Group, node: string, term: number): boolean {
    const { roll, clock } = this.#options;
    roll.answered(node, term, clock.monotonicMs());
    return judgeTerm(group, term) === 'ahead';
  }

  /**
   * Asks every voter, and chooses a leader from those that grant. Undefined if one states
   * a term that the store did not give.
   */
  async #choose(
    { map, group }: StepContext,
    electorate: Electorate,
    ask: (node: string) => Promise<ClaimAnswer>,
  ): Promise<Choice | undefined> {
    const { clock, roll } = this.#options;
    const nowMs = clock.monotonicMs();
    const unfit = new Set(
      group.voters
        .map(({ node }) => node)
        .filter((node) => node === this.#deposed || isDownByItsOwnWord(roll.observations.get(node), nowMs)),
    );
    const nodes = [...map.nodes.values()];
    const draining = new Set(nodes.filter(({ status }) => status === 'draining').map(({ name }) => name));
    const zones = new Map(nodes.map(({ name, zone }) => [name, zone]));
    const choice = (answers: readonly ClaimAnswer[]): Choice =>
      chooseLeader({ group, electorate, grants: grantsOf(answers), unfit, draining, zones });
    let isOlder = false;
    const refusals = new Map<string, string>();
    this.#refusals = refusals;
    const calls = group.voters.map(async ({ node }) => {
      const answer = await ask(node);
      if (this.#isAhead(group, node, answer.term)) isOlder = true;
      refusals.set(node, whyNotCounted(answer));
      return answer;
    });
    const isEnough = (answers: readonly ClaimAnswer[]): boolean => choice(answers).kind === 'leader';
    const chosen = choice(await gather(clock, calls, isEnough));
    return isOlder ? undefined : chosen;
  }

  #hasEnough(group: Group, choice: Choice): boolean {
    const why = choice.kind === 'leader' ? undefined : this.#whyTooFew(group, choice.needed, choice.lacking);
    this.#options.alarms.set(`${group.id}: failover`, why);
    return why === undefined;
  }

  #whyTooFew(group: Group, needed: number, lacking: readonly string[]): string {
    const { clock, roll } = this.#options;
    const nowMs = clock.monotonicMs();
    const isSilent = (node: string): boolean => {
      const observation = roll.observations.get(node);
      return observation === undefined || !isHeard(observation, nowMs);
    };
    const lack = lacking
      .map((node) => `${node} ${this.#refusals.get(node) ?? 'did not answer'}`)
      .join(', and ');
    return `${group.id} cannot fail over: ${lackOfGrants(group, needed, lacking.filter(isSilent), lack)}`;
  }

  /** Changes the group's record if it is still the one that the step was decided by. */
  #change({ group, leaderRevision }: StepContext, fields: Partial<Group>): Promise<boolean> {
    return this.#options.catalogue.change(leaderRevision, (map) => {
      const recorded = map.groups.get(group.id);
      if (recorded === undefined || !isSameRecord(recorded, group)) return undefined;
      const lastLeader = recorded.leader?.node ?? recorded.lastLeader;
      return { groups: [{ ...recorded, lastLeader, ...fields }] };
    });
  }
}

function isSameRecord(a: Group, b: Group): boolean {
  const isSameNext = a.next?.term === b.next?.term && a.withdrawn === b.withdrawn;
  return a.term === b.term && a.leader?.node === b.leader?.node && isSameNext;
}

function whyNotCounted(answer: ClaimAnswer): string {
  if (answer.kind === 'refused') return `refused, having seen term ${answer.term}`;
  const { isLoading, isQuarantined } = answer.grant;
  if (isLoading) return 'is loading';
  return isQuarantined ? 'is quarantined' : 'has another disk than the listed one';
}

function grantsOf(answers: readonly ClaimAnswer[]): Grant[] {
  return answers.filter((answer) => answer.kind === 'granted').map(({ grant }) => grant);
}
