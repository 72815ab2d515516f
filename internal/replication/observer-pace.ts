/** How often an observer gets a push, and for how long a call of it is held. In milliseconds. Pure. */

/**
 * A call is not held for longer, whatever `replication.heartbeat` and `replication.sync_interval`
 * are: an observer does not wait long for an answer.
 */
const HELD_MS_MAX = 1_000;
/** Milliseconds for each push: all observers together get at most 10,000 a second. */
const PUSH_MS = 0.1;

/** The least time between two pushes to one of so many observers. */
export function paceMs(syncIntervalMs: number, observers: number): number {
  return Math.min(HELD_MS_MAX, Math.max(syncIntervalMs, observers * PUSH_MS));
}

/** How long a call that has waited `pacedMs` for its turn is held while there is nothing to answer. */
export function holdMs(heartbeatMs: number, pacedMs: number): number {
  return Math.min(heartbeatMs, HELD_MS_MAX - pacedMs);
}
