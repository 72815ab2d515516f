/**
 * One node: a data directory, the engine on it, and its current role. Others use it
 * through three doors (`ports`), which are open from the first moment and refuse,
 * with a reason, what the node cannot do yet. Both binaries start one. `start`
 * throws `WalOpenError` if the directory cannot be used (exit 3); later `onFatal`
 * reports a failed disk (exit 4).
 */

import { AsidePruner } from '#engine/aside-pruner.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import type { NodeStatus } from '#model/status.ts';
import { AccessTimes } from '#node/access-times.ts';
import { buildStatus } from '#node/build-status.ts';
import { ClockWatch } from '#node/clock-watch.ts';
import { AdminDoor } from '#node/doors/admin-door.ts';
import { Admission, type NodeCore } from '#node/doors/admission.ts';
import { KeysDoor } from '#node/doors/keys-door.ts';
import { LocalDoor } from '#node/doors/local-door.ts';
import { ReplicationDoor } from '#node/doors/replication-door.ts';
import { GroupLimits } from '#node/group-limits.ts';
import { MemberAgent } from '#node/member/member-agent.ts';
import { MemberDoor } from '#node/member/member-door.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { openHost } from '#node/open-host.ts';
import { RecoveryWatch } from '#node/recovery-watch.ts';
import { RoleKeeper } from '#node/role-keeper.ts';
import { SnapshotSource } from '#node/snapshot-source.ts';
import { StateGuard } from '#node/state-guard.ts';
import { assert } from '#platform/assert.ts';
import { Watches } from '#watch/watches.ts';

/** The ports that a server serves: `NodePorts`. */
export interface NodeDoors {
  readonly keyValue: KeysDoor;
  /** Undefined: every write goes through `keyValue`. */
  readonly bulk: KeysDoor | undefined;
  readonly replication: ReplicationDoor;
  readonly admin: AdminDoor;
  /** On a member of a cluster. */
  readonly member: MemberDoor | undefined;
  /** On a member of a cluster. */
  readonly whenMapHeard: ((epoch: number) => Promise<void> | undefined) | undefined;
}

export class Node {
  readonly ports: NodeDoors;
  /** For the program in whose process the node runs. */
  readonly local: LocalDoor;
  readonly limits: GroupLimits;
  readonly #options: NodeOptions;
  readonly #startedMs: number;
  #host: EngineHost | undefined;
  #snapshots: SnapshotSource | undefined;
  #pruner: AsidePruner | undefined;
  #keeper: RoleKeeper | undefined;
  #agent: MemberAgent | undefined;
  readonly #admission: Admission;
  readonly #recovery: RecoveryWatch;
  readonly #guard: StateGuard;
  readonly #clockWatch: ClockWatch;
  readonly #accesses: AccessTimes;
  readonly #watches: Watches;
  #isDraining = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#recovery = new RecoveryWatch(options.clock, options.logger);
    this.#admission = new Admission(this.#core());
    this.#guard = new StateGuard({
      clock: options.clock,
      logger: options.logger,
      scrubIntervalMs: options.scrubIntervalMs ?? 0,
      engine: () => this.#admission.engine,
      role: () => this.#admission.role,
      rebuildMaster: async () => this.#keeper?.rebuild(),
      onFatal: options.onFatal,
    });
    this.#clockWatch = new ClockWatch(options.clock, options.logger, () => this.#admission.engine);
    this.#accesses = new AccessTimes(options.clock, () => this.#admission.engine);
    this.#watches = new Watches(options.clock, options.random, options.watchBytesMax);
    this.limits = new GroupLimits(this.#admission, options);
    this.ports = this.#openDoors();
    this.local = new LocalDoor(this.#admission, this.ports.keyValue.reader);
  }

  /** The cluster that the directory belongs to; empty: none. */
  get clusterId(): string {
    return this.#host?.manifest.member?.clusterId ?? '';
  }

  /** The group of that cluster; empty: none. */
  get group(): string {
    return this.#host?.manifest.member?.group ?? '';
  }

  #core(): NodeCore {
    const node = this;
    return {
      get host() {
        return node.#host;
      },
      get keeper() {
        return node.#keeper;
      },
      get isDraining() {
        return node.#isDraining;
      },
    };
  }

  #openDoors(): NodeDoors {
    const admission = this.#admission;
    const level = this.#options.member?.durability;
    const { clock } = this.#options;
    const [watches, accesses] = [this.#watches, this.#accesses];
    const keyValue = new KeysDoor({ admission, clock, watches, accesses, level });
    // The shorter ways of plain Sets wait for nothing.
    const bulk = level === undefined ? keyValue : undefined;
    const replication = new ReplicationDoor(admission, () => {
      assert(this.#snapshots !== undefined, 'a node with a role has a directory');
      return this.#snapshots;
    });
    const admin = new AdminDoor({
      admission,
      keys: keyValue,
      options: this.#options,
      status: () => this.#status(),
      scrub: (signal) => this.#guard.scrub(signal),
    });
    const isMember = this.#options.member !== undefined;
    const whenMapHeard = isMember ? (epoch: number) => this.#agent?.whenMapHeard(epoch) : undefined;
    return { keyValue, bulk, replication, admin, member: this.#openMemberDoor(), whenMapHeard };
  }

  #openMemberDoor(): MemberDoor | undefined {
    if (this.#options.member === undefined) return undefined;
    return new MemberDoor({
      keeper: () => (this.#isDraining ? undefined : this.#keeper),
      addressOf: (node) => this.#agent?.addressOf(node),
    });
  }

  /**
   * Locks the data directory, so that no other process can use it. Throws
   * `WalOpenError` if it cannot be locked.
   */
  async lock(): Promise<void> {
    this.#host = await openHost(this.#options, (progress) => this.#recovery.note(progress));
  }

  /**
   * Recovers the directory and takes up its role; locks it first if `lock` was not
   * called. `advertise`: the address that a replica tells its master to push to,
   * `host:port`, or `:port` for the host that the master sees.
   */
  async start(advertise: string): Promise<void> {
    if (this.#host === undefined) await this.lock();
    const host = this.#host;
    assert(host !== undefined, 'the directory is locked');
    this.#snapshots = new SnapshotSource(host, {
      bytesPerSecond: this.#options.snapshotBytesPerSecond ?? Number.POSITIVE_INFINITY,
      pinnedBytesMax: this.#options.snapshotLogBytesMax ?? Number.MAX_SAFE_INTEGER,
      isKnown: (nodeId) => this.#isReplica(nodeId),
    });
    this.#keeper = new RoleKeeper(this.#options, host, advertise, {
      onAltered: (engine, why) => this.#guard.altered(engine, why),
      onReplicaDiffers: () => this.#guard.doubted(),
    });
    const { clock, logger, asideBytesMax = Infinity, asideAgeMaxMs = Infinity, onAside } = this.#options;
    const rule = { bytesMax: asideBytesMax, ageMaxMs: asideAgeMaxMs };
    this.#pruner = new AsidePruner({ directory: host.directory, clock, logger, rule, onState: onAside });
    const { member } = this.#options;
    if (member !== undefined)
      this.#agent = new MemberAgent({ options: this.#options, member, keeper: this.#keeper });
    // A coordinator hears of a member that is loading, too.
    this.#agent?.start();
    await this.#keeper.start(() => this.#recovery.noteNothing());
    const why = this.limits.whyDiffer;
    if (why !== undefined) logger.warn({ why }, 'the limits of the group are not those of the configuration');
    this.#pruner.start();
    this.#guard.start();
    this.#clockWatch.start();
    this.limits.watch();
    this.#accesses.start();
  }

  /** From now on the node is not ready; reads and writes under way finish. */
  beginDrain(): void {
    this.#isDraining = true;
    const { role } = this.#admission;
    if (role?.kind === 'master') role.master.endFills();
  }

  /** Stops following or pushing, syncs the log, marks a clean stop and unlocks the directory. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#clockWatch.stop();
    this.limits.stop();
    this.#accesses.stop();
    const guarded = this.#guard.stop();
    await this.#agent?.stop();
    await this.#keeper?.stop();
    await guarded;
    await this.#pruner?.stop();
    await this.#host?.close();
  }

  #isReplica(nodeId: string): boolean {
    const { role } = this.#admission;
    return role?.kind === 'master' && role.replicas.some((one) => one.nodeId === nodeId);
  }

  #status(): NodeStatus {
    const { engine, role } = this.#admission;
    return buildStatus({
      host: this.#host,
      engine,
      role,
      progress: this.#recovery.progress,
      promotions: this.#keeper?.promotions ?? 0,
      integrity: this.#guard.status,
      doubt: this.#guard.doubt,
      whyUnheard: this.#agent?.whyUnheard,
      whyOtherLimits: this.limits.whyDiffer,
      whyNoRoom: this.limits.whyNoRoom,
      isDraining: this.#isDraining,
      watch: this.#watches.status,
      uptimeMs: Math.round(this.#options.clock.monotonicMs() - this.#startedMs),
      version: this.#options.version,
      binaryRole: this.#options.role,
    });
  }
}
