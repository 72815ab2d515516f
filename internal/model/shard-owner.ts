/** What a refusal by a group that does not own a slot says of its owner. */

/** The owner of a slot, as the refusing node knows it. */
export interface ShardOwner {
  readonly slot: number;
  /** The id of the group; empty: not known. */
  readonly group: string;
  /** `host:port` of that group's master; empty: not known. */
  readonly address: string;
  /** The epoch of the map that says so. */
  readonly mapEpoch: number;
}
