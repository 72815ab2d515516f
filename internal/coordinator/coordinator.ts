/**
 * One coordinator: takes part in the election, and while it is the active one hears the
 * nodes, leases heartbeats, and keeps a leader in every group (ADR 17). It can be lost
 * at any moment; another one goes on from what the metadata store records.
 */
import type { Alarm, CoordinatorCounts } from '#cluster/coordinator-port.ts';
import { SILENCE_MS } from '#cluster/figures.ts';
import type { Heartbeat, HeartbeatAnswer, Observation } from '#cluster/heartbeat.ts';
import { isTakingWrites } from '#cluster/judge-master.ts';
import { groupOf, isLeasable } from '#cluster/leasable.ts';
import type { ClockReading } from '#cluster/lease.ts';
import type { Group, ShardMap } from '#cluster/shard-map.ts';
import { Alarms } from '#coordinator/alarms.ts';
import { Catalogue, type Recorded } from '#coordinator/catalogue.ts';
import { Election } from '#coordinator/election.ts';
import { GroupKeeper } from '#coordinator/group-keeper.ts';
import { MapFeed } from '#coordinator/map-feed.ts';
import { MarginWatch } from '#coordinator/margin-watch.ts';
import type { Members } from '#coordinator/members.ts';
import { OperatorRequests } from '#coordinator/operator-requests.ts';
import { Roll } from '#coordinator/roll.ts';
import { SharedCheck } from '#coordinator/shared-check.ts';
import { ToldReasons } from '#coordinator/told-reasons.ts';
import type { MetadataStore } from '#metadata/metadata-store.ts';
import { OutageWatch } from '#metadata/outage-watch.ts';
import { asRefusal, unavailable, WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import type { ActiveCoordinator } from '#wire/cluster-codec.ts';

/** How often the groups are looked at, milliseconds. */
const TICK_MS = 100;
/** A look that comes later than this shows that the process stood still: it judges nobody for a while. */
const LATE_MS = 300;
/** How many addresses one change records: a change writes at most 100 keys. */
const MOVED_MAX = 90;

export interface CoordinatorOptions {
  /** Letters, digits and hyphens. */
  readonly cluster: string;
  readonly store: MetadataStore;
  readonly members: Members;
  readonly clock: Clock;
  readonly readClocks: () => ClockReading;
  readonly random: Random;
  readonly logger: Logger;
}

export class Coordinator {
  readonly requests: OperatorRequests;
  /** The map for readers; on passive coordinators too. */
  readonly feed: MapFeed;
  readonly #options: CoordinatorOptions;
  readonly #store: OutageWatch;
  readonly #election: Election;
  readonly #catalogue: Catalogue;
  readonly #alarms: Alarms;
  readonly #roll: Roll;
  readonly #margins: MarginWatch;
  readonly #keepers = new Map<string, GroupKeeper>();
  readonly #leasing: SharedCheck<Recorded | undefined>;
  readonly #stop = new AbortController();
  readonly #counts = { heartbeats: 0, leases: 0, failovers: 0 };
  #ticking: Promise<void> | undefined;
  /** The `leader` key for which nodes are heard, since when, since when they are judged, and the last look at them. */
  #heardFor: number | undefined;
  #activeSinceMs = 0;
  #judgingSinceMs = 0;
  #lastTickMs = 0;
  /** The last change of addresses: two processes of one incarnation must not change them without end. */
  #movedMs = 0;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    const { clock, logger, random, readClocks, cluster } = options;
    const store = new OutageWatch(options.store, () => clock.monotonicMs());
    this.#store = store;
    const prefix = `/walnut/${cluster}/`;
    this.#catalogue = new Catalogue({ store, prefix, monotonicMs: () => clock.monotonicMs() });
    const { leaderKey } = this.#catalogue;
    this.#election = new Election({ id: random.id128(), store, leaderKey, clock, readClocks, logger });
    this.#alarms = new Alarms(clock, logger);
    this.feed = new MapFeed({ store, prefix, clock, logger });
    this.#roll = new Roll(this.#alarms, cluster);
    this.#margins = new MarginWatch(this.#alarms);
    this.requests = new OperatorRequests({
      catalogue: this.#catalogue,
      roll: this.#roll,
      leaderRevision: () => this.#leaderRevision(),
      judgingSinceMs: () => this.#judgingSinceMs,
      clock,
      random,
      logger,
    });
    this.#leasing = new SharedCheck(() => this.#checkStillActive());
  }

  /** `address`: `host:port` of its service. */
  start(address: string): void {
    this.#election.start(address);
    this.feed.start();
    this.#ticking ??= this.#tickOn();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#election.stop(), this.feed.stop()]);
    await this.#ticking;
  }

  /** True while it hears nodes and acts. */
  get isActive(): boolean {
    const { leaderRevision } = this.#election;
    return leaderRevision !== undefined && leaderRevision === this.#heardFor;
  }

  /** The active coordinator, as far as this one knows; not itself before it acts. */
  get active(): ActiveCoordinator | undefined {
    const { active, leaderRevision } = this.#election;
    return leaderRevision === undefined || this.isActive ? active : undefined;
  }

  get alarms(): readonly Alarm[] {
    return this.#alarms.list;
  }

  /** What is wrong with the metadata store, as this coordinator's last calls showed; empty: nothing. */
  get metadataProblem(): string {
    return this.#store.problem;
  }

  /** What is worth knowing and needs no decision. Of use on the active coordinator only. */
  get warnings(): readonly string[] {
    return this.#margins.warnings;
  }

  /** The nodes that are heard. Of use on the active coordinator only. */
  get observations(): ReadonlyMap<string, Observation> {
    return this.#roll.observations;
  }

  get counts(): CoordinatorCounts {
    return { ...this.#counts };
  }

  /** The map as far as this coordinator knows; undefined until it was read. */
  get map(): ShardMap | undefined {
    return this.#catalogue.recorded?.map;
  }

  /**
   * Hears a node. Throws `failed_precondition` where another coordinator is the active one,
   * with its address, and where this one does not believe the node; `unavailable` where no
   * coordinator is known to be active.
   */
  async heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    this.#leaderRevision();
    // A node must not look silent because the store is slow.
    const map = this.#catalogue.lastMap;
    if (map === undefined) throw new WalnutError('unavailable', 'the map was not read yet');
    this.#roll.hear(heartbeat, map, this.#options.clock.monotonicMs());
    this.#counts.heartbeats += 1;
    if (heartbeat.role !== 'master') return this.#answerTo(heartbeat, map, false);
    const checked = await this.#leasing.ask().catch(() => undefined);
    if (checked === undefined) return this.#answerTo(heartbeat, map, false);
    const isNew = this.#options.clock.monotonicMs() - this.#activeSinceMs < SILENCE_MS;
    const isLeased = isLeasable(checked.map, heartbeat, this.#roll, isNew);
    if (isLeased) this.#counts.leases += 1;
    return this.#answerTo(heartbeat, checked.map, isLeased);
  }

  #answerTo({ node, keptMapEpoch }: Heartbeat, map: ShardMap, isLeased: boolean): HeartbeatAnswer {
    const { clusterId, epoch: mapEpoch } = map;
    const group = groupOf(map, node);
    const nodes = (group?.voters ?? []).flatMap((voter) => map.nodes.get(voter.node) ?? []);
    const news = group !== undefined && keptMapEpoch < mapEpoch ? map : undefined;
    return { clusterName: this.#options.cluster, clusterId, mapEpoch, map: news, group, nodes, isLeased };
  }

  /** Throws, before anything was done, where this coordinator is not the active one: `unavailable` where it knows of no other. */
  #leaderRevision(): number {
    const { leaderRevision } = this.#election;
    if (leaderRevision !== undefined && this.isActive) return leaderRevision;
    const leaderHint = this.active?.address;
    const { problem } = this.#store;
    const why = problem === '' ? ' yet: one is within seconds, try again' : `, and ${problem}`;
    throw leaderHint === undefined
      ? asRefusal(unavailable(`no coordinator is known to be active${why}`))
      : new WalnutError('failed_precondition', 'this coordinator is not the active one', {
          ...{ leaderHint, nothingDone: true },
        });
  }

  /** The record by which heartbeats are leased, if it is still valid; linearizable. */
  async #checkStillActive(): Promise<Recorded | undefined> {
    const { recorded } = this.#catalogue;
    const { leaderRevision } = this.#election;
    if (recorded === undefined || leaderRevision === undefined) return undefined;
    const { isDone } = await this.#store.transact({
      compare: [
        { key: this.#catalogue.leaderKey, createRevision: leaderRevision },
        { key: this.#catalogue.epochKey, modRevision: recorded.epochRevision },
      ],
      writes: [],
    });
    if (isDone) return recorded;
    // Somebody else changed the map, or acts: what is known here is old.
    if (this.#catalogue.recorded === recorded) this.#catalogue.forget();
    return undefined;
  }

  async #tickOn(): Promise<void> {
    const { clock, logger } = this.#options;
    const told = new ToldReasons(logger, 'groups');
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#tick();
        told.succeeded();
      } catch (error) {
        told.failed(error);
      }
      await clock.sleep(TICK_MS, signal);
    }
  }

  async #tick(): Promise<void> {
    const { leaderRevision } = this.#election;
    if (leaderRevision === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (leaderRevision !== this.#heardFor) this.#begin(leaderRevision, nowMs);
    if (nowMs - this.#lastTickMs > LATE_MS) this.#judgingSinceMs = nowMs;
    this.#lastTickMs = nowMs;
    this.#roll.tellNamesakes(nowMs);
    const recorded = this.#catalogue.recorded ?? (await this.#catalogue.read());
    const { map } = recorded;
    if (this.#roll.isDoubtful(map, recorded.askedMs)) {
      await this.#catalogue.read();
      return;
    }
    const why = this.#roll.whyEpochAhead(map);
    this.#alarms.set('epoch', why);
    this.#alarms.set('store', this.#store.whyNoChanges || undefined);
    this.#alarms.set('cluster', this.#roll.whyLost(map));
    if (why !== undefined) return;
    await this.#followAddresses(map, leaderRevision, nowMs);
    for (const group of map.groups.values()) {
      this.#keeperOf(group).step({ map, group, leaderRevision, judgingSinceMs: this.#judgingSinceMs });
      const heard = { observations: this.#roll.observations, nowMs };
      this.#margins.look({ group, isTakingWrites: isTakingWrites(group, heard), ...heard });
    }
  }

  /** A member that comes back at another address is recorded there: else it could not be called any more. */
  async #followAddresses(map: ShardMap, leaderRevision: number, nowMs: number): Promise<void> {
    const isTooEarly = nowMs - Math.max(this.#judgingSinceMs, this.#movedMs) < SILENCE_MS;
    if (isTooEarly || this.#roll.moved(map).length === 0) return;
    this.#movedMs = nowMs;
    await this.#catalogue.change(leaderRevision, (newest) => {
      const nodes = this.#roll.moved(newest).slice(0, MOVED_MAX);
      if (nodes.length === 0) return undefined;
      this.#options.logger.warn({ nodes }, 'members have other addresses');
      return { nodes };
    });
  }

  /** What was heard while another coordinator acted is of no use. */
  #begin(leaderRevision: number, nowMs: number): void {
    this.#heardFor = leaderRevision;
    this.#activeSinceMs = nowMs;
    this.#judgingSinceMs = nowMs;
    this.#lastTickMs = nowMs;
    this.#alarms.clear();
    this.#roll.clear();
    this.#margins.clear();
    this.#keepers.clear();
    this.#catalogue.forget();
  }

  #keeperOf({ id }: Group): GroupKeeper {
    const { members, clock, logger } = this.#options;
    const keeper =
      this.#keepers.get(id) ??
      new GroupKeeper({
        catalogue: this.#catalogue,
        roll: this.#roll,
        alarms: this.#alarms,
        members,
        clock,
        logger,
        onFailover: () => {
          this.#counts.failovers += 1;
        },
      });
    this.#keepers.set(id, keeper);
    return keeper;
  }
}
