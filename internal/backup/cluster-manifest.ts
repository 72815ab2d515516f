/**
 * What ties the backups of the groups of a cluster: JSON that names the cluster, and of each group
 * the backup, its position, its digest and the slots that its log owns. Groups have logs of their
 * own, so each is at a position of its own. Pure; decoding returns what is wrong as text.
 */
import type { BackupManifest, BackupPlace } from '#backup/backup-manifest.ts';
import { encodeSealed, tryDecodeSealed } from '#backup/sealed-json.ts';
import type { ChainPoint } from '#model/replication.ts';
import { findOwnerFault, type SlotRun } from '#model/slots.ts';

export interface GroupBackup {
  /** The id of the group: the name of the directory that it is restored into. */
  readonly group: string;
  /** The id of its backup in the same repository. */
  readonly backup: string;
  /** The hash of the manifest of that backup, 64 lower-case hex digits. */
  readonly sha256: string;
  readonly to: ChainPoint;
  /** Log clock of the last record, milliseconds. */
  readonly toTimestampMs: number;
  readonly entries: number;
  readonly digest: string;
  readonly owned: readonly SlotRun[];
}

export interface ClusterManifest {
  readonly format: 1;
  readonly id: string;
  /** Wall milliseconds since the Unix epoch. */
  readonly createdMs: number;
  /** `cluster.name` */
  readonly cluster: string;
  /** 32 hex digits. */
  readonly clusterId: string;
  /** Sorted by group. Together they own every slot once. */
  readonly groups: readonly GroupBackup[];
}

export function encodeClusterManifest(manifest: ClusterManifest): Buffer {
  return encodeSealed(manifest);
}

/** Decodes a manifest, or returns what is wrong with it. */
export function tryDecodeClusterManifest(bytes: Uint8Array): ClusterManifest | string {
  const sealed = tryDecodeSealed(bytes, 1);
  if (typeof sealed === 'string') return sealed;
  // Its hash is right, so encodeClusterManifest wrote it.
  const decoded = sealed as ClusterManifest;
  const misnamed = decoded.groups.find(({ group }) => !GROUP.test(group));
  // It becomes the name of a directory.
  return misnamed === undefined ? decoded : `it names a group ${JSON.stringify(misnamed.group)}`;
}

const GROUP = /^[a-z0-9-]{1,64}$/i;

/** The source of a backup, as messages name it, and what it says of its place. */
export interface PlacedSource {
  readonly name: string;
  readonly place: BackupPlace | undefined;
}

/** Why the sources are not groups of one cluster, each once; undefined if they are. Pure. */
export function whyNotOneCluster(sources: readonly PlacedSource[]): string | undefined {
  const byGroup = new Map<string, string>();
  const [first] = sources;
  for (const { name, place } of sources) {
    if (place === undefined || place.clusterId === '' || place.group === '')
      return `${name} is of a node that belongs to no group of a cluster: use walnut backup create`;
    if (place.clusterId !== first?.place?.clusterId)
      return (
        `${name} is of ${describe(place)}, and ${first?.name} of ${first?.place && describe(first.place)}: ` +
        'a backup ties the groups of one cluster, so name those of the other one by themselves'
      );
    const other = byGroup.get(place.group);
    if (other !== undefined)
      return `${name} and ${other} are both of group ${place.group}: name one node of each group`;
    byGroup.set(place.group, name);
  }
  return undefined;
}

function describe({ cluster, clusterId }: BackupPlace): string {
  return `cluster ${cluster} (${clusterId})`;
}

/** Why a backup cannot be one of a cluster; undefined if it can. Pure. */
export function whyNotTied({ id, place, state }: BackupManifest): string | undefined {
  if (place === undefined) return undefined;
  if (state === null)
    return `backup ${id} was not replayed when it was made: make another one with walnut backup create --verify`;
  if (state.owned === undefined)
    return `the log of group ${place.group} in backup ${id} does not say which slots it owns: make another one once the group has taken writes`;
  return undefined;
}

/** Why the groups are not a whole cluster: a slot has no owner among them, or two. Undefined if they are. Pure. */
export function whyNotWhole(groups: readonly Pick<GroupBackup, 'group' | 'owned'>[]): string | undefined {
  const fault = findOwnerFault(groups.flatMap(({ group, owned }) => owned.map((run) => ({ ...run, group }))));
  if (fault === undefined) return undefined;
  const named = groups.map(({ group }) => group).join(', ');
  if (fault.kind === 'two')
    return `slot ${fault.slot} belongs to ${fault.groups.join(' and to ')}: these are backups of different times of the cluster`;
  return (
    `a group is missing: slots ${fault.first} to ${fault.last} belong to none of ${named}. ` +
    'See whose they are with walnut cluster map, and name a node of that group, too'
  );
}
