/**
 * Checks of what a node has counted since its start. That may be long over and mended, which the figures do not
 * tell: each says how long ago the start was, and is no more than a warning. Trouble of this moment is a matter of
 * the state of the node. Pure.
 */
import { showMs } from '../figures/show-ms.ts';
import { countOf } from '../output/output.ts';
import { type Check, judgeCount, ok, runbook, sinceStart, warning } from './judgement.ts';

const FSYNC_MS_MAX = 250;
const FSYNCS_MIN = 20;

export const COUNT_CHECKS: readonly Check[] = [
  {
    name: 'state in memory',
    judge: ({ status }) => {
      const { digestComparisons = 0n, digestMismatches = 0n, alteredFound = 0n } = status.integrity ?? {};
      if (alteredFound > 0n)
        return warning(
          `${countOf(alteredFound, 'altered entry', 'altered entries')} found ${sinceStart(status)}`,
          runbook('Altered memory'),
        );
      return digestMismatches > 0n
        ? warning(
            `it differed from that of its master ${countOf(digestMismatches, 'time')} ${sinceStart(status)}`,
            runbook('A state that differs'),
          )
        : ok(`${countOf(digestComparisons, 'digest')} compared, none differed`);
    },
  },
  {
    name: 'fdatasync',
    judge: ({ page, status }) => {
      const seconds = page.histogram('walnut_wal_fsync_duration_seconds');
      if (seconds.count < FSYNCS_MIN) return undefined;
      const p99 = (seconds.quantile(0.99) ?? 0) * 1_000;
      const found = `99 of 100 ${sinceStart(status)} took at most ${showMs(p99)}`;
      return p99 > FSYNC_MS_MAX ? warning(found, runbook('Calls are slow')) : ok(found);
    },
  },
  {
    name: 'log',
    judge: ({ page, status }) =>
      judgeCount(
        page.sum('walnut_wal_records_total', ({ result }) => result === 'refused'),
        (many) => `${countOf(many, 'record')} refused for want of room ${sinceStart(status)}`,
        runbook('The disk is full'),
      ),
  },
  {
    name: 'store',
    judge: ({ page, status }) =>
      judgeCount(
        page.sum('walnut_store_refused_total'),
        (many) => `full: ${countOf(many, 'write')} refused for want of room ${sinceStart(status)}`,
        runbook('Calls are refused'),
      ),
  },
];
