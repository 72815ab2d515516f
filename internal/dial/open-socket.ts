/** Sockets to nodes. */
import { connect, type Socket } from 'node:net';
import type { Endpoint, Protocol } from '#dial/endpoint.ts';

/** Interval of TCP keep-alive probes on idle connections, milliseconds. */
export const PROBE_MS = 30_000;

/** One connection, not yet established: what is written before then waits in the socket. */
export function openSocket(endpoint: Endpoint, protocol: Protocol): Socket {
  const { host, port, tls } = endpoint;
  if (tls !== undefined) return tls.open(endpoint, protocol);
  return connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_MS });
}
