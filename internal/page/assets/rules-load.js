// @ts-check
/** Rules about calls that fail or are slow, memory, connections and files of security. Pure. */
import {
  discardedBetween,
  faultsBetween,
  getBucketsBetween,
  quantileOf,
  riseOf,
  shareOf,
  sumOf,
} from './figures.js';
import { showBytes, showDoneTo, showMany, showMs, showPercent, showSpan, showWhole } from './format.js';
import { above, EVERY_KIND, OPERATIONS } from './rule.js';

const GET_S_MAX = 0.1;
const MEMORY_RATIO_MAX = 0.95;
const CERTIFICATE_S_MIN = 14 * 86_400;
/** Of the last minute. */
const LATE_RATIO_MAX = 0.1;
/** Beyond two intervals. */
const EXPORT_LATE_S = 600;
const HOT_SHARE_MIN = 0.25;
const BUSY_RATIO = 0.9;
const WATCH_SHARE_MAX = 0.25;

/** @type {readonly import('./rule.js').Rule[]} */
export const LOAD_RULES = [
  {
    alert: 'WalnutCallsFail',
    severity: 'critical',
    runbook: `${OPERATIONS}calls-fail`,
    kinds: EVERY_KIND,
    find: ({ now, before }) =>
      above(
        faultsBetween(before, now),
        0,
        (calls) => `${showMany(calls, 'call')} within a minute failed with INTERNAL or UNKNOWN.`,
      ),
    type: () => ["journalctl -u 'walnut@*' -g 'a request failed unexpectedly'"],
  },
  {
    alert: 'WalnutPositionsDiscarded',
    severity: 'warning',
    runbook: `${OPERATIONS}positions-of-a-discarded-history`,
    kinds: EVERY_KIND,
    find: ({ now, before }) =>
      above(
        discardedBetween(before, now),
        0,
        (calls) => `${showMany(calls, 'call')} within a minute named a position of a discarded history.`,
      ),
    type: ({ now, here }) => (now.kind === 'node' ? [`walnut diverged list --address ${here}`] : []),
  },
  {
    alert: 'WalnutCallsSlow',
    severity: 'warning',
    runbook: `${OPERATIONS}calls-are-slow`,
    kinds: ['node', 'gateway'],
    find: ({ now, before }) =>
      above(
        quantileOf(getBucketsBetween(before, now), 0.99),
        GET_S_MAX,
        (s) =>
          `One Get in a hundred takes ${showMs(s * 1_000)} or longer. Gets that were asked to wait are among them.`,
      ),
    type: ({ now, here }) => [
      `walnut latency --over 10s --address ${here}`,
      ...(now.kind === 'node' ? [`walnut slowlog --address ${here}`] : []),
    ],
  },
  {
    alert: 'WalnutEventLoopStalls',
    severity: 'warning',
    runbook: `${OPERATIONS}calls-are-slow`,
    kinds: EVERY_KIND,
    find: ({ now: { stalls } }) =>
      stalls !== undefined && stalls.late > LATE_RATIO_MAX * 60
        ? [
            `In ${stalls.late} of the last ${stalls.seconds} seconds the event loop ran more than 100 ms late, at most ${showMs(stalls.maxMs)}: the process has too little processor time, or too much to do.`,
          ]
        : [],
    type: ({ now, here }) =>
      now.kind === 'node'
        ? ['top', `walnut slowlog --address ${here}`, `walnut hotkeys --address ${here}`]
        : ['top'],
  },
  {
    alert: 'WalnutMemoryTight',
    severity: 'warning',
    runbook: `${OPERATIONS}too-little-memory`,
    kinds: EVERY_KIND,
    find: ({ now }) =>
      above(
        shareOf(now, 'process_resident_memory_bytes', 'walnut_memory_limit_bytes'),
        MEMORY_RATIO_MAX,
        (part) => `The process uses ${showPercent(part)} of the memory that it may use.`,
      ),
    type: ({ here }) => [`walnut info memory --address ${here}`],
  },
  {
    alert: 'WalnutWatchersSlow',
    severity: 'warning',
    runbook: `${OPERATIONS}watchers-are-too-slow`,
    kinds: ['node'],
    find: ({ now, before }) =>
      above(
        riseOf(before, now, 'walnut_watch_slow_total'),
        0,
        (many) =>
          `${showDoneTo(many, 'watch', 'watches')} ended because ${many === 1 ? 'its watcher was' : 'their watchers were'} too slow: clients read slower than keys change.`,
      ),
    type: watcherCommands,
  },
  {
    alert: 'WalnutConnectionsRefused',
    severity: 'warning',
    runbook: `${OPERATIONS}more-clients-than-descriptors`,
    kinds: EVERY_KIND,
    find: ({ now, before }) =>
      above(
        riseOf(before, now, 'walnut_connections_refused_total'),
        0,
        (many) =>
          `${showWhole(many)} connections were refused within a minute: all are taken, or all that one address may have.`,
      ),
    type: ({ here }) => [`ss -tn 'sport = :${portOf(here)}'`],
  },
  {
    alert: 'WalnutExportFails',
    severity: 'warning',
    runbook: `${OPERATIONS}the-metrics-are-not-exported`,
    kinds: EVERY_KIND,
    find: ({ now }) => {
      const lastS = sumOf(now, 'walnut_otlp_last_success_timestamp_seconds') ?? 0;
      const failed = sumOf(now, 'walnut_otlp_exports_total', ({ result }) => result !== 'ok') ?? 0;
      const since = lastS === 0 ? 'since it started' : `for ${showSpan(now.atMs - lastS * 1_000)}`;
      return above(
        failed === 0 ? undefined : now.atMs / 1_000 - lastS,
        EXPORT_LATE_S + 2 * (sumOf(now, 'walnut_otlp_interval_seconds') ?? 0),
        () =>
          `The collector has taken no whole export of the metrics ${since}; ${showMany(failed, 'export')} failed. The log of the process says why.`,
      );
    },
    type: () => ["journalctl -u 'walnut@*' -g 'the collector'"],
  },
  certificateRule(
    'WalnutCertificateExpired',
    'critical',
    (seconds) => seconds < 0,
    (span) => `expired ${span} ago: nobody who checks it connects any more`,
  ),
  certificateRule(
    'WalnutCertificateExpires',
    'warning',
    (seconds) => seconds >= 0 && seconds < CERTIFICATE_S_MIN,
    (span) => `expires in ${span}`,
  ),
  {
    alert: 'WalnutSecurityFileUnusable',
    severity: 'warning',
    runbook: `${OPERATIONS}files-of-credentials-and-certificates`,
    kinds: EVERY_KIND,
    find: ({ now }) => [
      ...(sumOf(now, 'walnut_auth_file_ok') === 0
        ? ['The changed list of users cannot be used: the one before stays in force.']
        : []),
      ...(now.figures['walnut_tls_ok'] ?? [])
        .filter(({ value }) => value === 0)
        .map(
          ({ labels }) =>
            `The changed certificates of the section ${labels['section']} cannot be used: those before stay in force.`,
        ),
    ],
    type: () => ['walnut auth check FILE', 'walnut doctor --config FILE'],
  },
  {
    alert: 'WatchersBehind',
    severity: 'note',
    runbook: `${OPERATIONS}watchers-are-too-slow`,
    kinds: ['node'],
    find: ({ now }) => {
      const waiting = sumOf(now, 'walnut_watch_waiting_bytes');
      const most = sumOf(now, 'walnut_memory_planned_bytes', ({ part }) => part === 'watch') ?? 0;
      return above(
        most === 0 ? undefined : waiting,
        WATCH_SHARE_MAX * most,
        (bytes) =>
          `${showBytes(bytes)} of changes wait for watchers that read slowly, of ${showBytes(most)} that may: beyond that the slowest watch ends.`,
      );
    },
    type: watcherCommands,
  },
  {
    alert: 'HotKey',
    severity: 'note',
    runbook: `${OPERATIONS}calls-are-slow`,
    kinds: ['node'],
    find: ({ now, before }) => {
      const { share = 0, looks = 0 } = now.view.hottest ?? {};
      const busy = busyBetween(before, now);
      return [
        ...above(
          share,
          HOT_SHARE_MIN,
          (part) =>
            `One key gets about ${showPercent(part)} of all reads and writes, as ${looks} looks of the last minute show.`,
        ),
        ...above(
          busy,
          BUSY_RATIO,
          (part) =>
            `The process is busy ${showPercent(part)} of the time of one core: calls wait for each other.`,
        ),
      ];
    },
    type: ({ here }) => [`walnut hotkeys --address ${here}`, `walnut top --count 3 --address ${here}`],
  },
];

/**
 * A rule about certificates, by the seconds that each is valid still.
 * @param {string} alert
 * @param {import('./rule.js').Severity} severity
 * @param {(seconds: number) => boolean} isMeant
 * @param {(span: string) => string} text
 * @returns {import('./rule.js').Rule}
 */
function certificateRule(alert, severity, isMeant, text) {
  return {
    alert,
    severity,
    runbook: `${OPERATIONS}files-of-credentials-and-certificates`,
    kinds: EVERY_KIND,
    find: ({ now: { figures } }) =>
      (figures['walnut_tls_certificate_expiry_seconds'] ?? [])
        .filter(({ value = 0 }) => isMeant(value))
        .map(
          ({ labels, value = 0 }) =>
            `A certificate of the section ${labels['section']} (${labels['certificate']}) ${text(showSpan(Math.abs(value) * 1_000))}. Replace its file; a restart is not needed.`,
        ),
    type: () => ['walnut doctor --config FILE', 'openssl x509 -noout -subject -enddate -in CERTIFICATE'],
  };
}

/**
 * Seconds of processor time a second; undefined until ten seconds are known.
 * @param {import('./rule.js').Snapshot} before
 * @param {import('./rule.js').Snapshot} now
 */
function busyBetween(before, now) {
  const seconds = (now.atMs - before.atMs) / 1_000;
  return seconds < 10 ? undefined : riseOf(before, now, 'process_cpu_seconds_total') / seconds;
}

/** @param {import('./rule.js').Moments} moments */
function watcherCommands({ here }) {
  return [`walnut info calls --address ${here}`, `ss -tn 'sport = :${portOf(here)}'`];
}

/** @param {string} address */
function portOf(address) {
  return /:(\d+)$/.exec(address)?.[1] ?? (address.startsWith('https:') ? '443' : '80');
}
