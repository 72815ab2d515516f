/**
 * Detects the end of the parent process: the launcher, or `npm start`. The two share a
 * channel that the system closes when either ends, whatever the cause, so that a node
 * does not keep running after its launcher was killed. A process started in another
 * way has no such parent.
 */

/** The parent's process id, set by the parent, so that a grandchild that inherits the variable can tell it is not meant. */
export const PARENT_PID = 'WALNUT_PARENT_PID';

/** Calls `onEnd` once when the parent ends, or at once if it has ended already. */
export function whenParentEnds(onEnd: () => void): void {
  const pid = process.env[PARENT_PID];
  delete process.env[PARENT_PID];
  if (pid === undefined) return;
  if (process.connected && process.ppid === Number(pid)) {
    process.once('disconnect', onEnd);
    // Without this the listener would keep the process from ending by itself.
    process.channel?.unref();
  } else {
    onEnd();
  }
}
