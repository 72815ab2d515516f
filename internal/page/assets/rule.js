// @ts-check
/** What rules of the page are made of. Pure. */

/**
 * @typedef {import('./figures.js').Snapshot} Snapshot
 * @typedef {'critical' | 'warning' | 'note'} Severity
 *
 * @typedef {object} Finding
 * @property {string} text what is wrong, with its figures
 * @property {string[]} [type] the commands for it, where they are not those of the rule
 *
 * @typedef {object} Moments
 * @property {Snapshot} now
 * @property {Snapshot} before about a minute earlier, or the first one
 * @property {Snapshot} past the oldest of the last hour, or the first one
 * @property {string} here the process as `--address` takes it
 *
 * @typedef {object} Rule
 * @property {string} alert an alert of `deploy/prometheus/alerts.yaml`; of a note a name of its own
 * @property {Severity} severity a note is worth knowing, and no alarm
 * @property {string} runbook `docs/FILE#ANCHOR`
 * @property {Snapshot['kind'][]} kinds
 * @property {(moments: Moments) => (string | Finding)[]} find
 * @property {(moments: Moments) => string[]} type the commands that show more, and those that mend it; words in capitals are to be replaced
 */

export const OPERATIONS = 'docs/operations.md#';
export const CLUSTER = `${OPERATIONS}a-cluster-takes-no-writes`;
/** @type {Snapshot['kind'][]} */
export const EVERY_KIND = ['node', 'coordinator', 'gateway'];

/**
 * What a process says is wrong with it.
 * @param {any} view
 * @returns {string[]}
 */
export function reasonsOf(view) {
  return (view.readiness ?? view).reasons ?? [];
}

/** A command with an address, as reasons name it: what comes behind is text again. */
const COMMAND =
  /walnut [a-z-]+(?: [a-z]+(?![\w.:-]))?(?: [\w.:[\]-]*:\d+)?(?: --(?:address|to) [\w.:[\]-]*:\d+)*(?: --force)?/g;

/**
 * The commands that reasons of a node name, each once. One that names another node and does not say which
 * to call, such as `walnut remove-replica`, is for the node itself.
 * @param {readonly string[]} reasons
 * @param {string} here
 */
export function commandsIn(reasons, here) {
  const named = reasons.flatMap((reason) => reason.match(COMMAND) ?? []).filter((each) => /:\d/.test(each));
  return [
    ...new Set(named.map((each) => (each.includes(' --address ') ? each : `${each} --address ${here}`))),
  ];
}

/**
 * @param {number | undefined} value
 * @param {number} limit
 * @param {(value: number) => string} text
 */
export function above(value, limit, text) {
  return value !== undefined && value > limit ? [text(value)] : [];
}

/**
 * @param {string | undefined} before
 * @param {string | undefined} now
 * @param {string} text
 */
export function grown(before, now, text) {
  return Number(now ?? 0) > Number(before ?? 0) ? [text] : [];
}
