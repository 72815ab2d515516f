/**
 * The process that started this one and would stop it: the launcher, or
 * `npm start`. Between them is a channel that the system closes when either
 * ends, by whatever signal, so that a node whose launcher was killed does not
 * run on unseen. A process started otherwise has no such parent.
 */

/** Names the parent. Set by the parent itself, so that a grandchild which inherits it is not misled. */
export const PARENT_PID = 'WALNUT_PARENT_PID';

/** Calls `onEnd` once when the parent has ended; at once where it had before. */
export function whenParentEnds(onEnd: () => void): void {
  const pid = process.env[PARENT_PID];
  delete process.env[PARENT_PID];
  if (pid === undefined) return;
  if (process.connected && process.ppid === Number(pid)) {
    process.once('disconnect', onEnd);
    // The listener alone would keep the process from ending by itself.
    process.channel?.unref();
  } else {
    onEnd();
  }
}
