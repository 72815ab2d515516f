/**
 * What a call needs of the node before anything else is done: a role, a state to
 * read, the right to write, leadership. The doors ask here and nowhere else. A
 * refusal says that nothing was done and, if it is known, which node to ask.
 */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { asRefusal, unavailable, WalnutError } from '#model/errors.ts';
import { Leadership } from '#node/leadership.ts';
import type { MasterRole } from '#node/master-role.ts';
import type { ReplicaRole } from '#node/replica-role.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import type { ServedSlots } from '#node/served-slots.ts';
import { assert } from '#platform/assert.ts';

/** The node as its doors see it now. */
export interface NodeCore {
  /** Undefined before the directory is locked. */
  readonly host: EngineHost | undefined;
  /** Undefined before the node starts. */
  readonly keeper: RoleKeeper | undefined;
  readonly isDraining: boolean;
}

const NO_VOTERS =
  'durability quorum counts the voters of a group in a cluster, and this is the master of a plain group: ' +
  'ask for local, or for min_acks';

function tooFewVoters(voters: number, votersMin: number): string {
  return (
    `cluster.durability: quorum is for groups of at least ${votersMin} voters, and this one has ${voters}: ` +
    'take it out of the configuration of its nodes'
  );
}

/** The node as watchers see it. */
interface Watchable {
  engine(): Engine;
  readonly leaderHint: string | undefined;
}

export class Admission {
  readonly #core: NodeCore;
  #watchable: { readonly role: MasterRole | ReplicaRole; readonly context: Watchable } | undefined;

  constructor(core: NodeCore) {
    this.#core = core;
  }

  /** Undefined while the node loads, for callers that can go on without. */
  get role(): MasterRole | ReplicaRole | undefined {
    return this.#core.keeper?.current;
  }

  get engine(): Engine | undefined {
    return this.#core.keeper?.engine;
  }

  /** Which keys this node serves, where these are not all; undefined: no slot needs to be worked out. */
  get partial(): ServedSlots | undefined {
    const served = this.#core.keeper?.served;
    return served?.isWhole === false ? served : undefined;
  }

  requireRole(): MasterRole | ReplicaRole {
    const { role } = this;
    if (role === undefined) throw unavailable('this node is loading: see walnut status');
    return role;
  }

  /** `what`: what only a master can do, for the message. Asked before anything is done. */
  master(what: string): MasterRole {
    const role = this.requireRole();
    if (role.kind === 'master') return role;
    const { leaderHint } = role;
    const why = `this node is a replica: only a master can ${what}`;
    throw new WalnutError('not_master', why, { leaderHint, nothingDone: true });
  }

  /** The data directory of a node that has a role. */
  directory(): EngineHost {
    this.requireRole();
    const { host } = this.#core;
    assert(host !== undefined, 'a node with a role has a directory');
    return host;
  }

  /** The state for clients; throws if the node may be stale and must not be. */
  readable(): Engine {
    const role = this.requireRole();
    if (role.kind === 'replica') role.checkReadable();
    return this.anyState();
  }

  /** For watchers, who stay: what they need, asked again and again, as long as the node keeps its role. One object for all. */
  watchable(): Watchable {
    const role = this.requireRole();
    if (this.#watchable?.role !== role) this.#watchable = { role, context: this.#contextOf(role) };
    return this.#watchable.context;
  }

  #contextOf(watched: MasterRole | ReplicaRole): Watchable {
    const admission = this;
    return {
      engine: () => {
        const { role } = admission;
        if (admission.#core.isDraining) throw unavailable('this node is stopping', watched.leaderHint);
        if (role !== watched) throw unavailable('this node has changed its role', role?.leaderHint);
        return admission.readable();
      },
      get leaderHint() {
        return admission.role?.leaderHint;
      },
    };
  }

  /** The state for operators, whatever it is. */
  anyState(): Engine {
    const role = this.requireRole();
    const { engine } = this;
    if (engine === undefined) {
      throw unavailable('this replica has no state yet: see walnut status', role.leaderHint);
    }
    return engine;
  }

  /** True if writes that need formats of level 1 are accepted already. */
  get hasFormats(): boolean {
    return this.engine?.formats.isTaken === true;
  }

  /**
   * Why a write that needs formats of level 1 may not be accepted, saying that nothing was
   * done; undefined: it may. Throws where no write may.
   */
  async whyNotReadyForFormats(): Promise<WalnutError | undefined> {
    this.writer();
    try {
      await this.master('take writes').readyForFormats();
      return undefined;
    } catch (error) {
      const refusal = asRefusal(error);
      if (refusal instanceof WalnutError) return refusal;
      throw refusal;
    }
  }

  /** Called first by every write, so that its errors say that nothing was done. */
  writer(): MasterRole['master'] {
    try {
      const role = this.requireRole();
      if (this.#core.isDraining) throw unavailable('this node is stopping', role.leaderHint);
      if (role.kind === 'master') return role.writer();
      const { leaderHint } = role;
      throw new WalnutError('not_master', 'this node is a replica: writes go to its master', { leaderHint });
    } catch (error) {
      throw asRefusal(error);
    }
  }

  /** Called before a write that asks for QUORUM, of at least so many voters; its errors say that nothing was done. */
  checkQuorum(votersMin = 1): void {
    try {
      if (this.master('know what has reached QUORUM').lease === undefined)
        throw new WalnutError('failed_precondition', NO_VOTERS);
      const { voters } = this.engine?.store.members.current ?? {};
      if (voters !== undefined && voters.length < votersMin)
        throw new WalnutError('failed_precondition', tooFewVoters(voters.length, votersMin));
    } catch (error) {
      throw asRefusal(error);
    }
  }

  /** For calls that change which node leads. */
  leadership(): Leadership {
    this.requireRole();
    const { keeper, isDraining } = this.#core;
    if (isDraining || keeper === undefined) throw unavailable('this node is stopping');
    return new Leadership(keeper);
  }
}
