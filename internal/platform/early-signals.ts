/**
 * Signals from the first moment of a process: loading a program takes half a
 * second, in which Node's defaults would end it by a hang-up that it should
 * ignore, or with another code than that of a stop. Until somebody takes over,
 * a stop leaves at once with exit code 0: nothing is open yet.
 */
import { createNodeClock } from '#platform/node-clock.ts';
import { whenParentEnds } from '#platform/parent-process.ts';
import { listenForShutdown, type ShutdownListener } from '#platform/shutdown-signals.ts';

export interface EarlySignals {
  /** From now on `listener` hears of them, and of the end of the launcher. */
  handTo(listener: ShutdownListener): void;
}

export function listenEarly(): EarlySignals {
  let listener: ShutdownListener = { onFirst: () => process.exit(0), onAgain: () => process.exit(1) };
  const signals = listenForShutdown(createNodeClock(), {
    onFirst: (cause) => listener.onFirst(cause),
    onAgain: (cause) => listener.onAgain(cause),
    onIgnored: (signal) => listener.onIgnored?.(signal),
  });
  whenParentEnds(() => signals.stop('end of the launcher'));
  return {
    handTo: (next) => {
      listener = next;
    },
  };
}
