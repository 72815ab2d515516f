/**
 * How this process reaches a node: the URL, the sockets and the headers of every
 * call. Peers, the tool and the client library all connect through this room, so
 * that what a connection needs (TLS, credentials) is a field of `Endpoint` and
 * reaches all of them. Nothing of Connect is loaded here: see `transport.ts`.
 */
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { DescMethodUnary } from '@bufbuild/protobuf';
import { isHostPort, isLoopbackHost } from '#model/address.ts';

/** The address on which a node listens. */
export interface Endpoint {
  /** `host:port` with IPv6 hosts in brackets: for URLs, the Host header and messages. */
  readonly text: string;
  /** Name or address without brackets: for sockets. */
  readonly host: string;
  readonly port: number;
  /**
   * Gives the `authorization` header of each call. Undefined: the calls bring no
   * credential. An address that somebody else named has none.
   */
  readonly authorization?: (() => string) | undefined;
}

/** Headers of each unary call with a protobuf body in the Connect protocol. */
export const UNARY_HEADERS = {
  'content-type': 'application/proto',
  'connect-protocol-version': '1',
} as const;

/** Interval of TCP keep-alive probes on idle connections, milliseconds. */
const PROBE_MS = 30_000;

/** Undefined where `address` is not `host:port`. */
export function tryEndpoint(address: string): Endpoint | undefined {
  if (!isHostPort(address)) return undefined;
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { text: address, host, port: Number(address.slice(colon + 1)) };
}

/** True if what is sent to the endpoint never leaves this machine. */
export function isThisMachine({ host }: Endpoint): boolean {
  return isLoopbackHost(host);
}

export function baseUrlOf({ text }: Endpoint): string {
  return `http://${text}`;
}

/** The path of an rpc. */
export function pathOf(method: DescMethodUnary): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** One connection, not yet established: what is written before then waits in the socket. */
export function openSocket({ host, port }: Endpoint): Socket {
  return connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_MS });
}

/** Connections that requests share and keep open between them. */
export function createAgent(): Agent {
  return new Agent({ keepAlive: true, keepAliveMsecs: PROBE_MS });
}
