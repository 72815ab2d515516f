// @ts-check
/** The group or cluster around the process as plain data: groups of nodes, each with what matters of it. Pure. */
import {
  isUnknownLag,
  lsnOf,
  showEnum,
  showMany,
  showSpan,
  showWaiting,
  showWhole,
  termOf,
} from './format.js';

/**
 * @typedef {object} PictureNode
 * @property {string} name
 * @property {string} address empty: it has no page to go to
 * @property {string} role
 * @property {string} state
 * @property {'good' | 'warn' | 'bad' | 'none'} health
 * @property {boolean} isHere this is the process that serves the page
 * @property {boolean} isLeader
 * @property {[name: string, value: string][]} facts
 *
 * @typedef {object} PictureGroup
 * @property {string} title
 * @property {string} note
 * @property {'good' | 'bad' | 'none'} health
 * @property {PictureNode[]} nodes the leader first
 */

const GOOD = new Set(['serving', 'streaming', 'delayed']);
const BAD = new Set(['quarantined', 'fenced', 'no lease', 'no space']);
const SLOTS = 16_384;
/** A coordinator takes a node for silent after so long. */
const SILENT_MS = 1_500;

/**
 * @param {import('./figures.js').Snapshot} snapshot
 * @param {string} here `host:port` by which the browser reaches the process
 * @returns {PictureGroup[]}
 */
export function pictureOf({ kind, view }, here) {
  if (kind === 'node') return [groupOfNode(view, here)];
  if (kind === 'gateway')
    return (view.groups ?? []).map((/** @type {any} */ group) => groupOfGateway(group, view));
  return (view.cluster?.groups ?? []).map((/** @type {any} */ group) => groupOfCluster(group, view));
}

/**
 * @param {string} state
 * @returns {PictureNode['health']}
 */
function healthOf(state) {
  if (GOOD.has(state)) return 'good';
  return BAD.has(state) ? 'bad' : 'warn';
}

/**
 * @param {any} status
 * @param {string} here
 * @returns {PictureGroup}
 */
function groupOfNode(status, here) {
  const isMaster = status.role === 'ROLE_MASTER';
  const state = showEnum(status.state, 'NODE_STATE_');
  /** @type {PictureNode} */
  const own = {
    name: status.member?.node || here,
    address: '',
    role: isMaster ? 'master' : 'replica',
    state,
    health: healthOf(state),
    isHere: true,
    isLeader: isMaster,
    facts: [
      ['Term', String(Math.max(termOf(status.position), Number(status.term)))],
      ['Applied LSN', showWhole(Number(status.appliedLsn))],
      ['Durable LSN', showWhole(Number(status.durableLsn))],
      ...(status.master === undefined ? [] : lagFacts(status.master)),
      ...(status.delay === undefined ? [] : delayFacts(status.delay)),
    ],
  };
  const others = isMaster ? status.replicas.map(replicaOf) : masterOf(status.master);
  return {
    title: status.member?.group ? `Group ${status.member.group}` : 'Group',
    note: noteOfNode(status),
    health: status.ready ? 'good' : 'bad',
    nodes: isMaster ? [own, ...others] : [...others, own],
  };
}

/** @param {any} status */
function noteOfNode({ logId, member, observers }) {
  const [many, { ranges = [] }] = [Number(observers?.count ?? 0), member?.owned ?? {}];
  const owned = ranges
    .filter((/** @type {any} */ range) => range.group === member.group)
    .reduce((/** @type {number} */ sum, /** @type {any} */ { first, last }) => sum + last - first + 1, 0);
  return [
    ...(member?.owned === undefined ? [] : [slotsNote(owned)]),
    `log ${String(logId).slice(0, 8) || 'not known yet'}`,
    ...(many > 0 ? [`${showWhole(many)} embedded replicas follow`] : []),
  ].join(', ');
}

/**
 * @param {any} lag
 * @returns {[string, string][]}
 */
function lagFacts({ lagRecords, lagMs }) {
  const last = Number(lagMs) < 1_000 ? 'now' : `${showSpan(Number(lagMs))} ago`;
  return [
    ['Behind', showMany(Number(lagRecords), 'record')],
    ['Last caught up', isUnknownLag(lagMs) ? 'not since its start' : last],
  ];
}

/**
 * @param {any} delay
 * @returns {[string, string][]}
 */
function delayFacts({ applyDelayMs, held, waitingRecords }) {
  return [
    [
      'Delay',
      `${showSpan(Number(applyDelayMs))}${held ? ', paused' : ''}: ${showWaiting(Number(waitingRecords), 'record')}`,
    ],
  ];
}

/**
 * @param {any} master
 * @returns {PictureNode[]}
 */
function masterOf(master) {
  if (master === undefined) return [];
  const state = master.linked ? 'linked' : 'not heard';
  return [
    {
      name: master.address,
      address: master.address,
      role: 'master',
      state,
      health: master.linked ? 'good' : 'bad',
      isHere: false,
      isLeader: true,
      facts: [],
    },
  ];
}

/**
 * @param {any} replica
 * @returns {PictureNode}
 */
function replicaOf(replica) {
  const state = showEnum(replica.state, 'NODE_STATE_');
  const isDeaf = replica.problem.startsWith('it takes no pushes');
  const health = isDeaf || replica.different ? 'bad' : replica.problem === '' ? healthOf(state) : 'warn';
  const shown = isDeaf ? 'takes no pushes' : state;
  return {
    name: replica.address,
    address: replica.address,
    role: 'replica',
    state: replica.different ? `${shown}, differs` : shown,
    health,
    isHere: false,
    isLeader: false,
    facts: [
      ['Acked LSN', showWhole(lsnOf(replica.acked))],
      ...lagFacts(replica),
      ['Resyncs', `${replica.partialResyncs} partial, ${replica.fullResyncs} full`],
    ],
  };
}

/**
 * @param {any} group a GatewayGroup
 * @param {any} view
 * @returns {PictureGroup}
 */
function groupOfGateway({ id, leader, slots, calls, isHeld }, view) {
  const health = leader === '' || isHeld ? 'bad' : 'good';
  // The map adds the life of the node's directory.
  const name = leader.replace(/@\d+$/, '');
  const listed = (view.cluster?.groups ?? []).find((/** @type {any} */ { group }) => group.id === id);
  const members = listed === undefined ? [] : groupOfCluster(listed, view).nodes;
  const answers = isHeld ? 'does not answer' : 'answers';
  /** @type {PictureNode} */
  const leading = {
    name: name === '' ? 'no leader' : name,
    address: members.find((member) => member.name === name)?.address ?? '',
    role: 'leader',
    state: name === '' ? 'missing' : answers,
    health,
    isHere: false,
    isLeader: true,
    facts: [['Calls under way', showWhole(calls)]],
  };
  const others = members.filter((member) => member.name !== name);
  return { title: `Group ${id}`, note: slotsNote(slots), health, nodes: [leading, ...others] };
}

/** @param {number} slots */
function slotsNote(slots) {
  return `${showWhole(slots)} of ${showWhole(SLOTS)} slots`;
}

/**
 * @param {any} status a GroupStatus
 * @param {any} view
 * @returns {PictureGroup}
 */
function groupOfCluster({ group, slots, takesWrites, votersHeard }, view) {
  const { isActive } = view.cluster;
  const leader = group.leader?.voter?.node ?? '';
  const listed = new Map((view.nodes?.nodes ?? []).map((/** @type {any} */ one) => [one.node?.name, one]));
  const tail = lsnOf(listed.get(leader)?.heartbeat?.tail);
  const nodes = group.voters.map((/** @type {any} */ voter) =>
    memberOf(voter.node, listed.get(voter.node), leader, tail, isActive),
  );
  nodes.sort(
    (/** @type {PictureNode} */ a, /** @type {PictureNode} */ b) => Number(b.isLeader) - Number(a.isLeader),
  );
  const heard = isActive
    ? `, ${votersHeard} of ${group.voters.length} voters heard, ${takesWrites ? 'takes writes' : 'takes no writes'}`
    : '';
  return {
    title: `Group ${group.id}`,
    note: `Term ${group.term}, ${slotsNote(slots)}${heard}`,
    health: isActive ? (takesWrites ? 'good' : 'bad') : 'none',
    nodes,
  };
}

/**
 * @param {string} name
 * @param {any} health a NodeHealth; undefined: not known
 * @param {string} leader
 * @param {number} leaderLsn
 * @param {boolean} isActive only the active coordinator hears nodes
 * @returns {PictureNode}
 */
function memberOf(name, health, leader, leaderLsn, isActive) {
  const heartbeat = health?.heard ? health.heartbeat : undefined;
  const isSilent = isActive && (heartbeat === undefined || Number(health.heardAgoMs) > SILENT_MS);
  const state = heartbeat === undefined ? 'not heard' : showEnum(heartbeat.state, 'NODE_STATE_');
  /** @type {[string, string][]} */
  const heard =
    heartbeat === undefined
      ? []
      : [
          ['Term', String(heartbeat.term)],
          ['Durable LSN', showWhole(lsnOf(heartbeat.tail))],
          ...(name === leader
            ? []
            : /** @type {[string, string][]} */ ([
                ['Behind', showMany(Math.max(0, leaderLsn - lsnOf(heartbeat.tail)), 'record')],
              ])),
          ['Heard', `${showSpan(Number(health.heardAgoMs))} ago`],
          ...(heartbeat.whyNoWrites === ''
            ? []
            : /** @type {[string, string][]} */ ([['No writes', heartbeat.whyNoWrites]])),
        ];
  return {
    name,
    address: health?.node?.address ?? '',
    role: name === leader ? 'leader' : 'voter',
    state: isSilent && heartbeat !== undefined ? `${state}, silent` : isActive ? state : 'listed',
    health: isActive ? (isSilent ? 'bad' : healthOf(state)) : 'none',
    isHere: false,
    isLeader: name === leader,
    facts: heard,
  };
}
