/**
 * What signals do to a process that runs for long. SIGINT, SIGTERM and SIGQUIT
 * ask it to stop. One Ctrl-C can arrive two or three times (from the terminal,
 * npm and the launcher), so repeats within two seconds are one signal; a later
 * one means that somebody lost patience.
 *
 * SIGHUP says that the terminal is gone, so it stops what runs on one. A process
 * none of whose standard streams is a terminal (a service, `nohup`) ignores it:
 * Node resets inherited dispositions before any of our code runs, so that nohup
 * left the signal ignored cannot be seen. SIGUSR1, which would open Node's
 * debugger to anyone on the host, and SIGUSR2 are ignored. SIGABRT is left to
 * crash the process, which is what it is sent for.
 */
import { isatty } from 'node:tty';
import type { Clock } from '#platform/clock.ts';

const REPEAT_MS = 2_000;
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;
const HANGUP = 'SIGHUP';
const IGNORED = process.platform === 'win32' ? [] : (['SIGUSR1', 'SIGUSR2'] as const);

type HandledSignal = (typeof STOPPING)[number] | typeof HANGUP | (typeof IGNORED)[number];
/** Why a process stops: a signal's name, or a few words. */
export type StopCause = string;

/** The part of `process` that is listened to. */
export interface SignalSource {
  on(signal: HandledSignal, listener: (signal: HandledSignal) => void): unknown;
  off(signal: HandledSignal, listener: (signal: HandledSignal) => void): unknown;
}

export interface ShutdownListener {
  /** Stop: drain and leave with exit code 0. Called once. */
  onFirst(cause: StopCause): void;
  /** Leave now. Called for each further signal. */
  onAgain(cause: StopCause): void;
  /** A signal came that changes nothing. */
  onIgnored?(signal: HandledSignal): void;
}

export interface SignalSurroundings {
  readonly source?: SignalSource;
  readonly isOnTerminal?: boolean;
}

export interface ShutdownSignals {
  /** Asks for a stop as a signal does. */
  stop(cause: StopCause): void;
  /** Ends the listening. */
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
  const handlers: readonly (readonly [HandledSignal, (signal: HandledSignal) => void])[] = [
    ...STOPPING.map((signal) => [signal, stop] as const),
    [HANGUP, isOnTerminal ? stop : ignore],
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

/** Whether a hang-up can concern this process: asked before one happens, as a lost terminal is none any more. */
export function isOnATerminal(): boolean {
  return [0, 1, 2].some((file) => isatty(file));
}
