/** What the commands for backups of a cluster print: tables for people, plain values for programs. Pure. */
import type { ListedClusterBackup } from '#backup/cluster-backups.ts';
import type { ClusterManifest, GroupBackup } from '#backup/cluster-manifest.ts';
import type { CreatedClusterBackup } from '#backup/create-cluster-backup.ts';
import type { DrilledGroup, RestoredGroup } from '#backup/restore-cluster.ts';
import { formatPosition, type Position, termOf } from '#model/position.ts';
import { countOf, showBytes, showCount, showDeadline, showDuration } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import { showRuns } from './slot-runs.ts';

export function manifestJson({ id, createdMs, cluster, clusterId, groups }: ClusterManifest): object {
  return {
    ...{ id, createdMs, cluster, clusterId },
    groups: groups.map(({ group, backup, to, toTimestampMs, entries, digest, owned }) => ({
      ...{ group, backup },
      ...placeJson(to),
      ...{ toTimestampMs, entries, digest, owned },
    })),
  };
}

/** `term`: the term in which the record at the position was written. */
function placeJson(at: Position): { readonly position: string; readonly term: number } {
  return { position: formatPosition(at), term: termOf(at.epoch) };
}

export function backupText(
  colors: Colors,
  path: string,
  { manifest, copiedBytes, reusedBytes }: CreatedClusterBackup,
  elapsedMs: number,
): string {
  const facts = renderFacts(colors, [
    ['backup', path],
    ['cluster', `${manifest.cluster}, ${manifest.clusterId}`],
    ['copied', `${showBytes(copiedBytes)}, ${showBytes(reusedBytes)} were there already`],
    ['took', showDuration(elapsedMs)],
  ]);
  return `${facts}\n${groupsTable(colors, manifest.groups)}`;
}

function groupsTable(colors: Colors, groups: readonly GroupBackup[]): string {
  const head = ['GROUP', 'TERM', 'POSITION', 'LAST RECORD', 'ENTRIES', 'DIGEST', 'BACKUP', 'SLOTS'];
  const rows = groups.map(({ group, to, toTimestampMs, entries, digest, backup, owned }) => [
    group,
    String(termOf(to.epoch)),
    formatPosition(to),
    showDeadline(toTimestampMs),
    showCount(entries),
    digest,
    backup,
    showRuns(owned),
  ]);
  return renderTable(colors, head, rows);
}

export function backupsJson(listed: readonly ListedClusterBackup[]): object[] {
  return listed.map((one) =>
    one.manifest === undefined ? { id: one.id, damage: one.why } : manifestJson(one.manifest),
  );
}

export function backupsText(colors: Colors, listed: readonly ListedClusterBackup[]): string {
  if (listed.length === 0) return 'no backups of clusters\n';
  const rows = listed.map((one) => {
    if (one.manifest === undefined) return [one.id, colors.red(`damaged: ${one.why}`)];
    const { id, cluster, clusterId, groups } = one.manifest;
    const at = groups.map(({ group, to }) => `${group} at ${formatPosition(to)}, term ${termOf(to.epoch)}`);
    return [id, `${cluster} (${clusterId})`, at.join('; ')];
  });
  return renderTable(colors, ['BACKUP', 'CLUSTER', 'GROUPS'], rows);
}

export function restoredJson({ id, clusterId }: ClusterManifest, groups: readonly RestoredGroup[]): object {
  return {
    backup: id,
    from: clusterId,
    groups: groups.map(({ group, directory, restored }) => ({
      ...{ group, directory },
      ...placeJson(restored.position),
      timestampMs: restored.timestampMs,
      entries: restored.entries,
      digest: restored.digest,
      leftOut: restored.leftOut,
      recoveryMs: Math.round(restored.recoveryMs),
    })),
  };
}

export function restoredText(
  colors: Colors,
  { id, cluster, clusterId }: ClusterManifest,
  groups: readonly RestoredGroup[],
): string {
  const head = ['GROUP', 'TERM', 'POSITION', 'OF', 'ENTRIES', 'LEFT OUT', 'DIRECTORY'];
  const rows = groups.map(({ group, directory, restored }) => [
    group,
    String(termOf(restored.position.epoch)),
    formatPosition(restored.position),
    showDeadline(restored.timestampMs),
    showCount(restored.entries),
    countOf(restored.leftOut, 'record'),
    directory,
  ]);
  const init = groups.map(({ group }) => `--group ${group}=NODE,NODE`).join(' ');
  return `${renderTable(colors, head, rows)}
Backup ${id} of cluster ${cluster} (${clusterId}) is restored. A new cluster begins with it so:
  start a coordinator on an empty metadata store
  start walnut-node with cluster.adopt: true on each directory, and the other nodes of each group on empty ones
  walnut cluster init ${init}
Name all nodes of each group, in any order.
`;
}

/** One group of a drill, and how long it took. */
export type DrillLine = DrilledGroup & { readonly tookMs: number };

export function drillJson(
  { id, clusterId }: ClusterManifest,
  lines: readonly DrillLine[],
  kept: string | undefined,
): object {
  return {
    isPassed: lines.every(({ failure }) => failure === undefined),
    backup: id,
    clusterId,
    recoverySeconds: longestMs(lines) / 1_000,
    groups: lines.map(({ group, failure, restored, tookMs }) => ({
      group,
      failure: failure ?? null,
      tookMs,
      ...(restored === undefined
        ? {}
        : {
            ...placeJson(restored.position),
            entries: restored.entries,
            digest: restored.digest,
            recoveryMs: Math.round(restored.recoveryMs),
          }),
    })),
    ...(kept === undefined ? {} : { kept }),
  };
}

export function drillText(
  colors: Colors,
  { id, groups }: ClusterManifest,
  lines: readonly DrillLine[],
  kept: string | undefined,
): string {
  const failed = lines.filter(({ failure }) => failure !== undefined).length;
  const verdict =
    failed === 0
      ? colors.green('passed')
      : colors.red(`failed for ${failed} of ${countOf(groups.length, 'group')}`);
  const facts = renderFacts(colors, [
    ['drill', verdict],
    ['backup', id],
    ['RTO', `${showDuration(longestMs(lines))}, groups side by side`],
    ...(kept === undefined ? [] : [['kept in', kept] as const]),
  ]);
  const rows = lines.map(({ group, failure, restored, tookMs }) => [
    group,
    restored === undefined ? '-' : String(termOf(restored.position.epoch)),
    restored === undefined ? '-' : formatPosition(restored.position),
    restored === undefined ? '-' : showCount(restored.entries),
    showDuration(tookMs),
    failure === undefined ? 'the digest of the backup' : colors.red(failure),
  ]);
  return `${facts}\n${renderTable(colors, ['GROUP', 'TERM', 'POSITION', 'ENTRIES', 'TOOK', 'OUTCOME'], rows)}`;
}

/**
 * How long the slowest group took, as the table shows it: its files were copied, its log recovered and its
 * digest compared. A restore takes as long where each group has a machine of its own.
 */
export function longestMs(lines: readonly Pick<DrillLine, 'tookMs'>[]): number {
  return Math.max(0, ...lines.map(({ tookMs }) => tookMs));
}
