/** Checks that a coordinator means this member, and takes the place that it is given in the cluster. */
import type { ToMember } from '#cluster/member-port.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { WalnutError } from '#model/errors.ts';
import { assert } from '#platform/assert.ts';
import { withoutRemovals } from '#replication/known-replicas.ts';
import type { Manifest } from '#wal/manifest.ts';

/** Throws `not_found` if another node is meant, `failed_precondition` if this one belongs elsewhere. */
export function checkWhom({ member, logId }: Manifest, to: ToMember): void {
  if (member?.node !== to.node)
    throw new WalnutError('not_found', `this is node ${member?.node}, and ${to.node} is meant`);
  const why =
    whyOther('cluster', member.clusterId, to.clusterId) ??
    whyOther('group', member.group, to.group) ??
    whyOther('log', logId, to.logId);
  if (why !== undefined) throw new WalnutError('failed_precondition', `${to.node} ${why}`);
}

function whyOther(what: string, own: string, stated: string): string | undefined {
  return own === '' || own === stated ? undefined : `belongs to ${what} ${own}, not to ${stated}`;
}

/**
 * Writes to MANIFEST what is new of the place: cluster and group, which a node that has
 * them keeps, and a map epoch above all that it heard of.
 */
export async function takePlace(
  host: EngineHost,
  { clusterId, group, mapEpoch = 0 }: Pick<ToMember, 'clusterId' | 'group'> & { readonly mapEpoch?: number },
): Promise<void> {
  const known = host.manifest.member;
  if (known?.group !== '' && mapEpoch <= (known?.mapEpoch ?? 0)) return;
  await host.directory.update((manifest) => {
    assert(manifest?.member !== undefined, 'a member has a place');
    const { member } = manifest;
    const heard = { mapEpoch: Math.max(mapEpoch, member.mapEpoch ?? 0) };
    if (member.group !== '') return { ...manifest, member: { ...member, ...heard } };
    const replicas = withoutRemovals(manifest.replicas);
    return { ...manifest, replicas, member: { ...member, clusterId, group, ...heard } };
  });
}
