/**
 * Signals to a long-running process. SIGINT, SIGTERM and SIGQUIT ask it to stop. One
 * Ctrl-C can arrive two or three times (from the terminal, npm and the launcher), so
 * repeats within two seconds count as one signal. A later one means: stop at once.
 *
 * SIGHUP means that the terminal is gone, so it stops a process that has one. To a process
 * without a terminal on any standard stream (a service, `nohup`) it means: read the
 * configuration again. The process cannot check whether nohup set the signal to be
 * ignored, because Node resets inherited dispositions before this code runs. SIGUSR1, which
 * would open Node's debugger to anyone on the host, and SIGUSR2 are ignored. SIGABRT still
 * crashes the process, which is its purpose.
 */
import { isatty } from 'node:tty';
import type { Clock } from '#platform/clock.ts';

const REPEAT_MS = 2_000;
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;
const HANGUP = 'SIGHUP';
/** Those that end a process which does not listen for them yet, and stop it later. */
export const STOP_SIGNALS: readonly string[] = [...STOPPING, HANGUP];
const IGNORED = process.platform === 'win32' ? [] : (['SIGUSR1', 'SIGUSR2'] as const);

type HandledSignal = (typeof STOPPING)[number] | typeof HANGUP | (typeof IGNORED)[number];
/** Why a process stops: a signal's name or a short phrase. */
export type StopCause = string;

/** The part of `process` that is used here. */
export interface SignalSource {
  on(signal: HandledSignal, listener: (signal: HandledSignal) => void): unknown;
  off(signal: HandledSignal, listener: (signal: HandledSignal) => void): unknown;
}

export interface ShutdownListener {
  /** Must drain and exit with code 0. Called once. */
  onFirst(cause: StopCause): void;
  /** Must exit at once. Called for each further signal. */
  onAgain(cause: StopCause): void;
  /** Called for SIGHUP without a terminal. Default: it is ignored. */
  onHangUp?(): void;
  /** Called for a signal that is ignored. */
  onIgnored?(signal: HandledSignal): void;
}

export interface SignalSurroundings {
  readonly source?: SignalSource;
  readonly isOnTerminal?: boolean;
}

export interface ShutdownSignals {
  /** Requests a stop, as a signal does. */
  stop(cause: StopCause): void;
  /** Stops listening to signals. */
  close(): void;
}

export function listenForShutdown(
  clock: Clock,
  listener: ShutdownListener,
  { source = process, isOnTerminal = isOnATerminal() }: SignalSurroundings = {},
): ShutdownSignals {
  let lastMs: number | undefined;
  const stop = (cause: StopCause): void => {
    const nowMs = clock.monotonicMs();
    const isFirst = lastMs === undefined;
    if (lastMs !== undefined && nowMs - lastMs < REPEAT_MS) return;
    lastMs = nowMs;
    if (isFirst) listener.onFirst(cause);
    else listener.onAgain(cause);
  };
  const ignore = (signal: HandledSignal): void => listener.onIgnored?.(signal);
  const hangUp = (signal: HandledSignal): void =>
    listener.onHangUp === undefined ? ignore(signal) : listener.onHangUp();
  const handlers: readonly (readonly [HandledSignal, (signal: HandledSignal) => void])[] = [
    ...STOPPING.map((signal) => [signal, stop] as const),
    [HANGUP, isOnTerminal ? stop : hangUp],
    ...IGNORED.map((signal) => [signal, ignore] as const),
  ];
  for (const [signal, handle] of handlers) source.on(signal, handle);
  return {
    stop,
    close: () => {
      for (const [signal, handle] of handlers) source.off(signal, handle);
    },
  };
}

/** True if a standard stream is a terminal. Must be called early, because a lost terminal no longer counts as one. */
export function isOnATerminal(): boolean {
  return [0, 1, 2].some((file) => isatty(file));
}
