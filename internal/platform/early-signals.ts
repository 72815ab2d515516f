/**
 * Handles signals from the start of a process. Loading the program takes half a
 * second, in which Node's defaults would end it on a SIGHUP that it should ignore, or
 * end a stop with an exit code other than 0. Until `handTo` is called a stop exits at
 * once with code 0, because nothing is open yet.
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
  const signals = listenForShutdown(createNodeClock(), {
    onFirst: (cause) => listener.onFirst(cause),
    onAgain: (cause) => listener.onAgain(cause),
    onHangUp: () => listener.onHangUp?.(),
    onIgnored: (signal) => listener.onIgnored?.(signal),
  });
  whenParentEnds(() => signals.stop('end of the launcher'));
  return {
    handTo: (next) => {
      listener = next;
    },
  };
}
