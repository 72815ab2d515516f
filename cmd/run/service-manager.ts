/**
 * Tells systemd that the process is in service, and that it stops (`Type=notify`). Node has
 * no datagram sockets in the file system, which systemd listens on, so systemd's own program
 * systemd-notify sends the message: twice in the life of a process. Nobody is told where
 * NOTIFY_SOCKET is not set.
 */
import { execFile } from 'node:child_process';
import type { Logger } from '#platform/logger.ts';

export interface ServiceManager {
  ready(): void;
  stopping(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;
/** Runs the program; `done` gets the error where it failed. */
export type RunNotify = (args: readonly string[], done: (error: Error | null) => void) => void;

const PROGRAM = 'systemd-notify';
const NOTIFY_MS_MAX = 5_000;

export function createServiceManager(
  env: Environment,
  logger: Logger,
  run: RunNotify = runNotify,
): ServiceManager {
  if ((env['NOTIFY_SOCKET'] ?? '') === '') return { ready: () => {}, stopping: () => {} };
  const tell = (...args: readonly string[]): void =>
    run(args, (error) => {
      if (error !== null)
        logger.warn({ reason: error.message }, 'systemd was not told: a unit of Type=notify waits in vain');
    });
  return {
    ready: () => tell('--ready', '--status=in service'),
    // Older releases of the program have no option for it.
    stopping: () => tell('STOPPING=1'),
  };
}

function runNotify(args: readonly string[], done: (error: Error | null) => void): void {
  execFile(PROGRAM, args, { timeout: NOTIFY_MS_MAX, killSignal: 'SIGKILL' }, (error) => done(error));
}
