/** What a gateway says of itself, and of the cluster behind it. Pure. */
import { CliError } from '../cli-error.ts';
import { callsOf } from '../figures/call-figures.ts';
import type { MetricsPage } from '../figures/metrics-page.ts';
import type { GatewayReading } from '../figures/read-figures.ts';
import { countOf, showDuration } from '../output/output.ts';
import { judgeSilence } from './examine.ts';
import {
  type Check,
  type Finding,
  findingsOf,
  judgeCount,
  ok,
  type ProcessReading,
  problem,
  runbook,
  sinceStart,
  warning,
} from './judgement.ts';
import { PROCESS_CHECKS } from './process-checks.ts';

const NO_WRITES = runbook('A cluster takes no writes');
const MAP_AGE_S_MAX = 30;

/** `page`: the metrics of the gateway, or why they are not known. */
export function examineGateway(reading: GatewayReading, page: MetricsPage | CliError): Finding[] {
  const { address, status } = reading;
  const own =
    page instanceof CliError
      ? [{ node: address, check: 'metrics', ...judgeSilence({ failure: page }) }]
      : findingsOf(address, [...OWN_CHECKS, ...PROCESS_CHECKS], { status, page });
  return [...findingsOf(address, CLUSTER_CHECKS, reading), ...own];
}

const CLUSTER_CHECKS: readonly Check<GatewayReading>[] = [
  {
    name: 'readiness',
    judge: ({ status: { ready, reasons } }) => {
      const why = reasons.join('; ');
      if (!ready)
        return problem(`not ready: ${why || 'no reason is given'}`, runbook('A node does not answer'));
      return why === '' ? ok('ready') : warning(`ready, but: ${why}`, runbook('Status, readiness'));
    },
  },
  {
    name: 'coordinator',
    judge: ({ cluster: { isActive, activeCoordinator } }) =>
      isActive ? ok(activeCoordinator) : problem('no active one answers the gateway', NO_WRITES),
  },
  {
    name: 'groups',
    judge: ({ cluster: { isActive, groups } }) => {
      // The map of a gateway alone does not tell who takes writes.
      const without = isActive ? groups.filter(({ takesWrites }) => !takesWrites) : [];
      if (without.length === 0) return ok(countOf(groups.length, 'group'));
      const ids = without.map(({ group }) => group?.id ?? '').join(', ');
      return problem(`without writes: ${ids}`, NO_WRITES);
    },
  },
  {
    name: 'alarms',
    judge: ({ cluster: { alarms } }) =>
      alarms.length === 0 ? ok('none') : problem(alarms.map(({ why }) => why).join('; '), NO_WRITES),
  },
];

/** What only the metrics of a gateway tell. */
const OWN_CHECKS: readonly Check<ProcessReading>[] = [
  {
    name: 'map',
    judge: ({ page }) => {
      const ageS = page.sum('walnut_gateway_map_age_seconds');
      if (ageS === undefined) return undefined;
      const age = showDuration(ageS * 1_000);
      if (ageS > MAP_AGE_S_MAX)
        return problem(`no coordinator has said for ${age} that the map is the newest`, NO_WRITES);
      return ok(`epoch ${page.sum('walnut_gateway_map_epoch')}, known to be the newest ${age} ago`);
    },
  },
  {
    name: 'waiting calls',
    judge: ({ page }) => {
      const groups = page.samples('walnut_gateway_group_held');
      if (groups.length === 0) return undefined;
      const held = groups.filter(({ value }) => value === 1).map(({ labels }) => labels['group'] ?? '');
      if (held.length === 0) return ok('none: every group answers');
      const calls = page.sum('walnut_gateway_calls', ({ group = '' }) => held.includes(group)) ?? 0;
      return problem(
        `${countOf(calls, 'call')} for groups that do not answer: ${held.join(', ')}`,
        NO_WRITES,
      );
    },
  },
  {
    name: 'refused calls',
    judge: ({ page, status }) =>
      judgeCount(
        callsOf(page).refused,
        (many) => `${countOf(many, 'call')} answered UNAVAILABLE or RESOURCE_EXHAUSTED ${sinceStart(status)}`,
        runbook('Calls are refused'),
      ),
  },
];
