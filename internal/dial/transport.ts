/**
 * Connect's own transports: to a node for streams, and to services that are no nodes.
 * Loading them takes longer than a whole command of the tool, which therefore imports
 * this file only when it needs a stream.
 */
import type { Agent } from 'node:http';
import type { Interceptor, Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { baseUrlOf, type Endpoint } from '#dial/endpoint.ts';

/** HTTP/1.1 with the agent's connections. Answers of more than `readMaxBytes` are refused. */
export function createHttp1Transport(endpoint: Endpoint, agent: Agent, readMaxBytes: number): Transport {
  return createConnectTransport({
    baseUrl: baseUrlOf(endpoint),
    httpVersion: '1.1',
    nodeOptions: { agent },
    interceptors: interceptorsOf(endpoint),
    readMaxBytes,
    acceptCompression: [],
  });
}

/** The pace of pings on a connection with calls under way. etcd ends connections that ping more often than every 5 s. */
const PING_MS = 10_000;
/** A connection whose ping is not answered within this time is closed. */
const PING_ANSWER_MS = 5_000;

/** Adds the credential of the endpoint to each call. */
function interceptorsOf({ authorization }: Endpoint): Interceptor[] {
  if (authorization === undefined) return [];
  return [
    (next) => (request) => {
      request.header.set('authorization', authorization());
      return next(request);
    },
  ];
}

export interface ClosableTransport {
  readonly transport: Transport;
  /** Closes the connections; calls under way fail. */
  close(): void;
}

/**
 * gRPC over HTTP/2 with one connection for all calls, opened by the first, to a service
 * that is no node. Answers of more than `readMaxBytes` are refused.
 */
export function createGrpcHttp2Transport(endpoint: Endpoint, readMaxBytes: number): ClosableTransport {
  const baseUrl = baseUrlOf(endpoint);
  const pings = { pingIntervalMs: PING_MS, pingTimeoutMs: PING_ANSWER_MS };
  const sessionManager = new Http2SessionManager(baseUrl, pings);
  const transport = createGrpcTransport({ baseUrl, sessionManager, readMaxBytes, acceptCompression: [] });
  return { transport, close: () => sessionManager.abort() };
}
