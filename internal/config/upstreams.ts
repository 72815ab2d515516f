/** The addresses that a node calls by its own configuration, beside `replication.replicas`. Pure. */
import type { MemberConfig, NodeConfig, SlaveConfig } from '#config/binaries.ts';

/** `host:port` of its master, or of the coordinators of its cluster. */
export function upstreamsOf(
  config: Pick<NodeConfig, 'kind'> & Partial<Pick<SlaveConfig, 'master'> & Pick<MemberConfig, 'cluster'>>,
): readonly string[] {
  return [
    ...(config.cluster?.coordinators ?? []),
    ...(config.master === undefined ? [] : [config.master.address]),
  ];
}
