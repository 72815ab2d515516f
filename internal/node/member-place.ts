/**
 * Which cluster a data directory belongs to. MANIFEST says it from the first start on,
 * so that a member is never started as a plain node, which would choose terms of its
 * own beside the coordinator's, and so that a directory has one name in one cluster.
 */
import type { Manifest, MemberPlace } from '#wal/manifest.ts';
import { WalOpenError } from '#wal/wal-errors.ts';

/** A member as its configuration names it. */
export interface MemberName {
  /** `cluster.name`. */
  readonly cluster: string;
  /** `cluster.node`. */
  readonly node: string;
}

/** The fields of a new MANIFEST. */
export function placeOf(name: MemberName | undefined): { readonly member?: MemberPlace } {
  if (name === undefined) return {};
  const { cluster, node } = name;
  return { member: { cluster, node, clusterId: '', group: '' } };
}

/** Throws `WalOpenError` if the directory at `path` belongs elsewhere than the configuration says. */
export function checkPlace(path: string, { member }: Manifest, name: MemberName | undefined): void {
  const why = whyElsewhere(member, name);
  if (why !== undefined) throw new WalOpenError('foreign', `${path} ${why}. Nothing was changed`);
}

/** Pure: undefined if the directory belongs where the configuration says. */
export function whyElsewhere(
  member: MemberPlace | undefined,
  name: MemberName | undefined,
): string | undefined {
  if (member === undefined && name === undefined) return undefined;
  if (member === undefined)
    return 'belongs to a plain group: start it with walnut-master or walnut-slave, or give walnut-node an empty wal.directory';
  const place = `node ${member.node} of cluster ${member.cluster}`;
  if (name === undefined) return `belongs to ${place}: start it with walnut-node`;
  if (member.cluster === name.cluster && member.node === name.node) return undefined;
  return (
    `belongs to ${place}, and the configuration says node ${name.node} of cluster ${name.cluster}: ` +
    'correct cluster.name and cluster.node, or give it another wal.directory'
  );
}
