// @ts-check
/** The rule about replicas that apply late on purpose. Pure. */
import { showSpan, showWaiting } from './format.js';
import { OPERATIONS } from './rule.js';

/** @type {readonly import('./rule.js').Rule[]} */
export const DELAY_RULES = [
  {
    alert: 'Delayed',
    severity: 'note',
    runbook: `${OPERATIONS}a-delayed-replica`,
    kinds: ['node'],
    find: ({ now: { view } }) => [...ownDelayOf(view.delay), ...(view.replicas ?? []).flatMap(delayOf)],
    type: ({ now: { view }, here }) => delayCommands(view.delay, here),
  },
];

/** @param {any} delay undefined: none is configured */
function ownDelayOf(delay) {
  if (delay === undefined) return [];
  const late = `${showSpan(Number(delay.applyDelayMs))} after its master, on purpose (replication.apply_delay)`;
  const paused = delay.held ? ', and an operator has paused it' : '';
  return [
    `This replica applies records ${late}${paused}: ${showWaiting(Number(delay.waitingRecords), 'record')}.`,
  ];
}

/**
 * The steps after a mistake on the master, in the order of the runbook. None applies everything at once, which
 * would show the mistake here as well.
 * @param {any} delay undefined: none is configured
 * @param {string} here
 */
function delayCommands(delay, here) {
  if (!delay?.held) return [`walnut delay pause --address ${here}`];
  return [
    'walnut wal dump DIRECTORY --from LSN',
    `walnut delay release --to-lsn LSN --address ${here}`,
    `walnut delay resume --address ${here}`,
  ];
}

/** @param {any} replica */
function delayOf({ address, applyDelayMs }) {
  if (Number(applyDelayMs) === 0) return [];
  const late = `${showSpan(Number(applyDelayMs))} after this master, on purpose (replication.apply_delay)`;
  return [
    {
      text: `The replica ${address} applies records ${late}.`,
      type: [`walnut status --address ${address}`, `walnut delay pause --address ${address}`],
    },
  ];
}
