/** What is checked of a process of whichever kind, by its metrics. Pure; the limits are those of the alert rules in `deploy/`. */
import { callsOf } from '../figures/call-figures.ts';
import type { Sample } from '../figures/metrics-page.ts';
import { showMs } from '../figures/show-ms.ts';
import { countOf, showBytes, showDuration } from '../output/output.ts';
import {
  type Check,
  judgeCount,
  judgeFill,
  ok,
  type ProcessReading,
  problem,
  runbook,
  sinceStart,
  warning,
} from './judgement.ts';

const DAY_S = 86_400;
const EXPIRY_S_MIN = 14 * DAY_S;
const LOOP_S_MAX = 0.1;
const OPEN_FILES_MIN = 4_096;

export const PROCESS_CHECKS: readonly Check<ProcessReading>[] = [
  {
    name: 'memory',
    judge: ({ page }) => {
      const used = page.sum('process_resident_memory_bytes');
      const limit = page.sum('walnut_memory_limit_bytes');
      if (used === undefined || limit === undefined || limit === 0) return undefined;
      const found = `${showBytes(used)} of ${showBytes(limit)} that it may use`;
      return judgeFill(used / limit, [0.85, 0.95], found, runbook('Too little memory'));
    },
  },
  {
    name: 'open files',
    judge: ({ page }) => {
      const open = page.sum('process_open_fds');
      const limit = page.sum('process_max_fds');
      if (open === undefined || limit === undefined || limit === 0) return undefined;
      const found = `${open} of ${limit}`;
      const advice = runbook('More clients than descriptors');
      if (limit < OPEN_FILES_MIN)
        return warning(`${found}; expected ulimit -n of ${OPEN_FILES_MIN} or more`, advice);
      return judgeFill(open / limit, [0.7, 0.9], found, advice);
    },
  },
  {
    name: 'connections',
    judge: ({ page }) => {
      const open = page.sum('walnut_connections');
      const most = page.sum('walnut_connections_max');
      if (open === undefined || most === undefined || most === 0) return undefined;
      const found = `${open} of ${most}`;
      return judgeFill(open / most, [0.7, 0.9], found, runbook('More clients than descriptors'));
    },
  },
  {
    name: 'certificates',
    judge: ({ page }) => {
      const [soonest] = page
        .samples('walnut_tls_certificate_expiry_seconds')
        .toSorted((one, other) => one.value - other.value);
      if (soonest === undefined) return undefined;
      const { labels, value } = soonest;
      const advice = runbook('Files of credentials and certificates');
      const name = `${labels['section']} (${labels['certificate']})`;
      const ms = Math.abs(value) * 1_000;
      if (value < 0) return problem(`that of ${name} expired ${showDuration(ms)} ago`, advice);
      const found = `the first to expire is that of ${name}, in ${showDuration(ms)}`;
      return value < EXPIRY_S_MIN ? warning(found, advice) : ok(found);
    },
  },
  {
    name: 'files of credentials',
    judge: ({ page }) => {
      const nameOf = ({ labels }: Sample): string => labels['section'] ?? 'auth.file';
      const files = [...page.samples('walnut_auth_file_ok'), ...page.samples('walnut_tls_ok')];
      if (files.length === 0) return undefined;
      const unusable = files.filter(({ value }) => value !== 1).map(nameOf);
      if (unusable.length === 0) return ok(`read: ${files.map(nameOf).join(', ')}`);
      return problem(
        `cannot be used as changed: ${unusable.join(', ')}`,
        runbook('Files of credentials and certificates'),
      );
    },
  },
  {
    name: 'event loop',
    judge: ({ page }) => {
      const late = page.sum('walnut_event_loop_delay_seconds', ({ percentile }) => percentile === '99');
      if (late === undefined) return undefined;
      const found = `late by ${showMs(late * 1_000)} at most, 99 times of 100`;
      return late > LOOP_S_MAX ? warning(found, runbook('Calls are slow')) : ok(found);
    },
  },
  {
    name: 'calls',
    judge: ({ page, status }) => {
      const { calls, operations, faults } = callsOf(page);
      const inBatches = operations === 0 ? '' : ` and ${countOf(operations, 'operation')} of Batches`;
      const all = `${countOf(calls, 'call')}${inBatches}`;
      return faults === 0
        ? ok(`${all}, none failed by a fault of the process`)
        : warning(
            `${faults} of ${all} failed by a fault of the process ${sinceStart(status)}`,
            runbook('Calls fail'),
          );
    },
  },
  {
    name: 'discarded positions',
    judge: ({ page, status }) =>
      // A restore or a failover that lost writes is told so to each session once: no fault of the process.
      judgeCount(
        callsOf(page).discarded,
        (many) => `${countOf(many, 'call')} answered DATA_LOSS ${sinceStart(status)}`,
        runbook('Positions of a discarded history'),
      ),
  },
];
