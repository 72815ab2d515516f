/** Calls by TLS to a peer of Node's own: whom they trust, what they show, and what a failure is told as. */
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createClient, type Transport } from '@connectrpc/connect';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import { createTlsDialer, type TlsDialerOptions } from '#dial/tls-dialer.ts';
import { createHttp1Transport } from '#dial/transport.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { Authority, type Issued } from '#test/doubles/certificates.ts';

const OURS = new Authority('ours');
const FOREIGN = new Authority('foreign');
const NODE = OURS.issue();
const DAY_MS = 86_400_000;
const daysFromNow = (days: number): Date => new Date(Date.now() + days * DAY_MS);

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Peer {
  readonly port: number;
  /** Calls that reached it, each with the common name that its caller showed. */
  readonly calls: string[];
}

type PeerOptions = Partial<Issued> & {
  readonly client_ca?: string;
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: string;
};

/** A peer that answers every call with an empty message. */
async function startPeer({ client_ca, ...options }: PeerOptions = {}): Promise<Peer> {
  const calls: string[] = [];
  const demands = client_ca === undefined ? {} : { requestCert: true, ca: client_ca };
  const server = createSecureServer(
    { ...NODE, ...options, ...demands, allowHTTP1: true },
    (request, response) => {
      const socket = request.stream === undefined ? request.socket : request.stream.session?.socket;
      calls.push(String((socket as TLSSocket).getPeerCertificate().subject?.CN));
      response.writeHead(200, { 'content-type': request.headers['content-type'] as string });
      // The end of a stream of Connect, which a unary caller never asks for.
      response.end(request.url?.endsWith('/Scrub') ? Buffer.from([2, 0, 0, 0, 2, 123, 125]) : '');
    },
  );
  return { port: await listen(server), calls };
}

async function listen(server: Http2SecureServer | Server): Promise<number> {
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const TRUSTING = {
  material: () => ({ ca: OURS.cert, cert: undefined, key: undefined }),
  serverName: undefined,
};

function endpointOf(port: number, options: TlsDialerOptions = TRUSTING, host = '127.0.0.1'): Endpoint {
  return { ...(tryEndpoint(`${host}:${port}`) as Endpoint), tls: createTlsDialer(options) };
}

/** Both ways by which this project calls a node. */
const WAYS: Readonly<Record<string, (endpoint: Endpoint) => { transport: Transport; close(): void }>> = {
  'HTTP/2': (endpoint) => createOwnTransport(endpoint, createNodeClock()),
  'HTTP/1.1': (endpoint) => createHttp1Transport(endpoint, 1_000),
};

async function call(way: string, endpoint: Endpoint): Promise<void> {
  const { transport, close } = (WAYS[way] as (typeof WAYS)[string])(endpoint);
  closers.push(close);
  const client = createClient(Admin, transport);
  if (way === 'HTTP/2') await client.status({}, { timeoutMs: 5_000 });
  else for await (const _ of client.scrub({}, { timeoutMs: 5_000 }));
}

describe.each(Object.keys(WAYS))('a call by TLS over %s', (way) => {
  it('reaches a peer whose certificate is for the address, or for the name that is configured', async () => {
    const peer = await startPeer();
    await call(way, endpointOf(peer.port));
    await call(way, endpointOf(peer.port, TRUSTING, 'localhost'));
    const named = await startPeer(OURS.issue({ dns: ['node.walnut.example'] }));
    await call(way, endpointOf(named.port, { ...TRUSTING, serverName: 'node.walnut.example' }));
    expect([peer.calls.length, named.calls.length]).toEqual([2, 1]);
  });

  it.each<[string, PeerOptions, RegExp, string?]>([
    ['an unknown authority', FOREIGN.issue(), /of an authority that is not trusted here/],
    ['another name', OURS.issue({ dns: ['other.example'] }), /for another name: IP: 127\.0\.0\.1 is not in/],
    [
      'the right CN only',
      OURS.issue({ cn: 'node.walnut.example' }),
      /for another name: .*does not contain a DNS name/,
      'node.walnut.example',
    ],
    [
      'a time that is over',
      OURS.issue({ ip: ['127.0.0.1'], from: daysFromNow(-1), to: daysFromNow(-0.5) }),
      /has expired/,
    ],
    ['a time to come', OURS.issue({ ip: ['127.0.0.1'], from: daysFromNow(0.5) }), /not valid yet/],
    ['a client', OURS.issue({ ip: ['127.0.0.1'], usage: 'client' }), /is not for servers/],
  ])(
    'fails before anything is sent where the certificate is of %s',
    async (_, issued, reason, serverName) => {
      const peer = await startPeer(issued);
      await expect(call(way, endpointOf(peer.port, { ...TRUSTING, serverName }))).rejects.toThrow(reason);
      expect(peer.calls).toEqual([]);
    },
  );

  it('verifies certificates, whatever the environment says', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    closers.push(() => vi.unstubAllEnvs());
    const peer = await startPeer(FOREIGN.issue());
    await expect(call(way, endpointOf(peer.port))).rejects.toThrow(/not trusted/);
    expect(peer.calls).toEqual([]);
  });

  it('agrees on no cipher that others could change or read later', async () => {
    const peer = await startPeer({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' });
    await expect(call(way, endpointOf(peer.port))).rejects.toThrow(/refused the TLS handshake/);
    expect(peer.calls).toEqual([]);
  });

  it('says that the peer speaks no TLS', async () => {
    const port = await listen(
      createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      }),
    );
    await expect(call(way, endpointOf(port))).rejects.toThrow('it does not speak TLS on this port');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'shows its certificate to a peer that demands one by %s',
    async (maxVersion) => {
      const peer = await startPeer({ client_ca: OURS.cert, maxVersion });
      const material = { ca: OURS.cert, ...OURS.issue({ cn: 'caller' }) };
      await call(way, endpointOf(peer.port, { ...TRUSTING, material: () => material }));
      expect(peer.calls).toEqual(['caller']);
      await expect(call(way, endpointOf(peer.port))).rejects.toThrow(/demands? a certificate of this side/);
      expect(peer.calls).toEqual(['caller']);
    },
  );

  it('trusts what is configured now: a new authority counts and an old one does not', async () => {
    let material = { ca: FOREIGN.cert, cert: undefined, key: undefined };
    const peer = await startPeer(FOREIGN.issue());
    const endpoint = endpointOf(peer.port, { material: () => material, serverName: undefined });
    await call(way, endpoint);
    material = { ...material, ca: OURS.cert };
    await expect(call(way, endpoint)).rejects.toThrow(/not trusted/);
    expect(peer.calls.length).toBe(1);
  });
});
