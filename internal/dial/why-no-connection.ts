/** Finds out if anything listens at an address, to choose among several before a call. */
import { connect } from 'node:net';
import type { Endpoint } from '#dial/endpoint.ts';

/**
 * Opens a TCP connection and closes it at once. Resolves with the system's code, such as
 * ECONNREFUSED, or ETIMEDOUT after `timeoutMs`; undefined where the connection was taken.
 */
export function whyNoConnection(
  { host, port }: Pick<Endpoint, 'host' | 'port'>,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (why: string | undefined): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end('ETIMEDOUT'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
