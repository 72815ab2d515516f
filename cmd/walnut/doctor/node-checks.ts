/** What is checked of one node, and when it is well. Pure; the limits are those of the alert rules in `deploy/`. */
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { UNKNOWN_LAG_MS } from '#model/status.ts';
import { countOf, enumName, showBytes, showDuration, showLag } from '../output/output.ts';
import { COUNT_CHECKS } from './count-checks.ts';
import { type Check, judgeFill, ok, problem, runbook, warning } from './judgement.ts';
import { PROCESS_CHECKS } from './process-checks.ts';

const LAG_MS_MAX = 30_000;
const CLOCK_S_MAX = 10;
/** A reason of a master. */
const RIVAL = / is a master too, /;
/** States in which a node does not do its work, ready or not, with what to do. */
const UNFIT: Readonly<Partial<Record<NodeState, string>>> = {
  [NodeState.QUARANTINED]: runbook('Quarantine'),
  [NodeState.FENCED]: runbook('A master comes up fenced'),
  [NodeState.NO_LEASE]: runbook('A cluster takes no writes'),
  [NodeState.NO_SPACE]: runbook('The disk is full'),
};

export const NODE_CHECKS: readonly Check[] = [
  {
    name: 'readiness',
    judge: ({ status: { ready, state, reasons } }) => {
      const why = reasons.join('; ');
      const unfit = UNFIT[state];
      if (unfit !== undefined)
        return problem(`${enumName(NodeState, state)}: ${why || 'no reason is given'}`, unfit);
      if (!ready)
        return problem(`not ready: ${why || 'no reason is given'}`, runbook('A node does not answer'));
      if (reasons.some((reason) => RIVAL.test(reason)))
        return problem(why, runbook('Two masters that see each other'));
      return why === '' ? ok('ready') : warning(`ready, but: ${why}`, runbook('Status, readiness'));
    },
  },
  {
    name: 'master',
    judge: ({ status: { master, state, uptimeMs } }) => {
      if (master === undefined) return undefined;
      const advice = runbook('A replica is far behind');
      if (!master.linked) return problem(`its master ${master.address} is not heard`, advice);
      const behind = `${showLag(master.lagMs)} behind ${master.address}`;
      // One that has just started may not know yet how old its data is.
      const isNew = Number(master.lagMs) === UNKNOWN_LAG_MS && Number(uptimeMs) <= LAG_MS_MAX;
      const isLate = !isNew && Number(master.lagMs) > LAG_MS_MAX && state !== NodeState.DELAYED;
      return isLate ? problem(behind, advice) : ok(behind);
    },
  },
  {
    name: 'replicas',
    judge: ({ status: { role, replicas } }) => {
      if (role !== Role.MASTER) return undefined;
      if (replicas.length === 0)
        return warning('no replica follows: the data is on one disk only', 'Start one: README.md');
      const unwell = replicas.filter((each) => each.problem !== '' || each.different);
      const [first] = unwell;
      if (first === undefined) return ok(countOf(replicas.length, 'replica'));
      const what = first.problem === '' ? 'its state differs' : first.problem;
      return problem(`${first.address}: ${what}`, runbook('A replica is far behind'));
    },
  },
  {
    name: 'disk space',
    judge: ({ page, status }) => {
      const free = page.sum('walnut_wal_disk_free_bytes');
      if (free === undefined) return undefined;
      const snapshot = Number(status.store?.bytes ?? 0);
      const found = `${showBytes(free)} free; the next snapshot takes about ${showBytes(snapshot)}`;
      return judgeFill(snapshot / Math.max(1, free), [0.5, 1], found, runbook('The disk is full'));
    },
  },
  {
    name: 'clock',
    judge: ({ page }) => {
      const offset = page.sum('walnut_log_clock_offset_seconds');
      if (offset === undefined) return undefined;
      const found = `the log clock is ${showDuration(Math.abs(offset) * 1_000)} ${offset < 0 ? 'behind' : 'ahead of'} that of the machine`;
      return Math.abs(offset) > CLOCK_S_MAX ? problem(found, runbook('A clock that is wrong')) : ok(found);
    },
  },
  {
    name: 'records set aside',
    judge: ({ page }) => {
      const tails = page.sum('walnut_diverged_unseen_tails');
      if (tails === undefined) return undefined;
      if (tails === 0) return ok('none that nobody has seen');
      return warning(
        `${countOf(tails, 'tail')} of another history that nobody has seen`,
        'Look: walnut diverged list',
      );
    },
  },
  ...PROCESS_CHECKS,
  ...COUNT_CHECKS,
];
