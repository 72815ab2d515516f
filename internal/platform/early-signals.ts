/**
 * Handles signals from the start of a process. Loading the program takes half a
 * second, in which Node's defaults would end it on a SIGHUP that it should ignore, or
 * end a stop with an exit code other than 0. Until `handTo` is called a stop exits at
 * once with code 0, because nothing is open yet, and a hang-up is kept for the receiver.
 */
import { createNodeClock } from '#platform/node-clock.ts';
import { whenParentEnds } from '#platform/parent-process.ts';
import { listenForShutdown, type ShutdownListener } from '#platform/shutdown-signals.ts';

export interface EarlySignals {
  /** Makes `listener` the receiver of all further signals and of the launcher's end. */
  handTo(listener: ShutdownListener): void;
}

export function listenEarly(): EarlySignals {
  let listener: ShutdownListener = { onFirst: () => process.exit(0), onAgain: () => process.exit(1) };
  let isHungUp = false;
  const signals = listenForShutdown(createNodeClock(), {
    onFirst: (cause) => listener.onFirst(cause),
    onAgain: (cause) => listener.onAgain(cause),
    onHangUp: () => {
      isHungUp = true;
      listener.onHangUp?.();
    },
    onIgnored: (signal) => listener.onIgnored?.(signal),
  });
  // The launcher keeps hang-ups until then. One that has ended meanwhile needs no answer.
  if (process.connected) process.send?.('listening', undefined, undefined, () => {});
  whenParentEnds(() => signals.stop('end of the launcher'));
  return {
    handTo: (next) => {
      listener = next;
      // The configuration may have been read before the file was changed.
      if (isHungUp) next.onHangUp?.();
    },
  };
}
