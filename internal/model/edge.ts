/** What the inbound edge needs from the process that it serves, whether that is a node or not. */
import type { RecoveryStatus } from '#model/status.ts';

/** What `/readyz`, the health service and the metric `walnut_ready` report. */
export interface Readiness {
  readonly isReady: boolean;
  /** One word each, for people. */
  readonly role: string;
  readonly state: string;
  /** Why it is not ready, or what an operator should know. */
  readonly reasons: readonly string[];
  /** The recovery under way, or the last one. */
  readonly recovery?: RecoveryStatus | undefined;
}

export interface EdgeOwner {
  /** The owner's readiness; the edge adds its own drain. */
  readiness(): Readiness;
  /** `host:port` of the master, if this process is not the master and knows it. */
  leaderHint(): string | undefined;
  /**
   * A member of a cluster: returns undefined if it may answer a caller that knows the shard
   * map of this epoch; else resolves once it may, and rejects with `unavailable` where it
   * learns of no such map in time. Absent elsewhere.
   */
  whenMapHeard?(epoch: number): Promise<void> | undefined;
  /** True for a gateway, which tells the nodes that it calls who its callers are. */
  readonly tellsUsers?: boolean | undefined;
  /** The id of the cluster that this process belongs to; undefined or empty: none. */
  clusterId?(): string;
}
