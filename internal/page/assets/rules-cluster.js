// @ts-check
/** Rules about clusters: coordinators, groups, and nodes that a coordinator does not hear. Pure. */
import { showSpan, showWaiting } from './format.js';
import { CLUSTER, OPERATIONS } from './rule.js';

/** A minute, as the alert has it. */
const SILENT_MS = 60_000;

/** @type {readonly import('./rule.js').Rule[]} */
export const CLUSTER_RULES = [
  {
    alert: 'WalnutNodeDown',
    severity: 'critical',
    runbook: `${OPERATIONS}a-node-does-not-answer`,
    kinds: ['coordinator'],
    find: ({ now: { view } }) =>
      (view.cluster?.isActive ? (view.nodes?.nodes ?? []) : [])
        .filter((/** @type {any} */ one) => one.heard && Number(one.heardAgoMs) > SILENT_MS)
        .map((/** @type {any} */ { node, heartbeat, heardAgoMs }) => ({
          text: `The node ${node?.name ?? heartbeat.node} has been silent for ${showSpan(Number(heardAgoMs))}.`,
          type: [`walnut status --address ${node?.address || heartbeat.address}`],
        })),
    type: () => [],
  },
  {
    alert: 'WalnutNoActiveCoordinator',
    severity: 'critical',
    runbook: CLUSTER,
    kinds: ['coordinator'],
    find: ({ now: { view } }) =>
      view.cluster !== undefined && view.cluster.activeCoordinator === ''
        ? [`No coordinator is active${whyNone(view)}: masters go on, and one that is lost is not replaced.`]
        : [],
    type: ({ now: { view }, here }) =>
      whyNone(view) === ''
        ? [`walnut cluster status --coordinators ${here}`]
        : ['etcdctl endpoint health --endpoints ETCD:2379', `walnut cluster status --coordinators ${here}`],
  },
  {
    alert: 'WalnutGroupWithoutWrites',
    severity: 'critical',
    runbook: CLUSTER,
    kinds: ['coordinator', 'gateway'],
    find: ({ now: { view } }) => [
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
            `The group ${one.id} does not answer: ${showWaiting(one.calls, 'call')} in this gateway.`,
        ),
    ],
    type: ({ here }) => [
      `walnut cluster status --coordinators ${here}`,
      `walnut cluster nodes --coordinators ${here}`,
    ],
  },
  {
    alert: 'WalnutCoordinatorAlarm',
    severity: 'critical',
    runbook: CLUSTER,
    kinds: ['coordinator'],
    find: ({ now: { view } }) => (view.cluster?.alarms ?? []).map((/** @type {any} */ one) => one.why),
    type: statusHere,
  },
];

/**
 * Begins with a comma; empty where the store of the cluster answers.
 * @param {any} view
 */
function whyNone({ readiness }) {
  const isLost = (readiness?.reasons ?? []).some((/** @type {string} */ reason) =>
    /metadata store/.test(reason),
  );
  return isLost ? ', as the metadata store (etcd) does not answer' : '';
}

/** @param {import('./rule.js').Moments} moments */
function statusHere({ here }) {
  return [`walnut cluster status --coordinators ${here}`];
}
