// @ts-check
/**
 * What is wrong, as the alert rules of `deploy/prometheus/alerts.yaml` would say it, by their names,
 * severities and limits where one process can know. `test/page/alarms.test.ts` compares them. Pure.
 */
import {
  faultsBetween,
  fsyncBucketsBetween,
  getBucketsBetween,
  quantileOf,
  riseOf,
  sumOf,
} from './figures.js';
import { showMany, showMs, showPercent, showSpan, showWhole } from './format.js';

/**
 * @typedef {import('./figures.js').Snapshot} Snapshot
 *
 * @typedef {object} Alarm
 * @property {string} alert
 * @property {'critical' | 'warning'} severity
 * @property {string} text what is wrong, with its figures
 * @property {string} runbook `docs/FILE#ANCHOR`
 *
 * @typedef {object} Rule
 * @property {string} alert
 * @property {'critical' | 'warning'} severity
 * @property {string} runbook
 * @property {Snapshot['kind'][]} kinds
 * @property {(now: Snapshot, before: Snapshot) => string[]} find a text for each thing that is wrong
 */

/** A replica that has just started looks for its master for a moment. */
const SILENT_MASTER_MS = 5_000;
const LAG_MS_MAX = 30_000;
const CLOCK_MS_MAX = 10_000;
const FSYNC_S_MAX = 0.25;
const GET_S_MAX = 0.1;
const MEMORY_RATIO_MAX = 0.95;
const CERTIFICATE_S_MIN = 14 * 86_400;
const OPERATIONS = 'docs/operations.md#';
const CLUSTER = `${OPERATIONS}a-cluster-takes-no-writes`;
/** @type {Snapshot['kind'][]} */
const EVERY_KIND = ['node', 'coordinator', 'gateway'];

/** @type {readonly Rule[]} */
export const RULES = [
  inState(
    'WalnutQuarantined',
    'QUARANTINED',
    'quarantine',
    'The node is quarantined: its data does not belong to the history of its master, and it follows nobody until you decide.',
  ),
  inState(
    'WalnutMasterFenced',
    'FENCED',
    'a-master-comes-up-fenced',
    'The master takes no writes: it has seen a higher term, or a replica that is ahead of it.',
  ),
  inState(
    'WalnutMasterWithoutLease',
    'NO_LEASE',
    'a-cluster-takes-no-writes',
    'The master takes no writes: neither a coordinator nor enough voters of its group answer it.',
  ),
  inState(
    'WalnutNoSpace',
    'NO_SPACE',
    'the-disk-is-full',
    'The node refuses writes for want of disk space, descriptors or memory. Reads go on.',
  ),
  {
    alert: 'WalnutNodeNotReady',
    severity: 'warning',
    runbook: `${OPERATIONS}a-node-does-not-answer`,
    kinds: EVERY_KIND,
    find: ({ view }) => {
      const { ready, reasons = [] } =
        view.readiness === undefined
          ? view
          : { ready: view.readiness.isReady, reasons: view.readiness.reasons };
      return ready === false ? [`Not ready: ${reasons.join('; ') || 'no reason is given'}.`] : [];
    },
  },
  {
    alert: 'WalnutNoMaster',
    severity: 'critical',
    runbook: `${OPERATIONS}replacing-a-dead-master`,
    kinds: ['node'],
    find: ({ view: { master } }) =>
      master !== undefined && !master.linked && Number(master.lagMs) > SILENT_MASTER_MS
        ? [
            `This replica has not heard its master ${master.address} for ${showSpan(Number(master.lagMs))}. If the pages of the others say so, too, no node takes writes.`,
          ]
        : [],
  },
  {
    alert: 'WalnutReplicaFarBehind',
    severity: 'warning',
    runbook: `${OPERATIONS}a-replica-is-far-behind`,
    kinds: ['node'],
    find: ({ view: { master, state, replicas = [] } }) => [
      ...(master !== undefined && state !== 'NODE_STATE_DELAYED' && Number(master.lagMs) > LAG_MS_MAX
        ? [
            `This replica is ${showSpan(Number(master.lagMs))} and ${showMany(Number(master.lagRecords), 'record')} behind its master.`,
          ]
        : []),
      ...replicas.flatMap(troubleOf),
    ],
  },
  {
    alert: 'WalnutStateDiffers',
    severity: 'critical',
    runbook: `${OPERATIONS}a-state-that-differs`,
    kinds: ['node'],
    find: (now, before) => [
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
  },
  {
    alert: 'WalnutMemoryAltered',
    severity: 'critical',
    runbook: `${OPERATIONS}altered-memory`,
    kinds: ['node'],
    find: ({ view: { integrity } }) =>
      Number(integrity?.alteredFound ?? 0) > 0
        ? [
            `${integrity.alteredFound} altered entries were found in memory since the start. Suspect the memory of the machine.`,
          ]
        : [],
  },
  {
    alert: 'WalnutDivergedRecords',
    severity: 'warning',
    runbook: `${OPERATIONS}aside`,
    kinds: ['node'],
    find: (now) =>
      above(
        sumOf(now, 'walnut_diverged_unseen_tails'),
        0,
        (tails) =>
          `Set aside here, and looked at by nobody: ${tails} ${tails === 1 ? 'tail' : 'tails'} of the log, with writes that no other node has.`,
      ),
  },
  {
    alert: 'WalnutClockWrong',
    severity: 'warning',
    runbook: `${OPERATIONS}a-clock-that-is-wrong`,
    kinds: ['node'],
    find: ({ view: { clock } }) =>
      above(
        Math.abs(Number(clock?.aheadMs ?? 0)),
        CLOCK_MS_MAX,
        (ms) =>
          `The log clock is ${showSpan(ms)} ${Number(clock.aheadMs) > 0 ? 'ahead of' : 'behind'} the wall clock of this machine.`,
      ),
  },
  {
    alert: 'WalnutWritesRefused',
    severity: 'critical',
    runbook: `${OPERATIONS}the-disk-is-full`,
    kinds: ['node'],
    find: (now, before) =>
      above(
        riseOf(before, now, 'walnut_wal_records_total', ({ result }) => result === 'refused'),
        0,
        (records) => `The log refused ${showMany(records, 'record')} within a minute: the disk had no room.`,
      ),
  },
  {
    alert: 'WalnutCheckpointsFail',
    severity: 'warning',
    runbook: `${OPERATIONS}checkpoints-fail`,
    kinds: ['node'],
    find: (now) =>
      sumOf(now, 'walnut_checkpoint_failing') === 1
        ? ['The last checkpoint failed: the log is kept and grows.']
        : [],
  },
  {
    alert: 'WalnutDiskSlow',
    severity: 'warning',
    runbook: `${OPERATIONS}calls-are-slow`,
    kinds: ['node'],
    find: (now, before) =>
      above(
        quantileOf(fsyncBucketsBetween(before, now), 0.99),
        FSYNC_S_MAX,
        (s) => `One fdatasync in a hundred takes ${showMs(s * 1_000)} or longer.`,
      ),
  },
  {
    alert: 'WalnutCallsFail',
    severity: 'critical',
    runbook: `${OPERATIONS}calls-fail`,
    kinds: EVERY_KIND,
    find: (now, before) =>
      above(
        faultsBetween(before, now),
        0,
        (calls) => `${showMany(calls, 'call')} within a minute failed with INTERNAL, UNKNOWN or DATA_LOSS.`,
      ),
  },
  {
    alert: 'WalnutCallsSlow',
    severity: 'warning',
    runbook: `${OPERATIONS}calls-are-slow`,
    kinds: ['node', 'gateway'],
    find: (now, before) =>
      above(
        quantileOf(getBucketsBetween(before, now), 0.99),
        GET_S_MAX,
        (s) =>
          `One Get in a hundred takes ${showMs(s * 1_000)} or longer. Gets that were asked to wait are among them.`,
      ),
  },
  {
    alert: 'WalnutMemoryTight',
    severity: 'warning',
    runbook: `${OPERATIONS}too-little-memory`,
    kinds: EVERY_KIND,
    find: (now) => {
      const [used, limit] = [
        sumOf(now, 'process_resident_memory_bytes'),
        sumOf(now, 'walnut_memory_limit_bytes'),
      ];
      const ratio = used === undefined || limit === undefined ? undefined : used / limit;
      return above(
        ratio,
        MEMORY_RATIO_MAX,
        (part) => `The process uses ${showPercent(part)} of the memory that it may use.`,
      );
    },
  },
  {
    alert: 'WalnutConnectionsRefused',
    severity: 'warning',
    runbook: `${OPERATIONS}more-clients-than-descriptors`,
    kinds: EVERY_KIND,
    find: (now, before) =>
      above(
        riseOf(before, now, 'walnut_connections_refused_total'),
        0,
        (many) =>
          `${showWhole(many)} connections were refused within a minute: all are taken, or all that one address may have.`,
      ),
  },
  {
    alert: 'WalnutExportFails',
    severity: 'warning',
    runbook: `${OPERATIONS}the-metrics-are-not-exported`,
    kinds: EVERY_KIND,
    find: (now, before) =>
      above(
        riseOf(before, now, 'walnut_otlp_exports_total', ({ result }) => result !== 'ok'),
        0,
        (many) =>
          `${showMany(many, 'export')} of the metrics failed within a minute: the collector does not take them. The log of the process says why.`,
      ),
  },
  {
    alert: 'WalnutCertificateExpires',
    severity: 'warning',
    runbook: `${OPERATIONS}files-of-credentials-and-certificates`,
    kinds: EVERY_KIND,
    find: ({ figures }) =>
      (figures['walnut_tls_certificate_expiry_seconds'] ?? [])
        .filter(({ value = 0 }) => value < CERTIFICATE_S_MIN)
        .map(
          ({ labels, value = 0 }) =>
            `A certificate of the section ${labels['section']} (${labels['certificate']}) ${value > 0 ? `expires in ${showSpan(value * 1_000)}` : 'has expired'}.`,
        ),
  },
  {
    alert: 'WalnutSecurityFileUnusable',
    severity: 'warning',
    runbook: `${OPERATIONS}files-of-credentials-and-certificates`,
    kinds: EVERY_KIND,
    find: (now) => [
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
  },
  {
    alert: 'WalnutNoActiveCoordinator',
    severity: 'critical',
    runbook: CLUSTER,
    kinds: ['coordinator'],
    find: ({ view: { cluster } }) =>
      cluster !== undefined && cluster.activeCoordinator === ''
        ? ['No coordinator is active: a master that is lost is not replaced.']
        : [],
  },
  {
    alert: 'WalnutGroupWithoutWrites',
    severity: 'critical',
    runbook: CLUSTER,
    kinds: ['coordinator', 'gateway'],
    find: ({ view }) => [
      ...(view.cluster?.isActive ? view.cluster.groups : [])
        .filter((/** @type {any} */ one) => !one.takesWrites)
        .map(
          (/** @type {any} */ one) =>
            `The group ${one.group.id} takes no writes: ${one.votersHeard} of its ${one.group.voters.length} voters are heard.`,
        ),
      ...(view.groups ?? [])
        .filter((/** @type {any} */ one) => one.leader === '')
        .map((/** @type {any} */ one) => `The group ${one.id} has no leader in the map.`),
      ...(view.groups ?? [])
        .filter((/** @type {any} */ one) => one.isHeld)
        .map(
          (/** @type {any} */ one) =>
            `The group ${one.id} does not answer: ${showWhole(one.calls)} calls wait in this gateway.`,
        ),
    ],
  },
  {
    alert: 'WalnutCoordinatorAlarm',
    severity: 'critical',
    runbook: CLUSTER,
    kinds: ['coordinator'],
    find: ({ view: { cluster } }) => (cluster?.alarms ?? []).map((/** @type {any} */ one) => one.why),
  },
];

/**
 * @param {Snapshot} now
 * @param {Snapshot} before about a minute earlier, or the first one
 * @returns {Alarm[]} critical ones first
 */
export function alarmsOf(now, before) {
  const found = RULES.filter(({ kinds }) => kinds.includes(now.kind)).flatMap(({ find, ...rule }) =>
    find(now, before).map((text) => ({
      alert: rule.alert,
      severity: rule.severity,
      runbook: rule.runbook,
      text,
    })),
  );
  return found.sort((a, b) => a.severity.localeCompare(b.severity));
}

/**
 * @param {string} alert
 * @param {string} state
 * @param {string} anchor
 * @param {string} text
 * @returns {Rule}
 */
function inState(alert, state, anchor, text) {
  const find = (/** @type {Snapshot} */ { view }) =>
    view.state === `NODE_STATE_${state}` ? [`${text} ${view.reasons.join('; ')}`.trim()] : [];
  return { alert, severity: 'critical', runbook: `${OPERATIONS}${anchor}`, kinds: ['node'], find };
}

/**
 * What is wrong with a replica of this master.
 * @param {any} replica
 */
function troubleOf({ address, problem, lagMs, lagRecords, applyDelayMs }) {
  const isFar = Number(lagMs) > LAG_MS_MAX && Number(applyDelayMs) === 0;
  const behind = `${showSpan(Number(lagMs))} and ${showMany(Number(lagRecords), 'record')} behind`;
  if (problem !== '') return [`The replica ${address}: ${problem}${isFar ? ` (${behind})` : ''}`];
  return isFar ? [`The replica ${address} is ${behind}.`] : [];
}

/**
 * @param {number | undefined} value
 * @param {number} limit
 * @param {(value: number) => string} text
 */
function above(value, limit, text) {
  return value !== undefined && value > limit ? [text(value)] : [];
}

/**
 * @param {string | undefined} before
 * @param {string | undefined} now
 * @param {string} text
 */
function grown(before, now, text) {
  return Number(now ?? 0) > Number(before ?? 0) ? [text] : [];
}
