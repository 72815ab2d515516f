/** Checks that a coordinator means this member, and takes the place that it is given in the cluster. */
import type { ToMember } from '#cluster/member-port.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { WalnutError } from '#model/errors.ts';
import { assert } from '#platform/assert.ts';
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

/** Writes the place to MANIFEST where it is new. A node that belongs somewhere else keeps its place. */
export async function takePlace(
  host: EngineHost,
  { clusterId, group }: Pick<ToMember, 'clusterId' | 'group'>,
): Promise<void> {
  if (host.manifest.member?.group !== '') return;
  await host.directory.update((manifest) => {
    assert(manifest?.member !== undefined, 'a member has a place');
    const { member } = manifest;
    return member.group === '' ? { ...manifest, member: { ...member, clusterId, group } } : manifest;
  });
}
