// @ts-check
/** The snapshots that alarms compare: those of the last minute, and for the last hour one a minute. Pure. */

/** @typedef {import('./figures.js').Snapshot} Snapshot */

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export class History {
  /**
   * Of the last minute, oldest first.
   * @type {Snapshot[]}
   */
  #kept = [];
  /**
   * One a minute of the last hour, oldest first.
   * @type {Snapshot[]}
   */
  #hour = [];

  get last() {
    return this.#kept.at(-1);
  }

  /**
   * False where another process answers, or where the clock of this one was set back: nothing before compares.
   * @param {Snapshot} snapshot
   */
  takes(snapshot) {
    const { last } = this;
    return last === undefined || (last.kind === snapshot.kind && last.atMs <= snapshot.atMs);
  }

  /** @param {Snapshot} snapshot */
  add(snapshot) {
    const { atMs } = snapshot;
    this.#kept.push(snapshot);
    while (this.#kept.length > 2 && atMs - /** @type {Snapshot} */ (this.#kept[0]).atMs > MINUTE_MS)
      this.#kept.shift();
    const newest = this.#hour.at(-1);
    if (newest === undefined || atMs - newest.atMs >= MINUTE_MS) this.#hour.push(snapshot);
    while (atMs - /** @type {Snapshot} */ (this.#hour[0]).atMs > HOUR_MS) this.#hour.shift();
  }

  /** What rules compare, once there is a snapshot. */
  get moments() {
    const now = /** @type {Snapshot} */ (this.#kept.at(-1));
    const before = /** @type {Snapshot} */ (this.#kept[0]);
    return { now, before, past: /** @type {Snapshot} */ (this.#hour[0]) };
  }
}
