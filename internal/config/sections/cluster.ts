/** `cluster`: the cluster of which a node is a member. */
import {
  boolean,
  clusterName,
  duration,
  hostPorts,
  nodeName,
  oneOf,
  zoneName,
} from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { formatDuration } from '#platform/duration.ts';

export interface ClusterConfig {
  /** The name under which its coordinators keep it. */
  readonly name: string;
  /** The name by which the cluster lists this node. */
  readonly node: string;
  /** What fails together, such as a rack; empty: not known. */
  readonly zone: string;
  /** `host:port` of the coordinators, at least one. */
  readonly coordinators: readonly string[];
  /** How long this node may take writes, as a master, on the answers that it had. */
  readonly leaseMs: number;
  /** The directory of a plain group is taken into the cluster; otherwise it is refused. */
  readonly adopts: boolean;
  /** The level of durability of writes that name none; undefined: that of `wal.fsync`. */
  readonly durability: 'quorum' | undefined;
}

const LEVELS = ['policy', 'quorum'] as const;

/** The longest lease: a new leader waits for 1.1 times as long before its first write, whatever the others have. */
const LEASE_MS_MAX = 1_500;
/** Heartbeats go out every 300 ms, and one of them may be lost. */
const LEASE_MS_MIN = 700;

export const CLUSTER = defineSection({
  keys: () => ({
    name: clusterName('main'),
    node: nodeName(),
    zone: zoneName(),
    coordinators: hostPorts({ min: 1 }),
    lease: duration({ min: LEASE_MS_MIN, max: LEASE_MS_MAX }, LEASE_MS_MAX),
    adopt: boolean(false),
    durability: oneOf(LEVELS, 'policy'),
  }),
  read: ({ name, node, zone, coordinators, lease, adopt, durability }): ClusterConfig => ({
    ...{ name, node, zone, coordinators },
    leaseMs: lease,
    adopts: adopt,
    durability: durability === 'quorum' ? durability : undefined,
  }),
  print: ({ name, node, zone, coordinators, leaseMs, adopts, durability }) => ({
    ...{ name, node, zone, coordinators },
    lease: formatDuration(leaseMs),
    adopt: adopts,
    durability: durability ?? 'policy',
  }),
});
