/** The part of a node that makes it a member of a cluster, from its configuration. */
import type { MemberConfig, NodeKind } from '#config/binaries.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import { ClusterLinks } from '#peer/cluster-links.ts';
import type { PeerWay } from '#peer/peer-endpoint.ts';
import type { Clock } from '#platform/clock.ts';
import type { CloserStack } from '#platform/closer-stack.ts';
import { createMachineClocks } from '#platform/machine-clocks.ts';
import type { MemoryPlan } from '#platform/memory-plan.ts';
import type { Settings } from '../run/settings.ts';
import { describeNoRoom, describeOverruled } from './group-keys.ts';

export interface MemberParts {
  readonly clock: Clock;
  readonly way: PeerWay;
  readonly closers: CloserStack;
  readonly settings: Pick<Settings<NodeKind>, 'overruled'>;
  readonly memory: MemoryPlan;
}

export function openMember({ cluster }: MemberConfig, parts: MemberParts): MemberOptions {
  const { clock, way, closers, settings, memory } = parts;
  const links = new ClusterLinks({ clock, ...way });
  closers.push('links to coordinators', () => links.close());
  const { name, node, zone, coordinators, leaseMs, adopts, durability } = cluster;
  return {
    ...{ cluster: name, node, zone, coordinators, leaseMs, adopts, durability },
    heartbeat: (address, heartbeat) => links.heartbeat(address, heartbeat),
    readClocks: createMachineClocks(clock),
    whyOtherLimits: () => describeOverruled(settings.overruled),
    whyNoRoom: (bytesMax) => describeNoRoom(memory, bytesMax),
  };
}
