/**
 * SIGINT, SIGTERM and SIGHUP as a request to stop. One Ctrl-C can arrive two
 * or three times (from the terminal, npm and the launcher), so repeats within
 * two seconds are one signal; a later one means that somebody lost patience.
 */
import type { Clock } from '#platform/clock.ts';

const REPEAT_MS = 2_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export type ShutdownSignal = (typeof SIGNALS)[number];

/** The part of `process` that is listened to. */
export interface SignalSource {
  on(signal: ShutdownSignal, listener: (signal: ShutdownSignal) => void): unknown;
  off(signal: ShutdownSignal, listener: (signal: ShutdownSignal) => void): unknown;
}

export interface ShutdownListener {
  /** Stop: drain and leave with exit code 0. Called once. */
  onFirst(signal: ShutdownSignal): void;
  /** Leave now. Called for each further signal. */
  onAgain(signal: ShutdownSignal): void;
}

/** Listens until the function it gives is called. */
export function listenForShutdown(
  clock: Clock,
  listener: ShutdownListener,
  source: SignalSource = process,
): () => void {
  let lastMs: number | undefined;
  const handle = (signal: ShutdownSignal): void => {
    const nowMs = clock.monotonicMs();
    const isFirst = lastMs === undefined;
    if (lastMs !== undefined && nowMs - lastMs < REPEAT_MS) return;
    lastMs = nowMs;
    if (isFirst) listener.onFirst(signal);
    else listener.onAgain(signal);
  };
  for (const signal of SIGNALS) source.on(signal, handle);
  return () => {
    for (const signal of SIGNALS) source.off(signal, handle);
  };
}
