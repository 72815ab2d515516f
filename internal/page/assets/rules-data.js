// @ts-check
/** Rules about what a node keeps: its state, its clock, its log and its disk. Pure. */
import { fsyncBucketsBetween, quantileOf, riseOf, sumOf } from './figures.js';
import { showBytes, showMany, showMs, showSpan } from './format.js';
import { above, grown, OPERATIONS } from './rule.js';

const CLOCK_MS_MAX = 10_000;
const FSYNC_S_MAX = 0.25;
const FULL_S_MIN = 4 * 3_600;

/** @type {readonly import('./rule.js').Rule[]} */
export const DATA_RULES = [
  {
    alert: 'WalnutStateDiffers',
    severity: 'critical',
    runbook: `${OPERATIONS}a-state-that-differs`,
    kinds: ['node'],
    find: ({ now, before }) => [
      ...grown(
        before.view.integrity?.digestMismatches,
        now.view.integrity?.digestMismatches,
        'The state of this replica differed from that of its master. It repairs itself.',
      ),
      ...(now.view.replicas ?? [])
        .filter((/** @type {any} */ one) => one.different)
        .map(
          (/** @type {any} */ one) => `The state of the replica ${one.address} differs from the state here.`,
        ),
    ],
    type: ({ here }) => [`walnut digest --compare --address ${here}`],
  },
  {
    alert: 'WalnutMemoryAltered',
    severity: 'critical',
    runbook: `${OPERATIONS}altered-memory`,
    kinds: ['node'],
    find: ({ now: { view } }) =>
      Number(view.integrity?.alteredFound ?? 0) > 0
        ? [
            `Altered entries found in memory since the start: ${view.integrity.alteredFound}. Suspect the memory of the machine.`,
          ]
        : [],
    type: ({ here }) => [`walnut scrub --address ${here}`],
  },
  {
    alert: 'WalnutDivergedRecords',
    severity: 'warning',
    runbook: `${OPERATIONS}aside`,
    kinds: ['node'],
    find: ({ now }) =>
      above(
        sumOf(now, 'walnut_diverged_unseen_tails'),
        0,
        (tails) =>
          `Set aside here, and looked at by nobody: ${tails} ${tails === 1 ? 'tail' : 'tails'} of the log, with writes that no other node has.`,
      ),
    type: ({ here }) => [
      `walnut diverged list --address ${here}`,
      `walnut diverged show ID --values --address ${here}`,
      `walnut diverged seen ID --address ${here}`,
    ],
  },
  {
    alert: 'WalnutClockWrong',
    severity: 'warning',
    runbook: `${OPERATIONS}a-clock-that-is-wrong`,
    kinds: ['node'],
    find: ({ now: { view } }) =>
      above(
        Math.abs(Number(view.clock?.aheadMs ?? 0)),
        CLOCK_MS_MAX,
        (ms) =>
          `The log clock is ${showSpan(ms)} ${Number(view.clock.aheadMs) > 0 ? 'ahead of' : 'behind'} the wall clock of this machine: first see which of the two is wrong.`,
      ),
    type: ({ now: { view }, here }) => {
      const leader = view.master?.address ?? here;
      return ['date -u', `walnut clock --address ${leader}`, `walnut clock --apply --address ${leader}`];
    },
  },
  {
    alert: 'WalnutWritesRefused',
    severity: 'critical',
    runbook: `${OPERATIONS}the-disk-is-full`,
    kinds: ['node'],
    find: ({ now, before }) =>
      above(
        riseOf(before, now, 'walnut_wal_records_total', ({ result }) => result === 'refused'),
        0,
        (records) => `The log refused ${showMany(records, 'record')} within a minute: the disk had no room.`,
      ),
    type: ({ here }) => ['df -h DIRECTORY; df -i DIRECTORY', `walnut status --address ${here}`],
  },
  {
    alert: 'WalnutDiskFillsUp',
    severity: 'warning',
    runbook: `${OPERATIONS}the-disk-is-full`,
    kinds: ['node'],
    find: ({ now }) => {
      const seconds = sumOf(now, 'walnut_wal_disk_full_seconds');
      const free = showBytes(sumOf(now, 'walnut_wal_disk_free_bytes') ?? 0);
      return seconds !== undefined && seconds < FULL_S_MIN
        ? [
            `The disk is full within ${showSpan(seconds * 1_000)} by the trend of the last hours: ${free} are free.`,
          ]
        : [];
    },
    type: ({ here }) => ['df -h DIRECTORY', `walnut info log --address ${here}`],
  },
  {
    alert: 'WalnutCheckpointsFail',
    severity: 'warning',
    runbook: `${OPERATIONS}checkpoints-fail`,
    kinds: ['node'],
    find: ({ now }) =>
      sumOf(now, 'walnut_checkpoint_failing') === 1
        ? ['The last checkpoint failed: the log is kept and grows.']
        : [],
    type: ({ here }) => [`walnut status --address ${here}`, `walnut checkpoint --address ${here}`],
  },
  {
    alert: 'WalnutDiskSlow',
    severity: 'warning',
    runbook: `${OPERATIONS}calls-are-slow`,
    kinds: ['node'],
    find: ({ now, before }) =>
      above(
        quantileOf(fsyncBucketsBetween(before, now), 0.99),
        FSYNC_S_MAX,
        (s) =>
          `The disk is slow: one fdatasync in a hundred takes ${showMs(s * 1_000)} or longer. Writes that wait for the disk, and replicas, wait as long.`,
      ),
    type: ({ here }) => ['iostat -x 1', `walnut latency --over 10s --address ${here}`],
  },
];
