// @ts-check
/** Rules about what a node may do: its state, its master and its replicas. Pure. */
import { isUnknownLag, showMany, showSpan } from './format.js';
import { commandsIn, EVERY_KIND, OPERATIONS, reasonsOf } from './rule.js';
import { unansweredBy } from './rules-cluster.js';

/**
 * @typedef {import('./rule.js').Rule} Rule
 * @typedef {import('./rule.js').Moments} Moments
 */

/** A replica that has just started looks for its master for a moment. */
const SILENT_MASTER_MS = 5_000;
const LAG_MS_MAX = 30_000;
const RESYNCS_MAX = 2;
const QUARANTINED = 'NODE_STATE_QUARANTINED';
const HOUR_MS = 3_600_000;
/** The problem of a replica at which a push failed. */
const DEAF = /^it takes no pushes: /;
const RIVAL = / is a master too, /;
/** The note of a delayed replica, and the alarm of a wrong clock, say it in words. */
const TOLD = /^(?:applies \d+ ms after its master|paused by an operator: |the log clock is )/;
/** Of a master of a new group. */
const FOUNDING = /has no member list yet/;
/** Of a quarantine: the logs are not the same. */
const OTHER_LOG = /the replica has log \w+, the master log \w+/;

/** @type {readonly Rule[]} */
export const ROLE_RULES = [
  inState(
    'WalnutQuarantined',
    'QUARANTINED',
    'quarantine',
    'The node is quarantined: its data does not belong to the history of its master, and it follows nobody until you decide.',
    (here) => `walnut quarantine list --address ${here}`,
  ),
  inState(
    'WalnutMasterFenced',
    'FENCED',
    'a-master-comes-up-fenced',
    'The master takes no writes: it has seen a higher term, or a replica that is ahead of it.',
    (here) => `walnut status --all --address ${here}`,
  ),
  inState(
    'WalnutMasterWithoutLease',
    'NO_LEASE',
    'a-cluster-takes-no-writes',
    (reasons) =>
      reasons.some((reason) => FOUNDING.test(reason))
        ? 'The master takes no writes yet: its group is being founded, which takes a few seconds.'
        : 'The master takes no writes: neither a coordinator nor enough voters of its group answer it.',
    () => 'walnut cluster nodes --coordinators COORDINATOR:PORT',
  ),
  inState(
    'WalnutNoSpace',
    'NO_SPACE',
    'the-disk-is-full',
    'The node refuses writes for want of disk space, descriptors or memory. Reads go on.',
    () => 'df -h DIRECTORY; df -i DIRECTORY',
  ),
  {
    alert: 'WalnutNodeNotReady',
    severity: 'warning',
    runbook: `${OPERATIONS}a-node-does-not-answer`,
    kinds: EVERY_KIND,
    find: ({ now: { view } }) => {
      const { ready, reasons } = readinessOf(view);
      if (ready) return [];
      if (isTold(view)) return ['Not ready, as the alarm of its state says.'];
      return [`Not ready: ${reasons.join('; ') || 'no reason is given'}.`];
    },
    type: ({ now, here }) => (isTold(now.view) ? [] : withReasons(now.view, statusOf(now, here), here)),
  },
  {
    alert: 'WalnutNoMaster',
    severity: 'critical',
    runbook: `${OPERATIONS}replacing-a-dead-master`,
    kinds: ['node'],
    find: ({ now: { view } }) =>
      isWithoutMaster(view)
        ? [
            `This replica has not heard its master ${view.master.address} for ${showSpan(behindMs(view))}. If the pages of the others say so, too, no node takes writes.`,
          ]
        : [],
    type: ({ now: { view }, here }) =>
      view.member === undefined
        ? [`walnut status --address ${view.master.address}`, ...promotionsIn(view, here)]
        : ['walnut cluster status --coordinators COORDINATOR:PORT'],
  },
  {
    alert: 'WalnutSeveralMasters',
    severity: 'critical',
    runbook: `${OPERATIONS}two-masters-that-see-each-other`,
    kinds: ['node'],
    find: ({ now: { view }, here }) =>
      view.reasons
        .filter((/** @type {string} */ reason) => RIVAL.test(reason))
        .map((/** @type {string} */ reason) => ({
          text: `Two masters take writes: ${reason}.`,
          type: [`walnut status --address ${reason.split(' ', 1)}`, ...commandsIn([reason], here)],
        })),
    type: () => [],
  },
  {
    alert: 'WalnutReplicaFarBehind',
    severity: 'warning',
    runbook: `${OPERATIONS}a-replica-is-far-behind`,
    kinds: ['node'],
    find: ({ now, here }) => [
      ...behindOf(now.view),
      ...(now.view.replicas ?? []).flatMap((/** @type {any} */ one) => troubleOf(one, here)),
    ],
    type: ({ here }) => [`walnut status --address ${here}`],
  },
  {
    alert: 'WalnutFullResyncs',
    severity: 'warning',
    runbook: `${OPERATIONS}a-replica-is-far-behind`,
    kinds: ['node'],
    find: ({ now, past }) =>
      (now.view.replicas ?? []).flatMap((/** @type {any} */ one) => {
        const many = resyncsOf(one, now, past);
        return many > RESYNCS_MAX
          ? [
              `The replica ${one.address} loaded ${many} snapshots within an hour: the log that is kept here does not reach back far enough, or the replica cannot use what it loads.`,
            ]
          : [];
      }),
    type: ({ here }) => [`walnut status --address ${here}`, `walnut info replication --address ${here}`],
  },
  {
    alert: 'Reasons',
    severity: 'note',
    runbook: `${OPERATIONS}status-readiness`,
    kinds: EVERY_KIND,
    find: ({ now: { view }, here }) => {
      const { ready, reasons } = readinessOf(view);
      const unanswered = unansweredBy(view);
      return ready && !isTold(view)
        ? reasons
            .filter((reason) => !RIVAL.test(reason) && !TOLD.test(reason) && !unanswered.includes(reason))
            .map((reason) => ({ text: `${reason}.`, type: commandsIn([reason], here) }))
        : [];
    },
    type: () => [],
  },
];

/**
 * @param {string} alert
 * @param {string} state
 * @param {string} anchor
 * @param {string | ((reasons: readonly string[]) => string)} text
 * @param {(here: string) => string} first
 * @returns {Rule}
 */
function inState(alert, state, anchor, text, first) {
  return {
    alert,
    severity: 'critical',
    runbook: `${OPERATIONS}${anchor}`,
    kinds: ['node'],
    find: ({ now: { view } }) =>
      view.state === `NODE_STATE_${state}`
        ? [
            [
              typeof text === 'string' ? text : text(view.reasons),
              ...otherGroupOf(view.reasons),
              view.reasons.join('; '),
            ]
              .join(' ')
              .trim(),
          ]
        : [],
    type: ({ now: { view }, here }) => withReasons(view, [first(here)], here),
  };
}

/**
 * What most often makes the log of a replica another one than that of its master.
 * @param {readonly string[]} reasons
 */
function otherGroupOf(reasons) {
  return reasons.some((reason) => OTHER_LOG.test(reason))
    ? [
        'The two have different logs: either master.address in the file of this replica names a master of another group, which you correct there before you start the replica again, or that master was started on an empty directory.',
      ]
    : [];
}

/**
 * True if the alarm of its state has the reasons of a node already.
 * @param {any} view
 */
function isTold({ state = '' }) {
  return /_(QUARANTINED|FENCED|NO_LEASE|NO_SPACE)$/.test(state);
}

/**
 * @param {any} view
 * @returns {{ ready: boolean, reasons: string[] }}
 */
function readinessOf(view) {
  const { isReady, ready } = view.readiness ?? view;
  return { ready: (isReady ?? ready) !== false, reasons: reasonsOf(view) };
}

/**
 * The commands that show more, and behind them those that the reasons name, each once.
 * @param {any} view
 * @param {string[]} others
 * @param {string} here
 */
function withReasons(view, others, here) {
  return [...new Set([...others, ...commandsIn(readinessOf(view).reasons, here)])];
}

/**
 * @param {import('./rule.js').Snapshot} snapshot
 * @param {string} here
 */
function statusOf({ kind }, here) {
  if (kind === 'node') return [`walnut status --all --address ${here}`, `walnut doctor --address ${here}`];
  return [`walnut cluster status --coordinators ${here}`];
}

/** @param {any} view */
function isWithoutMaster(view) {
  const { master, state } = view;
  // A master takes no notice of a replica that is quarantined.
  return state !== QUARANTINED && master !== undefined && !master.linked && behindMs(view) > SILENT_MASTER_MS;
}

/**
 * How long ago this replica was caught up; before it was so once, at least since its start.
 * @param {any} view
 */
function behindMs({ master, uptimeMs }) {
  return isUnknownLag(master.lagMs) ? Number(uptimeMs) : Number(master.lagMs);
}

/**
 * The promotion that the node advises, once it has asked the others; until then what shows which is furthest.
 * @param {any} view
 * @param {string} here
 */
function promotionsIn({ reasons }, here) {
  const advised = commandsIn(reasons, here);
  return advised.length > 0 ? advised : [`walnut status --all --address ${here}`];
}

/** @param {any} view */
function behindOf(view) {
  const { master, state } = view;
  if (master === undefined || state === QUARANTINED) return [];
  if (state === 'NODE_STATE_DELAYED' || behindMs(view) <= LAG_MS_MAX) return [];
  const [span, records] = [showSpan(behindMs(view)), showMany(Number(master.lagRecords), 'record')];
  return isUnknownLag(master.lagMs)
    ? [
        `This replica has not caught up with its master since it started ${span} ago, and is ${records} behind.`,
      ]
    : [`This replica is ${span} and ${records} behind its master.`];
}

/**
 * What is wrong with a replica of this master.
 * @param {any} replica
 * @param {string} here
 */
function troubleOf({ address, problem, lagMs, lagRecords, applyDelayMs }, here) {
  const isFar = Number(lagMs) > LAG_MS_MAX && Number(applyDelayMs) === 0;
  const behind = `is ${showSpan(Number(lagMs))} and ${showMany(Number(lagRecords), 'record')} behind`;
  const type = [`walnut status --address ${address}`, `walnut status --address ${here}`];
  if (DEAF.test(problem))
    return [
      {
        text: `The replica ${address} takes no pushes: it is down, is just starting, or cannot be reached, and ${behind} (${problem.replace(DEAF, '')}).`,
        type,
      },
    ];
  if (problem !== '') return [{ text: `The replica ${address} ${behind}: ${problem}.`, type }];
  return isFar ? [{ text: `The replica ${address} ${behind}.`, type }] : [];
}

/**
 * Full resyncs of a replica within the last hour, as far as this page knows.
 * @param {any} replica
 * @param {import('./rule.js').Snapshot} now
 * @param {import('./rule.js').Snapshot} past
 */
function resyncsOf({ address, fullResyncs }, now, past) {
  if (Number(now.view.uptimeMs) < HOUR_MS) return fullResyncs;
  const listed = (past.view.replicas ?? []).find((/** @type {any} */ one) => one.address === address);
  return listed === undefined ? 0 : Math.max(0, fullResyncs - listed.fullResyncs);
}
