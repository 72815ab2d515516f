/** The view of slow calls: the last ones of this node, the newest first. */
import { call, describe } from './connection.js';
import { byId, say, table } from './dom.js';
import { showKey, showMs, showTime, showWhole } from './format.js';

const LIMIT = 200;

export class SlowView {
  constructor() {
    byId('slow-read').addEventListener('click', () => void this.open());
  }

  clear() {
    for (const id of ['slow-said', 'slow-list']) byId(id).replaceChildren();
  }

  async open() {
    try {
      const { calls = [], thresholdMs = 0, total = 0 } = await call('Admin/GetSlowLog', { limit: LIMIT });
      const rows = calls.map(({ endedAtMs, operation, key = '', code, durationUs, user, from }) => [
        operation.replace('/walnut.v1.', ''),
        showMs(Number(durationUs) / 1_000),
        showTime(Number(endedAtMs)),
        key === '' ? '' : showKey(key),
        code,
        user,
        from,
      ]);
      const head = ['Call', 'Took', 'Answered', 'Key', 'Code', 'User', 'From'];
      byId('slow-list').replaceChildren(
        ...(rows.length === 0 ? [] : [table('Slow calls, the newest first', head, rows)]),
      );
      say(byId('slow-said'), aboutOf(Number(thresholdMs), Number(total), rows.length));
    } catch (error) {
      say(byId('slow-said'), describe(error));
    }
  }
}

function aboutOf(thresholdMs, total, shown) {
  if (thresholdMs === 0) return 'No call counts as slow: set server.slow_log.threshold.';
  const since = `${showWhole(total)} calls took ${showMs(thresholdMs)} or longer since the start of this process`;
  return shown === 0 ? `${since}.` : `${since}; the last ${showWhole(shown)} are shown.`;
}
