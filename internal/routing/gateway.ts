/**
 * What a gateway is made of: the map, who follows it, the groups and their keys. It opens
 * nothing by itself: links, coordinators and the kept map are ports.
 */
import type { GatewayGroup, GatewayPort, GatewayView } from '#cluster/gateway-port.ts';
import { runsOf, type ShardMap, slotsIn } from '#cluster/shard-map.ts';
import type { Readiness } from '#model/edge.ts';
import { SLOTS } from '#model/slots.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import { ClusterKeys } from '#routing/cluster-keys.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import { Groups } from '#routing/groups.ts';
import type { HoldLimits } from '#routing/hold.ts';
import { MapFollower, type MapSource } from '#routing/map-follower.ts';
import type { NodeLinks } from '#routing/node-keys.ts';

/** Where the newest map is kept. */
export interface KeptMap {
  /** With how long ago it was written. Undefined: there is none that can be used. */
  load(): Promise<{ readonly map: ShardMap; readonly ageMs: number } | undefined>;
  /** Never rejects. */
  save(map: ShardMap): Promise<void>;
}

export interface GatewayOptions {
  readonly coordinators: readonly string[];
  readonly source: MapSource;
  readonly links: NodeLinks;
  /** Undefined: no map is kept. */
  readonly kept: KeptMap | undefined;
  readonly readFrom: ReadPolicy;
  readonly limits: HoldLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Gateway implements GatewayPort {
  readonly keys: ClusterKeys;
  readonly #options: GatewayOptions;
  readonly #groups: Groups;
  readonly #follower: MapFollower;
  /** The map that was kept before this start. */
  #loaded: ShardMap | undefined;
  /** The newest map is written after the one before. */
  #saving: Promise<void> = Promise.resolve();

  constructor(options: GatewayOptions) {
    const { coordinators, source, links, readFrom, limits, clock, random, logger } = options;
    this.#options = options;
    this.#follower = new MapFollower({
      coordinators,
      source,
      cache: () => this.#groups.cache,
      clock,
      logger,
      advice: 'correct gateway.coordinators, or remove gateway.map_file to serve the other one',
    });
    this.#groups = new Groups({
      ...{ links, clock, random, limits, logger },
      ask: () => this.#follower.ask(),
      onMap: (map) => this.#onMap(map),
    });
    this.keys = new ClusterKeys({ groups: this.#groups, clock, readFrom });
  }

  /** Begins with the map that was kept, if there is one, and follows the coordinators from then on. */
  async start(): Promise<void> {
    const { kept, logger } = this.#options;
    const found = await kept?.load();
    if (found !== undefined) {
      const { map, ageMs } = found;
      this.#loaded = map;
      this.#groups.cache.start(map, ageMs);
      logger.info(
        { epoch: map.epoch, cluster: map.clusterId, ageMs },
        'the gateway begins with the map that it kept',
      );
    }
    this.#follower.start();
  }

  /** Calls that wait for a group that does not answer are refused, so that their callers hear it before the process ends. */
  stopHolding(): void {
    for (const { hold } of this.#groups.all) hold.stop();
  }

  async stop(): Promise<void> {
    await this.#follower.stop();
    await this.#saving;
  }

  /** The newest map; undefined until there is one. */
  get map(): ShardMap | undefined {
    return this.#groups.cache.map;
  }

  /** See `EdgeOwner`: one question to the coordinators is in flight, however many calls wait for it. */
  whenMapHeard(epoch: number): Promise<void> | undefined {
    return this.#groups.whenHeard(epoch);
  }

  readiness(): Readiness {
    const reasons = this.#whyNotReady();
    const isReady = reasons.length === 0;
    const state = this.#groups.cache.map === undefined ? 'loading' : isReady ? 'serving' : 'waiting';
    return { isReady, role: 'gateway', state, reasons: [...reasons, ...this.#follower.problems] };
  }

  view(): GatewayView {
    const { cache, all, retries } = this.#groups;
    const { map } = cache;
    return {
      clusterId: map?.clusterId ?? '',
      mapEpoch: map?.epoch ?? 0,
      mapAgeMs: cache.ageMs,
      isFollowing: this.#follower.isStreaming,
      groups:
        map === undefined
          ? []
          : all.map((group): GatewayGroup => {
              const { id, leader, hold } = group;
              const slots = slotsIn(runsOf(map.slots, id));
              return { id, leader, slots, calls: hold.calls, bytes: hold.bytes, isHeld: hold.isOpen };
            }),
      retries,
    };
  }

  /** Ready is a gateway once every slot has an owner and every owner a leader, in the cluster of its coordinators. */
  #whyNotReady(): string[] {
    const { map } = this.#groups.cache;
    if (map === undefined) return ['there is no map of the cluster yet: no coordinator has answered'];
    const owned = slotsIn(map.slots);
    const without = this.view().groups.filter(({ leader, slots }) => leader === '' && slots > 0);
    return [
      ...(this.#follower.isForeign ? ['every coordinator that answers is of another cluster'] : []),
      ...(owned === SLOTS ? [] : [`${SLOTS - owned} of ${SLOTS} slots have no owner`]),
      ...without.map(({ id }) => `group ${id} has no leader`),
    ];
  }

  #onMap(map: ShardMap): void {
    const { kept, logger } = this.#options;
    logger.debug({ epoch: map.epoch }, 'the map changed');
    // What was read from the file is not written again: its age is that of the file.
    if (kept !== undefined && map !== this.#loaded) this.#saving = this.#saving.then(() => kept.save(map));
  }
}
