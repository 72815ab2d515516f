/** What the inbound edge asks of the process that it serves, be that a node or not. */
import type { RecoveryStatus } from '#model/status.ts';

/** What `/readyz`, the health service and the metric `walnut_ready` tell. */
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
  /** As the owner sees it: a drain of the edge is added by the edge. */
  readiness(): Readiness;
  /** `host:port` of the master, where this process is not the master and knows it. */
  leaderHint(): string | undefined;
}
