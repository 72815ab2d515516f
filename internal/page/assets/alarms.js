// @ts-check
/**
 * What is wrong, as the alert rules of `deploy/prometheus/alerts.yaml` would say it, by their names,
 * severities and limits, and what to type. `test/page/alarms.test.ts` compares them. Pure.
 */
import { lsnOf } from './format.js';
import { CLUSTER_RULES } from './rules-cluster.js';
import { DATA_RULES } from './rules-data.js';
import { DELAY_RULES } from './rules-delay.js';
import { LOAD_RULES } from './rules-load.js';
import { ROLE_RULES } from './rules-role.js';
import { STORE_RULES } from './rules-store.js';

/**
 * @typedef {import('./rule.js').Rule} Rule
 * @typedef {import('./rule.js').Moments} Moments
 *
 * @typedef {object} Alarm
 * @property {string} alert
 * @property {import('./rule.js').Severity} severity
 * @property {string} text what is wrong, with its figures
 * @property {string} runbook `docs/FILE#ANCHOR`
 * @property {string[]} type commands
 */

/** @type {readonly Rule[]} */
export const RULES = [
  ...ROLE_RULES,
  ...DELAY_RULES,
  ...DATA_RULES,
  ...LOAD_RULES,
  ...STORE_RULES,
  ...CLUSTER_RULES,
];

/** @type {readonly import('./rule.js').Severity[]} */
const ORDER = ['critical', 'warning', 'note'];

/**
 * What no process knows of itself.
 * @type {readonly { alert: string, why: string, runbook: string, kinds: Rule['kinds'] }[]}
 */
export const UNKNOWN_HERE = [
  {
    alert: 'WalnutDrillOverdue',
    why: 'Drills run beside the node, which does not hear of them. To make one now: walnut drill --from DIRECTORY',
    runbook: 'docs/operations.md#recovery-drill',
    kinds: ['node'],
  },
];

/**
 * @param {Moments} moments
 * @returns {Alarm[]} critical ones first
 */
export function alarmsOf(moments) {
  const found = RULES.filter(({ kinds }) => kinds.includes(moments.now.kind)).flatMap((rule) =>
    rule.find(moments).map((each) => {
      const { text, type = rule.type(moments) } = typeof each === 'string' ? { text: each } : each;
      return { alert: rule.alert, severity: rule.severity, runbook: rule.runbook, text, type };
    }),
  );
  return found.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

/**
 * The alarm of a page whose server does not answer.
 * @param {string} text
 * @param {import('./rule.js').Snapshot | undefined} last what it said last
 * @param {string} here
 * @returns {Alarm}
 */
export function lostAlarm(text, last, here) {
  const runbook = 'docs/operations.md#a-node-does-not-answer';
  const { alert, severity } = { alert: 'WalnutNodeDown', severity: /** @type {const} */ ('critical') };
  const { kind, view } = last ?? { kind: undefined, view: {} };
  if (kind === 'coordinator' || kind === 'gateway' || view.member !== undefined)
    return {
      alert,
      severity,
      text,
      runbook,
      type: ['walnut cluster status --coordinators COORDINATOR:PORT'],
    };
  const own = [`walnut status --address ${here}`, "systemctl status 'walnut@*'"];
  if (view.role !== 'ROLE_MASTER' || view.replicas.length === 0)
    return { alert, severity, text, runbook, type: own };
  const [furthest] = [...view.replicas].sort((a, b) => lsnOf(b.acked) - lsnOf(a.acked));
  const { address } = furthest;
  return {
    ...{ alert, severity },
    text: `${text} It was the master: no node takes writes until it is back, or a replica is promoted.`,
    runbook: 'docs/operations.md#replacing-a-dead-master',
    type: [...own, `walnut status --all --address ${address}`, `walnut promote --address ${address}`],
  };
}

/**
 * Everything that is looked at, with what is found of it now.
 * @param {import('./rule.js').Snapshot['kind']} kind
 * @param {readonly Alarm[]} alarms
 * @returns {{ alert: string, state: string, runbook: string }[]}
 */
export function checksOf(kind, alarms) {
  const known = RULES.filter(({ kinds }) => kinds.includes(kind)).map(({ alert, severity, runbook }) => {
    const many = alarms.filter((each) => each.alert === alert).length;
    return { alert, state: many === 0 ? 'well' : severity, runbook };
  });
  const unknown = UNKNOWN_HERE.filter(({ kinds }) => kinds.includes(kind));
  return [...known, ...unknown.map(({ alert, why, runbook }) => ({ alert, state: why, runbook }))];
}
