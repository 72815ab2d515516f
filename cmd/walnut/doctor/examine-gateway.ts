/** What a gateway says of itself, and of the cluster behind it. Pure. */
import type { GatewayReading } from '../figures/read-figures.ts';
import { countOf } from '../output/output.ts';
import { type Finding, type Judgement, ok, problem, runbook, warning } from './judgement.ts';

const NO_WRITES = runbook('A cluster takes no writes');

export function examineGateway(reading: GatewayReading): Finding[] {
  return CHECKS.map(([check, judge]) => ({ node: reading.address, check, ...judge(reading) }));
}

const CHECKS: readonly (readonly [check: string, judge: (reading: GatewayReading) => Judgement])[] = [
  [
    'readiness',
    ({ status: { ready, reasons } }) => {
      const why = reasons.join('; ');
      if (!ready)
        return problem(`not ready: ${why || 'no reason is given'}`, runbook('A node does not answer'));
      return why === '' ? ok('ready') : warning(`ready, but: ${why}`, runbook('Status, readiness'));
    },
  ],
  [
    'coordinator',
    ({ cluster: { isActive, activeCoordinator } }) =>
      isActive ? ok(activeCoordinator) : problem('no active one answers the gateway', NO_WRITES),
  ],
  [
    'groups',
    ({ cluster: { isActive, groups } }) => {
      // The map of a gateway alone does not tell who takes writes.
      const without = isActive ? groups.filter(({ takesWrites }) => !takesWrites) : [];
      if (without.length === 0) return ok(countOf(groups.length, 'group'));
      const ids = without.map(({ group }) => group?.id ?? '').join(', ');
      return problem(`without writes: ${ids}`, NO_WRITES);
    },
  ],
  [
    'alarms',
    ({ cluster: { alarms } }) =>
      alarms.length === 0 ? ok('none') : problem(alarms.map(({ why }) => why).join('; '), NO_WRITES),
  ],
];
