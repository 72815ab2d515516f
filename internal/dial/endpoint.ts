/**
 * How this process reaches a node: the URL and the headers of every call. Peers, the
 * tool and the client library all connect through this room, so that what a connection
 * needs (TLS, credentials) is a field of `Endpoint` and reaches all of them. Nothing of
 * Node or Connect is loaded here: see `open-socket.ts` and `transport.ts`.
 */
import type { Socket } from 'node:net';
import type { DescMethodUnary } from '@bufbuild/protobuf';
import type { MeantCluster } from '#dial/meant-cluster.ts';
import { isHostPort, isLoopbackHost } from '#model/address.ts';

/** The HTTP that a connection is for: what TLS offers by ALPN. */
export type Protocol = 'h2' | 'http/1.1';

/** Opens connections that are encrypted and whose other end is verified: see `tls-dialer.ts`. */
export interface TlsDialer {
  /** Not yet established. Nothing that is written leaves before the other end is verified. */
  open(endpoint: Endpoint, protocol: Protocol): Socket;
}

/** The address on which a node listens, and how it is called there. */
export interface Endpoint {
  /** `host:port` with IPv6 hosts in brackets: for URLs, the Host header and messages. */
  readonly text: string;
  /** Name or address without brackets: for sockets. */
  readonly host: string;
  readonly port: number;
  /** Undefined: calls go in clear text. */
  readonly tls: TlsDialer | undefined;
  /**
   * Gives the `authorization` header of each call. Undefined: the calls bring no
   * credential. An address that somebody else named has none.
   */
  readonly authorization?: (() => string) | undefined;
  /** Gives the cluster that each call is for, and the epoch of its map. Undefined, or while it gives undefined: any. */
  readonly cluster?: (() => MeantCluster | undefined) | undefined;
}

/** Headers of each unary call with a protobuf body in the Connect protocol. */
export const UNARY_HEADERS = {
  'content-type': 'application/proto',
  'connect-protocol-version': '1',
} as const;

/** In clear text and without a credential. Undefined where `address` is not `host:port`. */
export function tryEndpoint(address: string): Endpoint | undefined {
  if (!isHostPort(address)) return undefined;
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { text: address, host, port: Number(address.slice(colon + 1)), tls: undefined };
}

/** True if nobody on a network can read what is sent to the endpoint. */
export function isConfidential({ tls, host }: Endpoint): boolean {
  return tls !== undefined || isLoopbackHost(host);
}

export function schemeOf({ tls }: Endpoint): 'http' | 'https' {
  return tls === undefined ? 'http' : 'https';
}

export function baseUrlOf(endpoint: Endpoint): string {
  return `${schemeOf(endpoint)}://${endpoint.text}`;
}

/** The address as users write it. */
export function writtenAddress(text: string, isTls: boolean): string {
  return isTls ? `https://${text}` : text;
}

/** The path of an rpc. */
export function pathOf(method: DescMethodUnary): string {
  return `/${method.parent.typeName}/${method.name}`;
}
