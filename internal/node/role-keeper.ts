/**
 * The current role of a node, and how it changes in place: the engine stays open,
 * MANIFEST is the commit point, and one change runs at a time. A failure before the
 * commit leaves the old role; a crash after it leaves the new one for the next
 * start.
 */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { completeAddress } from '#model/address.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { checkBelieved } from '#model/terms.ts';
import type { Asked } from '#node/ask-replicas.ts';
import { Comeback } from '#node/comeback.ts';
import { Insistence } from '#node/insistence.ts';
import { Lookout } from '#node/lookout.ts';
import { MasterRole } from '#node/master-role.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { OneChange } from '#node/one-change.ts';
import { type PendingHandover, pendingHandoverOf } from '#node/pending-handover.ts';
import { ReplicaList } from '#node/replica-list.ts';
import { ReplicaRole } from '#node/replica-role.ts';
import { commitFollowing, commitRole, leaveTermThatIsOver, settle } from '#node/role-commits.ts';
import { isBlank, type Self, selfOf } from '#node/self.ts';
import { ServedSlots } from '#node/served-slots.ts';
import { assert } from '#platform/assert.ts';
import { withKnown } from '#replication/known-replicas.ts';
import { isShortage } from '#wal/wal-errors.ts';

/** Called when the state in memory may be wrong. */
export interface StateWatch {
  /** The engine's state was found not to be what was stored. */
  readonly onAltered: (engine: Engine, why: string) => void;
  /** A replica begins to say that its state differs from the one here. */
  readonly onReplicaDiffers: () => void;
}

/** How a node comes to lead a term. */
export interface HowToLead {
  /** This node itself granted the term, to a coordinator. */
  readonly isGranted?: boolean;
  /** The master before takes no more writes. */
  readonly isHandedOver?: boolean;
}

export class RoleKeeper {
  readonly host: EngineHost;
  readonly options: NodeOptions;
  /** Which keys this node serves. */
  readonly served: ServedSlots;
  readonly #advertise: string;
  readonly #watch: StateWatch;
  #current: MasterRole | ReplicaRole | undefined;
  /** A master that asks its replicas and begins its epoch; not visible before that is done. */
  #beginning: MasterRole | undefined;
  /** The last engine that could be read: it serves while another takes over. */
  #engine: Engine | undefined;
  readonly #abort = new AbortController();
  readonly #change = new OneChange(this.#abort.signal);
  #promotions = 0;
  /** The last epoch that this process began as a master. */
  readonly #run = { epoch: 0 };
  readonly #insistence: Insistence;
  readonly #comeback: Comeback;
  #lookout: Lookout | undefined;

  constructor(options: NodeOptions, host: EngineHost, advertise: string, watch: StateWatch) {
    this.options = options;
    this.host = host;
    this.#advertise = advertise;
    this.#watch = watch;
    this.served = new ServedSlots({
      logged: () => this.#engine?.store.ownership.current,
      place: () => host.manifest.member,
    });
    this.#comeback = new Comeback(this);
    this.#insistence = new Insistence(this);
    host.engines.subscribe((engine) => this.#watchEngine(engine));
  }

  /**
   * Recovers the directory and takes up the role that MANIFEST names. `onNothing`:
   * called if there is nothing to recover.
   */
  async start(onNothing: () => void): Promise<void> {
    const { host } = this;
    if (host.manifest.logId !== '') this.#engine = await host.open();
    else onNothing();
    if (this.options.member !== undefined) await leaveTermThatIsOver(host);
    // Only the store makes leaders in a cluster: a lease decides whether it still is one, not the other nodes.
    const isLedByMap = (host.manifest.member?.group ?? '') !== '';
    if (host.manifest.role === 'master') await this.#beginMaster(isLedByMap);
    else this.#beginReplica();
  }

  /** Waits for a change under way, and ends the role. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#change.idle();
    await this.#insistence.idle();
    await this.#lookout?.stop();
    await (this.#current ?? this.#beginning)?.stop();
  }

  get current(): MasterRole | ReplicaRole | undefined {
    return this.#current;
  }

  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** How often this process became master in place. */
  get promotions(): number {
    return this.#promotions;
  }

  get advertise(): string {
    return this.#advertise;
  }

  /**
   * The address at which an operator reaches this node: as its master sees it, else as it advertises
   * itself, else on this host; empty on an observer.
   */
  get ownAddress(): string {
    if (this.options.isObserver === true) return '';
    const seen = this.#current?.kind === 'replica' ? this.#current.ownAddress : undefined;
    return seen ?? completeAddress(this.#advertise, '127.0.0.1');
  }

  /** Addresses that MANIFEST and the configuration name. */
  get siblings(): string[] {
    return new ReplicaList(this.host.directory, this.options.replicas).known();
  }

  /** This node as the others would see it. */
  self(): Self {
    return selfOf(this.host, this.ownAddress, this.served.map);
  }

  /** True if this is a master that has never taken a write, so that it has what any fresh master has. */
  get isBlank(): boolean {
    const { engine } = this.host;
    return this.#current?.kind === 'master' && engine !== undefined && isBlank(engine);
  }

  /** Another master counts this one among its replicas. */
  noteRival(address: string, logId: string): void {
    if (this.#current?.kind === 'master') this.#current.noteRival(address, logId);
  }

  /** Aborts when the node stops. */
  get stopSignal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The change that runs now; undefined if none does. */
  get changing(): string | undefined {
    return this.#change.what;
  }

  /** Runs `work` as the only change of role; throws `unavailable` if another runs. */
  exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.#change.run(what, work);
  }

  /**
   * Makes this node the master of `term`, which no other node was granted. Applies
   * everything in the log first, on a delayed replica too. `known`: nodes that are
   * told besides those in MANIFEST. Throws, and the role stays as it was, if the term
   * was seen meanwhile or the state turned out to be wrong. Within `exclusively`.
   */
  async lead(term: number, known: readonly string[], how: HowToLead = {}): Promise<void> {
    const { host, options } = this;
    const before = this.#current;
    if (before?.kind === 'replica' && before.isSuspect)
      throw unavailable(`the state here is being rebuilt: ${before.doubt}`);
    const engine = host.engine;
    assert(before !== undefined && engine !== undefined, 'a node that has a log leads');
    options.logger.warn(
      { term, tail: engine.log.tail, was: before.kind },
      'becoming the master of a new term',
    );
    // The old term ends with what is accepted by now.
    if (before.kind === 'master') before.fence(term);
    await this.#lookout?.stop();
    await before.stop();
    try {
      await host.delayed?.applyAll(this.#abort.signal);
      await settle(engine, this.#abort.signal);
      const leads = {
        role: 'master',
        upstream: '',
        promotedTo: term,
        handover: undefined,
        applyHold: undefined,
        isRestored: undefined,
        quarantine: null,
        replicas: withKnown(host.manifest.replicas, known),
      } as const;
      // A master has seen the term in its own fence.
      const hasSeen = before.kind === 'master' || how.isGranted === true;
      await commitRole(host, term, leads, hasSeen ? term : term - 1);
    } catch (error) {
      if (before.kind === 'master') await this.#beginMaster(false, true);
      else this.#beginReplica();
      throw error;
    }
    await host.endDelay();
    this.#promotions++;
    await this.#beginMaster(true, false, how.isHandedOver);
    options.logger.warn({ term, position: engine.position }, 'master of a new term');
  }

  /**
   * The commit of a failover: from here on this node is a replica of `to`, also after
   * a crash, and takes no writes in its term. If the disk fails here, nobody knows on
   * which side it is, so that it takes no writes. Within `exclusively`.
   */
  async cede(handover: PendingHandover): Promise<void> {
    const { to, term } = handover;
    try {
      await commitRole(this.host, term, { role: 'replica', upstream: to, promotedTo: 0, handover });
    } catch (error) {
      if (error instanceof WalnutError) throw error;
      if (!isShortage(error) && this.#current?.kind === 'master') this.#current.abandon(term);
      throw error;
    }
  }

  /** The node that this one has told to lead and not heard from since. */
  get handover(): PendingHandover | undefined {
    return pendingHandoverOf(this.host.manifest);
  }

  /**
   * Makes this node a replica of `address`, which leads `term`. `isKnown`: false if
   * that node was only told to lead. Within `exclusively`.
   */
  async follow(address: string, term: number, isKnown = true): Promise<void> {
    const { host, options } = this;
    const before = this.#current;
    assert(before !== undefined, 'a node with a role follows');
    checkBelieved(term, host.knownTerm);
    options.logger.warn({ was: before.kind, master: address, term }, 'following another master');
    if (before.kind === 'master') before.fence(term);
    await commitFollowing(host, address, term, isKnown);
    if (before.kind === 'replica') return before.retarget();
    await before.stop(address);
    assert(host.engine !== undefined, 'a master has an engine');
    await settle(host.engine, this.#abort.signal);
    this.#beginReplica();
  }

  /**
   * Makes a master that has never taken a write give its own log up for that of
   * `address`. Returns false, and changes nothing, if it has taken one. Within
   * `exclusively`.
   */
  async join(address: string, logId: string): Promise<boolean> {
    const { host, options } = this;
    const before = this.#current;
    assert(before?.kind === 'master' && host.engine !== undefined, 'a master joins');
    before.pauseWrites(address);
    await settle(host.engine, this.#abort.signal);
    if (!this.isBlank) {
      before.resumeWrites();
      return false;
    }
    options.logger.warn(
      { master: address, logId },
      'an empty master joins the group that counts it among its own',
    );
    await before.stop(address);
    const why = { reason: 'it had taken no write', sinceMs: options.clock.wallMs(), upstream: address };
    try {
      await host.discard(why, { role: 'replica', upstream: address, promotedTo: 0 });
    } catch (error) {
      if (host.engine === undefined) this.#engine = await host.open();
      await this.#beginMaster(false, true);
      throw error;
    }
    this.#engine = undefined;
    this.#beginReplica();
    return true;
  }

  /** A replica without a master found one that leads. */
  followFound(address: string, term: number): Promise<void> {
    return this.exclusively('a change of master', async () => {
      const isLate = term < this.host.manifest.term && this.host.manifest.logId !== '';
      if (this.#current?.kind === 'replica' && !isLate) await this.follow(address, term);
    });
  }

  /**
   * Recovers the state of a master from its disk: a stop and a start within the
   * process. Nothing is served meanwhile.
   */
  rebuild(): Promise<void> {
    return this.exclusively('a rebuild of the state', async () => {
      const before = this.#current;
      if (before?.kind !== 'master') throw unavailable('this node is no master any more');
      this.#current = undefined;
      await before.stop();
      await this.host.rebuild(() => {
        this.#engine = undefined;
      });
      if (!this.#abort.signal.aborted) await this.#beginMaster(false, true);
    });
  }

  /** `isAgain`: this process began before, so that what was forced at its start is done. */
  async #beginMaster(isAsked: boolean, isAgain = false, isHandedOver = false): Promise<void> {
    const { host } = this;
    assert(host.engine !== undefined, 'a master has an engine');
    const options = isAgain ? { ...this.options, forcedRole: undefined } : this.options;
    const role = new MasterRole(options, host, host.engine, {
      advertise: this.#advertise,
      onLeader: (address, term) => void this.#followLeader(address, term),
      onNoLeader: (asked) => void this.#leadAgain(role, asked),
      onReplicaDiffers: this.#watch.onReplicaDiffers,
      run: this.#run,
      self: () => this.self(),
      isHandedOver,
    });
    this.#beginning = role;
    await role.start(isAsked);
    this.#current = role;
    this.#beginning = undefined;
  }

  #beginReplica(): void {
    const { host, options } = this;
    this.#engine = host.engine ?? this.#engine;
    host.beginDelay();
    const role = new ReplicaRole(options, host, this.#advertise, () => {
      this.#engine = host.engine;
    });
    this.#current = role;
    role.start();
    this.#insistence.start();
    // In a cluster the map says whom to follow.
    if (options.member !== undefined) return;
    this.#lookout = new Lookout(this, role);
    this.#lookout.start();
  }

  /** A fenced master found out which node leads. It tries again if this fails. */
  async #followLeader(address: string, term: number): Promise<void> {
    try {
      await this.exclusively('a change of master', async () => {
        if (term > this.host.manifest.term || this.#current?.kind === 'master')
          await this.follow(address, term);
      });
    } catch (error) {
      if (!(error instanceof WalnutError))
        this.options.logger.error({ err: error }, 'cannot follow the new master');
    }
  }

  /** A fenced master found that no node leads. It asks again if this fails. */
  async #leadAgain(role: MasterRole, asked: readonly Asked[]): Promise<void> {
    if (this.options.member !== undefined) return;
    try {
      await this.exclusively('a return to leading', async () => {
        if (this.#current === role) await this.#comeback.attempt(role, asked);
      });
    } catch (error) {
      if (!(error instanceof WalnutError)) this.options.logger.error({ err: error }, 'cannot lead again');
    }
  }

  /** Called when another engine takes over. */
  #watchEngine(engine: Engine): void {
    this.#engine = engine;
    engine.failed.subscribe((error) => this.options.onFatal(error));
    engine.altered.subscribe((why) => this.#watch.onAltered(engine, why));
  }
}
