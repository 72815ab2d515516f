/** What a gateway says of itself. Values and a port only. */
import type { ShardMap } from '#cluster/shard-map.ts';
import type { Readiness } from '#model/edge.ts';

/** A group as a gateway sees it. */
export interface GatewayGroup {
  readonly id: string;
  /** The name of its leader; empty: the map has none. */
  readonly leader: string;
  /** How many slots it owns. */
  readonly slots: number;
  /** Calls that are not answered. */
  readonly calls: number;
  /** Bytes of their keys and values. */
  readonly bytes: number;
  /** It does not answer: calls wait in the gateway. */
  readonly isHeld: boolean;
}

export interface GatewayView {
  /** Empty: there is no map yet. */
  readonly clusterId: string;
  readonly mapEpoch: number;
  /** Since a coordinator said that this map is the newest, or it was kept, milliseconds; undefined: there is none. */
  readonly mapAgeMs: number | undefined;
  /** Changes of the map arrive as they are made. */
  readonly isFollowing: boolean;
  /** Sorted by id. */
  readonly groups: readonly GatewayGroup[];
  /** Attempts that were followed by another, since the process started. */
  readonly retries: number;
}

export interface GatewayPort {
  /** The newest map that it has heard of; undefined: none. */
  readonly map: ShardMap | undefined;
  readiness(): Readiness;
  view(): GatewayView;
  /** See `EdgeOwner`. */
  whenMapHeard(epoch: number): Promise<void> | undefined;
}
