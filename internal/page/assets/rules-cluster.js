// @ts-check
/** Rules about clusters: coordinators, groups, and nodes that a coordinator does not hear. Pure. */
import { showSpan, showWaiting } from './format.js';
import { CLUSTER, EVERY_KIND, OPERATIONS, reasonsOf } from './rule.js';

/** A minute, as the alert has it. */
const SILENT_MS = 60_000;
/** Another coordinator may take so long to act. */
const UNANSWERED_MS = 7_000;
/** The reason of a node of a cluster whose heartbeats no coordinator answers. */
const UNANSWERED = /^no coordinator has heard this node for /;
/** A reason of a gateway. */
const OF_COORDINATOR = /^coordinator (\S+:\d+): /;
/** Within the reason of a node, behind the duration. */
const TRIED = /^(?:.* for \d+ s: )?(\S+:\d+): /;

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
    kinds: EVERY_KIND,
    find: ({ now: { kind, view } }) => {
      if (kind === 'node') return unansweredNode(view);
      if (kind === 'gateway') return unansweredGateway(view);
      return view.cluster !== undefined && view.cluster.activeCoordinator === ''
        ? [`No coordinator is active${whyNone(view)}: masters go on, and one that is lost is not replaced.`]
        : [];
    },
    type: ({ now: { kind, view }, here }) => {
      if (kind !== 'coordinator')
        return [
          `walnut cluster status --coordinators ${triedBy(view).join(',') || 'COORDINATOR:PORT'}`,
          "systemctl status 'walnut@*'",
        ];
      return whyNone(view) === ''
        ? [`walnut cluster status --coordinators ${here}`]
        : ['etcdctl endpoint health --endpoints ETCD:2379', `walnut cluster status --coordinators ${here}`];
    },
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
            `The group ${one.group.id} takes no writes: ${whyNoWrites(one.group, view)}${one.votersHeard} of its ${one.group.voters.length} voters are heard.`,
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
    alert: 'WalnutVotersSilent',
    severity: 'warning',
    runbook: `${OPERATIONS}a-voter-is-silent`,
    kinds: ['coordinator'],
    find: ({ now: { view } }) => view.cluster?.warnings ?? [],
    type: ({ here }) => [`walnut cluster nodes --coordinators ${here}`],
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
function whyNone(view) {
  const isLost = reasonsOf(view).some((reason) => /metadata store/.test(reason));
  return isLost ? ', as the metadata store (etcd) does not answer' : '';
}

/**
 * What the leader of a group says of it; ends with a semicolon, and is empty where nothing is known.
 * @param {any} group
 * @param {any} view
 */
function whyNoWrites({ leader }, view) {
  const name = leader?.voter?.node ?? '';
  if (name === '') return 'it has no leader; ';
  const listed = (view.nodes?.nodes ?? []).find((/** @type {any} */ { node }) => node?.name === name);
  const why = listed?.heartbeat?.whyNoWrites ?? '';
  return why === '' ? '' : `its leader ${name} says: ${why}; `;
}

const ALONE = 'Keys are served as before; a master that is lost now is not replaced.';

/**
 * A node of a cluster, which says for how long no coordinator answered its heartbeats.
 * @param {any} view
 */
function unansweredNode(view) {
  return unansweredBy(view).map((reason) => `${reason.replace(/^no/, 'No')}. ${ALONE}`);
}

/**
 * A gateway has one map, and knows how long ago a coordinator last said that it is the newest.
 * @param {any} view
 */
function unansweredGateway(view) {
  const [whys, { mapAgeMs }] = [unansweredBy(view), view];
  if (whys.length === 0) return [];
  const since = mapAgeMs === undefined ? 'since it started' : `for ${showSpan(mapAgeMs)}`;
  return [`No coordinator has answered this gateway ${since}: ${whys.join('; ')}. ${ALONE}`];
}

/**
 * The reasons by which a node or a gateway says that no coordinator answers; empty where one does.
 * @param {any} view
 */
export function unansweredBy(view) {
  const { isFollowing, mapAgeMs } = view;
  const isAnswered = isFollowing || mapAgeMs < UNANSWERED_MS;
  return reasonsOf(view).filter(
    (reason) =>
      UNANSWERED.test(reason) || (isFollowing !== undefined && !isAnswered && OF_COORDINATOR.test(reason)),
  );
}

/**
 * The coordinators that a node or a gateway tried in vain.
 * @param {any} view
 */
function triedBy(view) {
  return unansweredBy(view).flatMap((reason) =>
    UNANSWERED.test(reason)
      ? reason.split('; ').flatMap((why) => TRIED.exec(why)?.[1] ?? [])
      : (OF_COORDINATOR.exec(reason)?.[1] ?? []),
  );
}

/** @param {import('./rule.js').Moments} moments */
function statusHere({ here }) {
  return [`walnut cluster status --coordinators ${here}`];
}
