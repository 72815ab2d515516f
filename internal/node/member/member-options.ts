/** What makes a node a member of a cluster. Times in milliseconds. */
import type { Heartbeat, HeartbeatAnswer } from '#cluster/heartbeat.ts';
import type { ClockReading } from '#cluster/lease.ts';
import type { DefaultLevel } from '#node/doors/default-level.ts';
import type { MemberName } from '#node/member-place.ts';

export interface MemberOptions extends MemberName {
  /** `cluster.zone`: what fails together, such as a rack; empty: not known. */
  readonly zone: string;
  /** `cluster.coordinators`: `host:port`, at least one. */
  readonly coordinators: readonly string[];
  /** Says to the coordinator at an address how this node is. Rejects with `WalnutError`, at the latest after some seconds. */
  readonly heartbeat: (address: string, heartbeat: Heartbeat) => Promise<HeartbeatAnswer>;
  /** `cluster.lease`: how long it may take writes, as a master, on the answers that it had. */
  readonly leaseMs: number;
  /** `cluster.durability`: the level of writes that name none; undefined: that of the fsync policy. */
  readonly durability?: DefaultLevel;
  /** The clocks of the machine, by which a lease finds out that it was suspended. */
  readonly readClocks: () => ClockReading;
  /** Says to operators which limits of the configuration differ from those in force in the group; undefined: none does. */
  readonly whyOtherLimits?: () => string | undefined;
  /** Says to operators why this machine has no room for so many bytes of entries; undefined: it has. */
  readonly whyNoRoom?: (bytesMax: number) => string | undefined;
}
