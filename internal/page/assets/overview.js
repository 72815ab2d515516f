/** The view of everything at once: alarms, the group or cluster as a picture, charts, figures. */
import { alarmsOf, checksOf, lostAlarm } from './alarms.js';
import { Charts } from './charts.js';
import { hasToken } from './connection.js';
import { byId, el, say, table, update } from './dom.js';
import { loadBetween, sumOf } from './figures.js';
import {
  addressOf,
  showBytes,
  showCount,
  showMs,
  showPercent,
  showSpan,
  showWhole,
  termOf,
} from './format.js';
import { History } from './history.js';
import { pictureOf } from './picture.js';
import { showRunbook } from './runbook.js';

/** What a check finds, if it finds something. */
const SEVERITIES = new Set(['critical', 'warning', 'note']);

export class Overview {
  #charts;
  #history = new History();

  constructor() {
    for (const id of ['alarms', 'checks'])
      byId(id).addEventListener('click', ({ target }) => {
        const { runbook } = target.dataset;
        if (runbook !== undefined) void showRunbook(runbook);
      });
  }

  show(snapshot) {
    byId('overview').classList.remove('old');
    if (!this.#history.takes(snapshot)) this.#forget();
    const before = this.#history.last;
    this.#history.add(snapshot);
    this.#charts ??= new Charts(byId('charts'), snapshot.kind);
    const alarms = alarmsOf({ ...this.#history.moments, here: addressOf(location) });
    this.#showAlarms(alarms);
    this.#showChecks(checksOf(snapshot.kind, alarms));
    this.#showPicture(pictureOf(snapshot, location.host));
    const load = before === undefined ? undefined : loadBetween(before, snapshot);
    if (load !== undefined) this.#charts.push(snapshot.atMs, load);
    update(byId('facts'), ...factsOf(snapshot, load).map(([title, facts]) => factList(title, facts)));
    return alarms;
  }

  /** Nothing newer comes: what is shown stays, greyed, and is not said to be all right. */
  lose(text) {
    byId('overview').classList.add('old');
    this.#showAlarms([lostAlarm(text, this.#history.last, addressOf(location))]);
  }

  redraw() {
    this.#charts?.redraw();
  }

  clear() {
    this.#forget();
    for (const id of ['alarms', 'checks', 'picture', 'charts', 'facts']) byId(id).replaceChildren();
  }

  #forget() {
    this.#history = new History();
    this.#charts = undefined;
  }

  #showAlarms(alarms) {
    const none = el('li', { class: 'none' }, 'Nothing is wrong, as far as this process knows.');
    const real = alarms.filter(({ severity }) => severity !== 'note').length;
    const shown = alarms.map(alarmItem);
    update(byId('alarms'), ...(real === 0 ? [none] : []), ...shown);
    say(byId('alarms-said'), real === 1 ? '1 alarm' : `${real} alarms`);
    byId('alarms-token').hidden = !hasToken() || alarms.length === 0;
  }

  #showChecks(checks) {
    update(byId('checks'), ...checks.map(checkItem));
  }

  #showPicture(groups) {
    const none = el('p', {}, 'The process knows no group yet.');
    update(byId('picture'), ...(groups.length === 0 ? [none] : groups.map(groupElement)));
  }
}

function alarmItem({ severity, text, runbook, alert, type }) {
  return el(
    'li',
    { class: severity },
    el('span', { class: 'severity' }, severity),
    el('span', { class: 'what' }, text),
    runbookButton(alert, runbook),
    type.length === 0
      ? undefined
      : el('pre', { class: 'type', 'aria-label': 'Type', tabindex: '0' }, type.join('\n')),
  );
}

/** The name of the check opens its runbook. */
function checkItem({ alert, state, runbook }) {
  const name = el('button', { type: 'button', class: 'inline', 'data-runbook': runbook }, alert);
  const isFound = SEVERITIES.has(state);
  return el(
    'li',
    { class: isFound ? state : 'well' },
    name,
    ' ',
    el('span', isFound ? { class: 'severity' } : {}, state),
  );
}

function runbookButton(alert, runbook) {
  return el(
    'button',
    { type: 'button', 'data-runbook': runbook, 'aria-label': `Runbook of ${alert}` },
    'Runbook',
  );
}

function groupElement({ title, note, health, nodes }) {
  const [leader, ...others] = nodes;
  return el(
    'section',
    { class: `group ${health}` },
    el('h4', {}, title, ' ', el('span', { class: 'muted' }, note)),
    el(
      'div',
      { class: 'members' },
      el('ul', { class: 'lead' }, ...(leader === undefined ? [] : [nodeElement(leader)])),
      ...(others.length === 0 ? [] : [el('ul', { class: 'followers' }, ...others.map(nodeElement))]),
    ),
  );
}

function nodeElement({ name, address, role, state, health, isHere, isLeader, facts }) {
  const title = address === '' ? name : el('a', { href: `${location.protocol}//${address}/` }, name);
  const rows = facts.flatMap(([term, value]) => [el('dt', {}, term), el('dd', {}, value)]);
  return el(
    'li',
    { class: `node ${health}${isLeader ? ' leader' : ''}` },
    el(
      'div',
      { class: 'node-head' },
      el('strong', {}, title),
      isHere ? el('span', { class: 'tag' }, 'this node') : undefined,
    ),
    el(
      'div',
      { class: 'node-state' },
      el('span', { class: 'dot', 'aria-hidden': 'true' }),
      `${role}, ${state}`,
    ),
    el('dl', {}, ...rows),
  );
}

function factList(title, facts) {
  const rows = facts.filter(([, value]) => value !== undefined);
  return el('div', {}, table(title, [title, 'Now'], rows));
}

/** Lists of figures, by what they are about. */
function factsOf(snapshot, load) {
  const { kind, view, version } = snapshot;
  const process = [
    ['Version', version],
    ['Processor', load === undefined ? '–' : `${showPercent(load.processor)} of one core`],
    ['Memory', bytesOf(snapshot, 'process_resident_memory_bytes')],
    ['Memory it may use', bytesOf(snapshot, 'walnut_memory_limit_bytes')],
    [
      'Connections',
      `${countOf(snapshot, 'walnut_connections')} of ${countOf(snapshot, 'walnut_connections_max')}`,
    ],
    ['Watches', countOf(snapshot, 'walnut_watchers')],
  ];
  if (kind === 'node')
    return [
      ...nodeFacts(view, snapshot),
      [
        'Process',
        [
          ['Up for', showSpan(Number(view.uptimeMs))],
          ['Slow calls since the start', countOf(snapshot, 'walnut_slow_calls_total')],
          ...process,
        ],
      ],
    ];
  if (kind === 'gateway')
    return [
      ['Map', gatewayFacts(view)],
      ['Process', process],
    ];
  return [
    ['Cluster', clusterFacts(view, snapshot)],
    ['Process', process],
  ];
}

function nodeFacts({ store, wal, earliestLsn, durableLsn, position, integrity, clock }, snapshot) {
  const limit = (max, show) => (Number(max) === 0 ? '' : ` of ${show(Number(max))}`);
  return [
    [
      'Store',
      [
        ['Entries', `${showWhole(Number(store.entries))}${limit(store.maxEntries, showWhole)}`],
        ['Bytes', `${showBytes(Number(store.bytes))}${limit(store.maxBytes, showBytes)}`],
        ['Hits and misses', `${showCount(Number(store.hits))} and ${showCount(Number(store.misses))}`],
        ['Evicted', showWhole(Number(store.evicted))],
        ['Expired', showWhole(Number(store.expired))],
      ],
    ],
    [
      'Log and snapshots',
      [
        ['Term', String(termOf(position))],
        ['LSNs kept', `${showWhole(Number(earliestLsn))} to ${showWhole(Number(durableLsn))}`],
        ['Segments', `${showWhole(wal.segments)}, ${showBytes(Number(wal.bytes))}`],
        ['Free disk', bytesOf(snapshot, 'walnut_wal_disk_free_bytes')],
        ['Last checkpoint', sumOf(snapshot, 'walnut_checkpoint_failing') === 1 ? 'failed' : 'did not fail'],
        [
          'Log clock',
          clock === undefined
            ? 'not known yet'
            : `${showMs(Math.abs(Number(clock.aheadMs)))} ${Number(clock.aheadMs) < 0 ? 'behind' : 'ahead'}`,
        ],
        ['Scrubs without a finding', showWhole(Number(integrity.scrubs))],
      ],
    ],
  ];
}

function gatewayFacts({ clusterId, mapEpoch, mapAgeMs, isFollowing, retries, readiness }) {
  return [
    ['Cluster', clusterId === '' ? 'no map yet' : clusterId],
    ['State', readiness.state],
    ['Epoch of the map', showWhole(mapEpoch)],
    ['Confirmed by a coordinator', mapAgeMs === undefined ? 'not yet' : `${showMs(mapAgeMs)} ago`],
    ['Changes arrive as they are made', isFollowing ? 'yes' : 'no'],
    ['Attempts repeated', showWhole(retries)],
  ];
}

function clusterFacts({ readiness, cluster }, snapshot) {
  return [
    ['State', readiness.state],
    ['Name', cluster?.name],
    ['Cluster', cluster?.clusterId === '' ? 'not made yet' : cluster?.clusterId],
    ['Epoch of the map', cluster === undefined ? undefined : showWhole(Number(cluster.epoch))],
    ['Active coordinator', cluster === undefined ? undefined : cluster.activeCoordinator || 'none is known'],
    ['Changes of the store arrive', sumOf(snapshot, 'walnut_coordinator_following') === 1 ? 'yes' : 'no'],
    ['Failovers since the start', countOf(snapshot, 'walnut_coordinator_failovers_total')],
  ];
}

function bytesOf(snapshot, name) {
  const bytes = sumOf(snapshot, name);
  return bytes === undefined ? undefined : showBytes(bytes);
}

function countOf(snapshot, name) {
  const count = sumOf(snapshot, name);
  return count === undefined ? undefined : showWhole(count);
}
