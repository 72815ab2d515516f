/**
 * Connect's own transports: to a node for streams, and to services that are no nodes.
 * Loading them takes longer than a whole command of the tool, which therefore imports
 * this file only when it needs a stream.
 */
import { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { ConnectError, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import type { ClosableTransport } from '#dial/closable-transport.ts';
import { baseUrlOf, type Endpoint } from '#dial/endpoint.ts';
import { openSocket, PROBE_MS } from '#dial/open-socket.ts';
import { whyLost } from '#dial/why-lost.ts';

/** HTTP/1.1 with connections that calls share. Answers of more than `readMaxBytes` are refused. */
export function createHttp1Transport(endpoint: Endpoint, readMaxBytes: number): ClosableTransport {
  const agent = createAgent(endpoint);
  const transport = createConnectTransport({
    baseUrl: baseUrlOf(endpoint),
    httpVersion: '1.1',
    nodeOptions: { agent },
    interceptors: [explained, ...interceptorsOf(endpoint)],
    readMaxBytes,
    acceptCompression: [],
  });
  return { transport, close: () => agent.destroy() };
}

/** Node's own way to open a connection is not used: it would resume TLS sessions. */
function createAgent(endpoint: Endpoint): Agent {
  const options = { keepAlive: true, keepAliveMsecs: PROBE_MS };
  const agent = endpoint.tls === undefined ? new Agent(options) : new TlsAgent(options);
  agent.createConnection = () => openSocket(endpoint, 'http/1.1');
  return agent;
}

/** Says why there is no connection as every other way to call a node does. */
const explained: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    const { cause } = error as ConnectError;
    if (!(error instanceof ConnectError) || !(cause instanceof Error)) throw error;
    throw new ConnectError(whyLost(cause), error.code, error.metadata, undefined, cause);
  }
};

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

/**
 * gRPC over HTTP/2 with one connection for all calls, opened by the first, to a service
 * that is no node. Answers of more than `readMaxBytes` are refused.
 */
export function createGrpcHttp2Transport(endpoint: Endpoint, readMaxBytes: number): ClosableTransport {
  const baseUrl = baseUrlOf(endpoint);
  const pings = { pingIntervalMs: PING_MS, pingTimeoutMs: PING_ANSWER_MS };
  const createConnection = () => openSocket(endpoint, 'h2');
  const sessionManager = new Http2SessionManager(baseUrl, pings, { createConnection });
  const transport = createGrpcTransport({ baseUrl, sessionManager, readMaxBytes, acceptCompression: [] });
  return { transport, close: () => sessionManager.abort() };
}
