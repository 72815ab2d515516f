/**
 * What operators must know of groups that take writes and can lose no voter more, or reach
 * QUORUM no more: an alarm where QUORUM is not reached, a warning where voters are missing.
 */
import type { Observation } from '#cluster/heartbeat.ts';
import { quorumMargin } from '#cluster/quorum-margin.ts';
import type { Group } from '#cluster/shard-map.ts';
import type { Alarms } from '#coordinator/alarms.ts';

/** How long it has to be so before it is said, milliseconds: a node that is restarted is back by then. */
const SAID_AFTER_MS = 5_000;

export interface MarginView {
  readonly group: Group;
  readonly isTakingWrites: boolean;
  readonly observations: ReadonlyMap<string, Observation>;
  readonly nowMs: number;
}

/** Since when voters of a group are missing, and since when too many are. */
interface Missing {
  readonly thinSinceMs: number;
  readonly noneSinceMs: number | undefined;
  readonly warning: string;
}

export class MarginWatch {
  readonly #alarms: Alarms;
  readonly #missing = new Map<string, Missing>();

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  get warnings(): string[] {
    return [...this.#missing.values()].map(({ warning }) => warning).filter((warning) => warning !== '');
  }

  /** A group without writes has an alarm, or is being given a leader: that says more. */
  look({ group, isTakingWrites, observations, nowMs }: MarginView): void {
    const { id } = group;
    const { level, why } = quorumMargin(group, { observations, nowMs });
    if (!isTakingWrites || level === 'whole') {
      this.#missing.delete(id);
      this.#alarms.set(subjectOf(id), undefined);
      return;
    }
    const before = this.#missing.get(id);
    const thinSinceMs = before?.thinSinceMs ?? nowMs;
    const noneSinceMs = level === 'none' ? (before?.noneSinceMs ?? nowMs) : undefined;
    const isAlarm = noneSinceMs !== undefined && nowMs - noneSinceMs >= SAID_AFTER_MS;
    const isWarning = !isAlarm && nowMs - thinSinceMs >= SAID_AFTER_MS;
    this.#missing.set(id, { thinSinceMs, noneSinceMs, warning: isWarning ? why : '' });
    this.#alarms.set(subjectOf(id), isAlarm ? why : undefined);
  }

  clear(): void {
    this.#missing.clear();
  }
}

function subjectOf(group: string): string {
  return `${group}: quorum`;
}
