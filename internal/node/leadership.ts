/** Changes of who leads: what operators ask of this node, and what other nodes tell it. */
import { counted } from '#model/counted.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type {
  AnnounceAnswer,
  AnnounceRequest,
  ClaimAnswer,
  ClaimRequest,
  FailoverAnswer,
  PromoteAnswer,
  TakeOverAnswer,
  TakeOverRequest,
} from '#model/leadership.ts';
import { termOf } from '#model/position.ts';
import { termToExceed } from '#model/terms.ts';
import { receiveAnnouncement } from '#node/announcement.ts';
import { type Asked, askNodes, isLeading } from '#node/ask-replicas.ts';
import { grantClaim } from '#node/grant-claim.ts';
import { FAILOVER_TIMEOUT_MS_DEFAULT, type Handover, handOver } from '#node/handover.ts';
import {
  type Candidate,
  claimantsOf,
  claimTerm,
  highestSeen,
  highestTold,
  objectionTo,
  refusalOf,
  votersOf,
} from '#node/promotion.ts';
import { ReplicaList } from '#node/replica-list.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import { takeOver } from '#node/take-over.ts';
import { OWN_TERMS } from '#node/term-source.ts';
import { assert } from '#platform/assert.ts';

export class Leadership {
  readonly #keeper: RoleKeeper;

  constructor(keeper: RoleKeeper) {
    this.#keeper = keeper;
  }

  /** Makes this node the master. Throws `failed_precondition` with what speaks against it, unless forced. */
  async promote(isForced: boolean): Promise<PromoteAnswer> {
    this.checkPlain('be promoted');
    return this.#keeper.exclusively('a promotion', () => this.#promote(isForced));
  }

  async #promote(isForced: boolean): Promise<PromoteAnswer> {
    const keeper = this.#keeper;
    const { host } = keeper;
    const role = keeper.current;
    const { engine } = host;
    if (role === undefined) throw unavailable('this node is loading: see walnut status');
    // A forced promotion asks the others all the same: this may be a master that they have left behind.
    if (role.kind === 'master' && role.isTakingWrites && !isForced) return this.#asItIs();
    const doubt = role.kind === 'replica' ? role.doubt : '';
    if (doubt !== '') {
      // The state in memory becomes that of the group, so even a forced promotion waits until it is rebuilt.
      if (role.state === 'loading') throw unavailable(`the state here is being rebuilt: ${doubt}`);
      if (!isForced) throw new WalnutError('failed_precondition', `the state here is in doubt: ${doubt}`);
    }
    if (engine === undefined) {
      throw new WalnutError(
        'failed_precondition',
        'this replica has received nothing yet: promote one that has the data; walnut status names it',
      );
    }
    const { manifest } = host;
    if (host.delayed?.hold.isHeld === true && !isForced) {
      throw new WalnutError(
        'failed_precondition',
        `an operator paused applying here: ` +
          `${counted(host.delayed.status.waitingRecords, 'record waits', 'records wait')}, and a promotion ` +
          'applies all of them: first walnut delay resume, or force it',
      );
    }
    const pending = keeper.handover;
    if (pending !== undefined && !isForced) {
      throw new WalnutError(
        'failed_precondition',
        `${pending.to} was told to lead term ${pending.term} and may be the master already: start it again, or force this promotion if it is lost for good`,
      );
    }
    return this.#lead(isForced, manifest.upstream === '' ? [] : [manifest.upstream]);
  }

  /** The answer of a node that is the master already. */
  #asItIs(): PromoteAnswer {
    const { engine } = this.#keeper.host;
    assert(engine !== undefined, 'a master has an engine');
    return { term: this.#ownTerm, position: engine.position, isPromoted: false };
  }

  /** Asks every node, claims a term and leads it. `upstream`: the old master. */
  async #lead(isForced: boolean, upstream: readonly string[]): Promise<PromoteAnswer> {
    const keeper = this.#keeper;
    const { host, options } = keeper;
    const { manifest, engine } = host;
    assert(engine !== undefined, 'a node that has a log leads');
    const siblings = new ReplicaList(host.directory, options.replicas).known();
    const everyone = [...new Set([...upstream, ...siblings])];
    const candidate: Candidate = {
      nodeId: manifest.nodeId,
      address: keeper.ownAddress,
      logId: manifest.logId,
      tail: engine.log.tail,
      term: highestSeen(manifest),
    };
    const { dialer, logger } = options;
    const signal = keeper.stopSignal;
    const asked = await askNodes(dialer, everyone, logger, signal);
    const objection = this.#whyQuarantined(asked) ?? objectionTo(candidate, asked);
    if (objection !== undefined && !isForced) throw new WalnutError('failed_precondition', objection);
    const isMaster = keeper.current?.kind === 'master' && keeper.current.isTakingWrites;
    if (isMaster && objection === undefined) return this.#asItIs();
    const term = await (options.terms ?? OWN_TERMS).next(
      termToExceed(manifest, highestTold(candidate, asked)),
    );
    // The old master is asked too if it answers, because it may be about to lead again.
    const reachable = everyone.filter(
      (address) => siblings.includes(address) || asked.some((one) => one.address === address),
    );
    const voters = votersOf(candidate, claimantsOf(candidate, reachable, asked), asked, term);
    const claimed = await claimTerm(candidate, term, voters, { dialer, logger, signal, asked });
    const refusal = refusalOf(candidate, term, claimed);
    if (refusal !== undefined && !isForced) throw new WalnutError('failed_precondition', refusal);
    if (signal.aborted) throw unavailable('this node is stopping');
    if (objection !== undefined) logger.warn({ objection }, 'promoted by force');
    await keeper.lead(term, upstream);
    return { term, position: host.engine?.position ?? engine.position, isPromoted: true };
  }

  /**
   * Why a quarantined replica cannot lead yet: the wrong master still takes writes.
   * Undefined if it does not.
   */
  #whyQuarantined(asked: readonly Asked[]): string | undefined {
    const { host, ownAddress } = this.#keeper;
    const { quarantine, upstream } = host.manifest;
    const master = asked.find(({ address }) => address === upstream)?.status;
    if (quarantine === null || master === undefined || !isLeading(master)) return undefined;
    return (
      `this replica is quarantined: the master ${upstream} takes writes with another history. If the data here is ` +
      `right, stop that one, and then: walnut promote --address ${ownAddress}; ` +
      `all choices: walnut quarantine list --address ${ownAddress}`
    );
  }

  /**
   * Hands over to the replica at `to`. Throws `failed_precondition` or `unavailable`
   * if the failover was aborted and this node takes writes again; throws `unavailable`
   * if the outcome is unknown, and then this node takes none.
   */
  async failover(to: string, timeoutMs: number): Promise<FailoverAnswer> {
    return this.#keeper.exclusively('a failover', () => this.#failover(to, timeoutMs));
  }

  async #failover(to: string, timeoutMs: number): Promise<FailoverAnswer> {
    const keeper = this.#keeper;
    const role = keeper.current;
    const { engine } = keeper.host;
    if (role?.kind !== 'master' || engine === undefined) throw unavailable('this node is no master any more');
    if (!role.isTakingWrites || role.state !== 'serving') {
      throw new WalnutError(
        'failed_precondition',
        `this master cannot hand over: ${role.reasons.join('; ')}`,
      );
    }
    const replica = role.replicas.find(({ address }) => address === to);
    if (replica === undefined) {
      const known = role.replicas.map(({ address }) => address).join(', ') || 'none';
      throw new WalnutError('not_found', `no replica ${to} is registered here: there are ${known}`);
    }
    const handover = await handOver(keeper, role, engine, replica, timeoutMs || FAILOVER_TIMEOUT_MS_DEFAULT);
    const { term, tail, pausedMs, outcome } = handover;
    if (outcome.kind === 'refused') return this.#takeBack(handover, outcome.reason);
    await keeper.follow(to, term, outcome.kind === 'led');
    if (outcome.kind === 'led') return { term, position: { epoch: tail.epoch, lsn: tail.lsn }, pausedMs };
    throw unavailable(
      `${to} was told to lead term ${term} and does not answer: ${outcome.reason}. Whether it does is not known, ` +
        'so this node takes no writes and goes on telling it; if it is lost for good: walnut promote --force',
      to,
    );
  }

  /** The replica never leads that term, so this node leads the next one, unless another node does. */
  async #takeBack({ to, term }: Handover, reason: string): Promise<never> {
    const keeper = this.#keeper;
    keeper.options.logger.warn({ to, term, reason }, 'failover refused: becoming the master again');
    if (keeper.current?.kind === 'master') keeper.current.fence(term);
    const { term: own } = await this.#lead(false, []).catch(async (error: unknown) => {
      await keeper.follow(to, term);
      throw error;
    });
    throw new WalnutError(
      'failed_precondition',
      `${to} refused to lead: ${reason}. This node is the master again, in term ${own}`,
    );
  }

  get #ownTerm(): number {
    return termOf(this.#keeper.host.engine?.log.tail.epoch ?? 0);
  }

  /** The master, which takes no more writes, tells this replica to lead. */
  async takeOver(request: TakeOverRequest): Promise<TakeOverAnswer> {
    this.#checkNode('take over');
    return takeOver(this.#keeper, request);
  }

  /** Another node wants to lead a term. */
  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    this.checkPlain('grant a term to another node');
    return grantClaim(this.#keeper, request);
  }

  /** Throws on an observer. `what`: what it cannot do. */
  #checkNode(what: string): void {
    if (this.#keeper.options.isObserver !== true) return;
    const why = `an embedded replica is no node of its group: it cannot ${what}`;
    throw new WalnutError('failed_precondition', why);
  }

  /** Throws on an observer, and on a member of a cluster, in which only a coordinator makes terms. `what`: what it cannot do. */
  checkPlain(what: string): void {
    this.#checkNode(what);
    const { member } = this.#keeper.host.manifest;
    if (member === undefined) return;
    const group = member.group === '' ? 'GROUP' : member.group;
    throw new WalnutError(
      'failed_precondition',
      `${member.node} is a member of cluster ${member.cluster} and cannot ${what}: a coordinator decides who leads. ` +
        `Use: walnut cluster failover ${group}`,
      { nothingDone: true },
    );
  }

  /** Another node says that it leads. */
  announce(request: AnnounceRequest, remoteAddress: string): Promise<AnnounceAnswer> {
    return receiveAnnouncement(this.#keeper, request, remoteAddress);
  }
}
