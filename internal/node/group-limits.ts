/**
 * The limits of a group of a cluster, default time to live included. The log states them for
 * all members; the configuration of a member counts for the first start of its group only.
 * Later an operator changes them at the leader, so that no failover between members with
 * different files does. Throws at a replica, with its leader.
 */

import { awaitReceipt } from '#master/receipts.ts';
import { isSameLimits, type StoreLimits } from '#model/entry.ts';
import { asRefusal, unavailable } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import type { Admission } from '#node/doors/admission.ts';
import type { MasterRole } from '#node/master-role.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { Timer } from '#platform/clock.ts';
import { needsConfigV2 } from '#storage/logged-config.ts';

/** How often the room of this machine is compared with the limits in force. */
const LOOK_MS = 5_000;
/** How long a change may take to reach a majority, milliseconds. */
const QUORUM_MS = 5_000;

export class GroupLimits {
  readonly #admission: Admission;
  readonly #options: Pick<NodeOptions, 'clock' | 'logger' | 'member'>;
  #timer: Timer | undefined;
  /** What `watch` said last. */
  #toldNoRoom: string | undefined;

  constructor(admission: Admission, options: Pick<NodeOptions, 'clock' | 'logger' | 'member'>) {
    this.#admission = admission;
    this.#options = options;
  }

  /** Undefined in a plain group, and before the log says who belongs to the group. */
  get inForce(): StoreLimits | undefined {
    const store = this.#options.member === undefined ? undefined : this.#admission.engine?.store;
    return store?.members.current === undefined ? undefined : store.limits;
  }

  /** For operators: which limits of the configuration are not those in force; undefined: none. */
  get whyDiffer(): string | undefined {
    const { inForce } = this;
    return inForce && this.#options.member?.whyOtherLimits?.();
  }

  /** For operators: why this machine has no room for entries up to the limit in force; undefined: it has. */
  get whyNoRoom(): string | undefined {
    const { inForce } = this;
    return inForce && this.#options.member?.whyNoRoom?.(inForce.bytesMax);
  }

  /** Logs from now on when this machine has no room for the limits in force, and when it has. */
  watch(): void {
    const { clock, logger } = this.#options;
    const why = this.whyNoRoom;
    if (why !== this.#toldNoRoom) {
      this.#toldNoRoom = why;
      if (why === undefined) logger.info({}, 'the limits of the group fit this machine again');
      else logger.warn({ why }, 'the limits of the group do not fit this machine');
    }
    this.#timer = clock.after(LOOK_MS, () => this.watch());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Logs the limits, and resolves when a majority has them on its disks. An error with `nothingDone` says that nothing was; after any other they may be in force or not. */
  async change(limits: StoreLimits): Promise<void> {
    const { clock, logger } = this.#options;
    const role = await this.#ready(limits);
    const engine = this.#admission.anyState();
    const was = engine.store.limits;
    // Limits in force already are said to be so once a majority has them: an earlier change may not have reached one.
    let lsn = engine.appliedLsn;
    if (!isSameLimits(was, limits)) {
      lsn = await new Promise<Lsn>((resolve, reject) => {
        const submitted: Lsn = engine.submitLimits(limits, (error) =>
          error === undefined ? resolve(submitted) : reject(error),
        );
      });
      logger.warn({ was, limits, lsn }, 'an operator changed the limits of the group');
    }
    const wanted = { durability: 'quorum', minAcks: 0, timeoutMs: QUORUM_MS } as const;
    const { durabilityReached } = await awaitReceipt(engine, role.acks, clock, wanted, lsn);
    if (durabilityReached === 'quorum') return;
    const mayLead = !role.acks.isOver && role.isReady;
    throw unavailable(
      mayLead
        ? 'the limits are in force, and not on the disks of a majority: a failover may undo them'
        : 'the outcome is unknown: this node lost its role or its lease before a majority had the limits on its disks. ' +
            'Ask the leader that walnut cluster status names for those in force: walnut config',
    );
  }

  /** Throws where this node may not log the limits now. */
  async #ready(limits: StoreLimits): Promise<MasterRole> {
    try {
      const role = this.#admission.master('change the limits of its group');
      role.writer();
      const { wallOffsetMs } = this.#admission.anyState().logClock;
      if (!needsConfigV2({ limits, wallOffsetMs })) return role;
      await role.readyForFormats();
      // The role may have ended meanwhile.
      role.writer();
      return role;
    } catch (error) {
      throw asRefusal(error);
    }
  }
}
