/**
 * The role that a node plays now, and how it changes in place: the engine stays
 * open, MANIFEST is the commit point, and one change runs at a time. Before the
 * commit a failure leaves the old role; after it a crash leaves the new one for
 * the next start.
 */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
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
import { commitFollowing, commitRole, settle } from '#node/role-commits.ts';
import { isBlank, type Self, selfOf } from '#node/self.ts';
import { assert } from '#platform/assert.ts';
import { withKnown } from '#replication/known-replicas.ts';
import { completeAddress } from '#replication/replica-address.ts';
import { isShortage } from '#wal/wal-errors.ts';

/** Told what makes the state in memory doubtful. */
export interface StateWatch {
  /** The engine's state was found not to be what was stored. */
  readonly onAltered: (engine: Engine, why: string) => void;
  /** A replica begins to say that its state differs from the one here. */
  readonly onReplicaDiffers: () => void;
}

export class RoleKeeper {
  readonly host: EngineHost;
  readonly options: NodeOptions;
  readonly #advertise: string;
  readonly #watch: StateWatch;
  #current: MasterRole | ReplicaRole | undefined;
  /** Asks its replicas and settles its epoch; not to be seen before that is done. */
  #beginning: MasterRole | undefined;
  /** The last engine that could be read: it goes on serving while another takes over. */
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
    this.#comeback = new Comeback(this);
    this.#insistence = new Insistence(this);
    host.engines.subscribe((engine) => this.#watchEngine(engine));
  }

  /** Recovers the directory and takes up the role that MANIFEST says. `onNothing`: there is nothing to recover. */
  async start(onNothing: () => void): Promise<void> {
    const { host } = this;
    if (host.manifest.logId !== '') this.#engine = await host.open();
    else onNothing();
    if (host.manifest.role === 'master') await this.#beginMaster(false);
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

  /** Where an operator reaches this node: as its master sees it, or as it says itself, on this host at least. */
  get ownAddress(): string {
    const seen = this.#current?.kind === 'replica' ? this.#current.ownAddress : undefined;
    return seen ?? completeAddress(this.#advertise, '127.0.0.1');
  }

  /** Everyone that MANIFEST and the configuration name. */
  get siblings(): string[] {
    return new ReplicaList(this.host.directory, this.options.replicas).known();
  }

  /** This node as the others would see it. */
  self(): Self {
    return selfOf(this.host, this.ownAddress);
  }

  /** Whether this is a master that has never taken a write: it holds what any fresh one does. */
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

  /** What changes the role now; undefined: nothing. */
  get changing(): string | undefined {
    return this.#change.what;
  }

  /** Runs `work` as the only change of role; throws `unavailable` where another runs. */
  exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.#change.run(what, work);
  }

  /**
   * Makes this node the master of `term`, which nobody else was granted. What is
   * in the log is applied first, a delayed replica's too. `known`: who is told,
   * besides those that MANIFEST remembers. Throws, and stays what it was, where the
   * term was seen meanwhile or the state turned out to be wrong. Within `exclusively`.
   */
  async lead(term: number, known: readonly string[]): Promise<void> {
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
        quarantine: null,
        replicas: withKnown(host.manifest.replicas, known),
      } as const;
      // A master has seen it in its own fence.
      await commitRole(host, term, leads, before.kind === 'master' ? term : term - 1);
    } catch (error) {
      if (before.kind === 'master') await this.#beginMaster(false, true);
      else this.#beginReplica();
      throw error;
    }
    await host.endDelay();
    this.#promotions++;
    await this.#beginMaster(true);
    options.logger.warn({ term, position: engine.position }, 'master of a new term');
  }

  /**
   * The point of no return of a failover: from here on this node is a replica of
   * `to`, also after a crash, and takes no writes in its term. Within `exclusively`.
   * Where the disk fails at it nobody knows which side it is on: no writes, then.
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

  /** Whom this node has told to lead and not heard of since. */
  get handover(): PendingHandover | undefined {
    return pendingHandoverOf(this.host.manifest);
  }

  /**
   * Makes this node a replica of `address`, which leads `term`. `isKnown`: false
   * where it was only told to. Within `exclusively`.
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
    await before.stop();
    assert(host.engine !== undefined, 'a master has an engine');
    await settle(host.engine, this.#abort.signal);
    this.#beginReplica();
  }

  /**
   * A master that has never taken a write gives its own log up for that of
   * `address`. Returns false, and goes on, where it has taken one. Within `exclusively`.
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
    await before.stop();
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
   * Recovers a master's state from its disk: a stop and a start within the
   * process. Nothing else is believed, and nothing is served meanwhile.
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

  /** `isAgain`: in a process that has begun before; what was forced at its start is done. */
  async #beginMaster(isAsked: boolean, isAgain = false): Promise<void> {
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
    this.#lookout = new Lookout(this, role);
    this.#lookout.start();
    this.#insistence.start();
  }

  /** A fenced master found out who leads. It tries again where this fails. */
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

  /** A fenced master found nobody who leads. It asks again where this fails. */
  async #leadAgain(role: MasterRole, asked: readonly Asked[]): Promise<void> {
    try {
      await this.exclusively('a return to leading', async () => {
        if (this.#current === role) await this.#comeback.attempt(role, asked);
      });
    } catch (error) {
      if (!(error instanceof WalnutError)) this.options.logger.error({ err: error }, 'cannot lead again');
    }
  }

  /** Another engine takes over. */
  #watchEngine(engine: Engine): void {
    this.#engine = engine;
    engine.failed.subscribe((error) => this.options.onFatal(error));
    engine.altered.subscribe((why) => this.#watch.onAltered(engine, why));
  }
}
