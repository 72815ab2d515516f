/** Sockets to nodes. */
import { connect, type Socket } from 'node:net';
import type { Endpoint, Protocol } from '#dial/endpoint.ts';

/** Opens the socket of a connection of HTTP/2. What is read may go to `onBytes`, valid until that returns, or to the stream. */
export type OpenHttp2 = (endpoint: Endpoint, onBytes: (bytes: Buffer) => void) => Socket;

/** Interval of TCP keep-alive probes on idle connections, milliseconds. */
export const PROBE_MS = 30_000;

/** One connection, not yet established: what is written before then waits in the socket. */
export function openSocket(endpoint: Endpoint, protocol: Protocol): Socket {
  const { tls } = endpoint;
  return tls === undefined ? connect(optionsOf(endpoint)) : tls.open(endpoint, protocol);
}

export const openHttp2: OpenHttp2 = (endpoint) => openSocket(endpoint, 'h2');

/** Node reads so many bytes at once. */
const READ_BYTES = 65_536;
let shared: Buffer | undefined;

/**
 * In clear text, what is read comes in one buffer that all these sockets share: Node's own way makes
 * a buffer and some objects of each read.
 */
export const openDirectHttp2: OpenHttp2 = (endpoint, onBytes) => {
  if (endpoint.tls !== undefined) return openHttp2(endpoint, onBytes);
  shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
  const buffer = shared;
  const callback = (count: number): boolean => {
    onBytes(buffer.subarray(0, count));
    return true;
  };
  return connect({ ...optionsOf(endpoint), onread: { buffer, callback } });
};

function optionsOf({ host, port }: Endpoint) {
  return { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_MS };
}
