/** `walnut cluster recover`: shows what would become of the map, and does it where `--apply` says so. */
import type { GroupRecovery, RecoverClusterResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { shortCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type Invocation, show, usageError } from '../command-host.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { endpointsOf } from './cluster-reads.ts';
import { untilTaken, untilWriting } from './cluster-waits.ts';

interface RecoverOptions extends ClusterOptions {
  /** The id of the group that is forced. */
  readonly group?: string;
  readonly force?: boolean;
  readonly apply?: boolean;
  /** Milliseconds; 0: do not wait until the groups take writes. */
  readonly timeout: number;
}

export async function runRecover(invocation: Invocation, options: RecoverOptions): Promise<ExitCode> {
  const { group = '', force = false, apply = false, timeout: timeoutMs } = options;
  if ((group !== '') !== force)
    throw usageError(
      'expected --group and --force together: they give up what one group lost',
      'See --help of the command.',
    );
  const endpoints = await endpointsOf(invocation, options);
  const request = { forceGroup: group, apply };
  const wait = { io: invocation.io, endpoints, timeoutMs };
  const plan = await untilTaken(wait, (client) => client.recoverCluster(request, shortCall(invocation.io)));
  const takesWrites = apply && timeoutMs > 0 && (await untilWriting(wait, Number(plan.epoch)));
  await show(
    invocation,
    () => ({ ...recoveryJson(plan), takesWrites }),
    () => recoveryText(plan, group, takesWrites),
  );
  return plan.problems.length > 0 ? EXIT.negative : EXIT.ok;
}

function recoveryJson({ applied, clusterId, epoch, groups, problems }: RecoverClusterResponse): object {
  return {
    ...{ applied, clusterId, problems },
    epoch: Number(epoch),
    groups: groups.map(({ group, heard, missing }) => ({
      id: group?.id ?? '',
      term: group?.term ?? 0,
      voters: group?.voters.map(({ node }) => node) ?? [],
      ...{ heard, missing },
      grants: group?.grants?.count,
    })),
  };
}

/** Pure. */
function recoveryText(plan: RecoverClusterResponse, forced: string, takesWrites: boolean): string {
  const { applied, clusterId, epoch, groups, problems } = plan;
  // Numbers of a plan that is not carried out are nobody's.
  const next = applied ? '' : 'next ';
  const numbered = problems.length === 0;
  const head = `cluster ${clusterId || 'unknown'}${numbered ? `, ${next}epoch ${epoch}` : ''}\n`;
  const termOf = ({ group }: GroupRecovery): string => (numbered ? `${next}term ${group?.term}, ` : '');
  const facts = groups
    .map((each) => groupText(each, termOf(each), numbered && each.group?.id === forced))
    .join('');
  if (problems.length > 0)
    return `${head}${facts}It cannot be done:\n${problems.map((problem) => `  ${problem}\n`).join('')}`;
  if (applied) return `${head}${facts}Done.${takesWrites ? ' It takes writes.' : ''}\n`;
  const how =
    forced === ''
      ? 'Where the metadata store is the right one (coordinator.cluster, coordinator.metadata), do it with: walnut cluster recover'
      : `Do it with: walnut cluster recover --group ${forced} --force`;
  return `${head}${facts}Nothing was changed. ${how} --apply\n`;
}

function groupText({ group, heard, missing }: GroupRecovery, term: string, isForced: boolean): string {
  const id = group?.id ?? '';
  const lines = [`${id}: ${term}of ${heard.join(', ') || 'nobody'}`];
  if (missing.length > 0) lines.push(`not heard: ${missing.join(', ')}`);
  if (isForced && missing.length > 0)
    lines.push(
      `what only the disks of ${missing.join(', ')} have is lost, and writes that were answered at QUORUM may be among it`,
      `until enough of ${missing.join(', ')} are back on new disks, no write reaches QUORUM`,
      `stop ${missing.join(', ')} for good first: a master among them that goes on beside the new one loses what it takes`,
    );
  return `  ${lines.join('\n    ')}\n`;
}
