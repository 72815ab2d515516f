// @ts-check
/** Rules about a store that is full, and calls that are refused for want of room. Pure. */
import { isKeyCall, riseOf } from './figures.js';
import { showBytes, showDoneTo, showWhole } from './format.js';
import { above, OPERATIONS } from './rule.js';

const WHY = {
  store: 'the store is full, as its alarm says',
  disk: 'the disk is full, as the alarm of its state says',
  other: 'the message of each says which limit it met',
};

/** @type {readonly import('./rule.js').Rule[]} */
export const STORE_RULES = [
  {
    alert: 'WalnutCallsRefused',
    severity: 'warning',
    runbook: `${OPERATIONS}calls-are-refused`,
    kinds: ['node', 'gateway'],
    find: (moments) => {
      const { now, before } = moments;
      const calls = riseOf(before, now, 'walnut_rpc_handled_total', isRefusedCall);
      const operations = riseOf(before, now, 'walnut_batch_operations_total', isExhausted);
      const requests = riseOf(before, now, 'walnut_keys_requests_total', isExhausted);
      return above(
        calls + operations + requests,
        0,
        (many) => `${showDoneTo(many, 'call')} refused with RESOURCE_EXHAUSTED: ${WHY[causeOf(moments)]}.`,
      );
    },
    type: (moments) => {
      const { now, here } = moments;
      if (now.kind === 'gateway') return [`walnut bigkeys --address ${here}`];
      return causeOf(moments) === 'other' ? [`walnut info calls --address ${here}`] : [];
    },
  },
  {
    // A Batch is answered OK, whatever became of its writes.
    alert: 'WalnutStoreRefuses',
    severity: 'warning',
    runbook: `${OPERATIONS}calls-are-refused`,
    kinds: ['node'],
    find: ({ now, before }) =>
      above(
        grownBy(now, before, 'refused'),
        0,
        (many) =>
          `The store is full (${fillOf(now.view.store)}), and nothing may be evicted: ${showDoneTo(many, 'write')} refused. Delete what is not needed; or raise storage.max_memory or storage.max_entries, or set storage.eviction_policy to lru, in the file of the master, and restart it.`,
      ),
    type: ({ here }) => [
      `walnut info store --address ${here}`,
      `walnut bigkeys --address ${here}`,
      `walnut delete-prefix PREFIX --address ${here}`,
    ],
  },
  {
    alert: 'Evictions',
    severity: 'note',
    runbook: `${OPERATIONS}calls-are-refused`,
    kinds: ['node'],
    find: ({ now, before }) =>
      above(
        grownBy(now, before, 'evicted'),
        0,
        (many) =>
          `The store is full (${fillOf(now.view.store)}): ${showDoneTo(many, 'entry', 'entries')} evicted to make room.`,
      ),
    type: ({ here }) => [`walnut info store --address ${here}`, `walnut bigkeys --address ${here}`],
  },
];

/** @param {Record<string, string>} labels */
function isExhausted({ code }) {
  return code === 'resource_exhausted';
}

/** @param {Record<string, string>} labels */
function isRefusedCall(labels) {
  return isKeyCall(labels) && isExhausted(labels);
}

/**
 * What refused calls had no room in. The node counts those that its store refused.
 * @param {import('./rule.js').Moments} moments
 * @returns {keyof typeof WHY}
 */
function causeOf({ now, before }) {
  if (now.view.state === 'NODE_STATE_NO_SPACE') return 'disk';
  return grownBy(now, before, 'refused') > 0 ? 'store' : 'other';
}

/**
 * By how much a count of the store grew.
 * @param {import('./rule.js').Snapshot} now
 * @param {import('./rule.js').Snapshot} before
 * @param {'evicted' | 'refused'} count
 */
function grownBy(now, before, count) {
  return Math.max(0, Number(now.view.store?.[count] ?? 0) - Number(before.view.store?.[count] ?? 0));
}

/** @param {any} store */
function fillOf({ entries, maxEntries, bytes, maxBytes }) {
  const count =
    Number(maxEntries) > 0
      ? `, ${showWhole(Number(entries))} of ${showWhole(Number(maxEntries))} entries`
      : '';
  const size = Number(maxBytes) > 0 ? ` of ${showBytes(Number(maxBytes))}` : '';
  return `${showBytes(Number(bytes))}${size}${count}`;
}
