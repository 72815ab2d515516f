/**
 * Which cluster a data directory belongs to. MANIFEST says it from the first start on,
 * so that a member is never started as a plain node, which would choose terms of its
 * own beside the coordinator's, and so that a directory has one name in one cluster.
 */
import { newIncarnation } from '#engine/incarnation.ts';
import type { Random } from '#platform/random.ts';
import type { Manifest, MemberPlace } from '#wal/manifest.ts';
import { WalOpenError } from '#wal/wal-errors.ts';

/** A member as its configuration names it. */
export interface MemberName {
  /** `cluster.name`. */
  readonly cluster: string;
  /** `cluster.node`. */
  readonly node: string;
  /** `cluster.adopt`: a directory of a plain group becomes that of this member. */
  readonly adopts?: boolean;
}

/** The fields of a new MANIFEST. */
export function placeOf(name: MemberName | undefined): { readonly member?: MemberPlace } {
  if (name === undefined) return {};
  const { cluster, node } = name;
  return { member: { cluster, node, clusterId: '', group: '' } };
}

/**
 * The fields by which the directory of a plain group becomes that of a member, with its log and its
 * role; undefined where nothing is to be changed. Throws `WalOpenError` where it has to be settled first.
 */
export function adoptedPlace(
  path: string,
  manifest: Manifest,
  name: MemberName | undefined,
  random: Random,
): Partial<Manifest> | undefined {
  if (name?.adopts !== true || manifest.member !== undefined) return undefined;
  const open =
    manifest.quarantine !== null
      ? 'is quarantined: see walnut quarantine list'
      : manifest.handover !== undefined
        ? 'has told another node to lead and does not know whether it does'
        : undefined;
  if (open !== undefined)
    throw new WalOpenError(
      'foreign',
      `${path} ${open}. Start it once more as a node of its plain group, settle that, and then let the cluster adopt it. Nothing was changed`,
    );
  return { ...placeOf(name), incarnation: manifest.incarnation ?? newIncarnation(random) };
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
    return (
      'belongs to a plain group: start it with walnut-master or walnut-slave, give walnut-node an empty wal.directory, ' +
      'or set cluster.adopt: true to make its group the first one of the cluster'
    );
  const place = `node ${member.node} of cluster ${member.cluster}`;
  if (name === undefined) return `belongs to ${place}: start it with walnut-node`;
  if (member.cluster === name.cluster && member.node === name.node) return undefined;
  return (
    `belongs to ${place}, and the configuration says node ${name.node} of cluster ${name.cluster}: ` +
    'correct cluster.name and cluster.node, or give it another wal.directory'
  );
}
