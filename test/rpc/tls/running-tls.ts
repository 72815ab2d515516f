/** A server with TLS over a fake node, with certificates of its own, and clients for it. */
import { Agent, type RequestOptions, request as requestHttps } from 'node:https';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { TlsOptions } from '#rpc/tls/tls-gate.ts';
import type { ServerOptions } from '#server/open-server.ts';
import { Authority, type Issued } from '#test/doubles/certificates.ts';
import { onCleanup, type PlainAnswer, type PlainRequest, type Running, start } from '#test/server/running.ts';
import { checkTlsMaterial, type TlsMaterial, type TlsParts } from '#tls/tls-material.ts';

/** Signs the certificate of the server. */
export const SERVERS = new Authority('servers');
/** Signs those of clients. */
export const CLIENTS = new Authority('clients');
const SERVER = SERVERS.issue();
export const CLIENT = CLIENTS.issue({ cn: 'app', dns: ['app.example'] });

export interface RunningTls extends Running {
  /** From now on these are in force. */
  readonly renew: (parts: TlsParts) => void;
}

export async function startTls(
  tls: Partial<Omit<TlsOptions, 'files'>> = {},
  overrides: Partial<ServerOptions> = {},
): Promise<RunningTls> {
  let current: TlsMaterial = checkTlsMaterial({ ...SERVER, ca: CLIENTS.cert }, {});
  const listeners: ((material: TlsMaterial) => void)[] = [];
  const files: TlsOptions['files'] = {
    get current() {
      return current;
    },
    onChange: (listener) => void listeners.push(listener),
  };
  const running = await start({
    tls: {
      mode: 'required',
      minVersion: '1.2',
      clientAuth: 'none',
      handshakesMax: 64,
      takesCn: false,
      ...tls,
      files,
    },
    ...overrides,
  });
  return {
    ...running,
    baseUrl: running.baseUrl.replace('http:', 'https:'),
    renew: (parts) => {
      current = checkTlsMaterial({ ...current.parts, ...parts }, {});
      for (const listener of listeners) listener(current);
    },
  };
}

/** One HTTP/1.1 request by TLS on a connection of its own. */
export function https(
  { server }: Running,
  method: string,
  path: string,
  { headers = {}, body }: PlainRequest = {},
  client: Partial<Issued> & RequestOptions = {},
): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false, maxCachedSessions: 0 });
    const options = { host: '127.0.0.1', port: server.port, method, path, headers, agent, ca: SERVERS.cert };
    const request = requestHttps({ ...options, ...client }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const all = Buffer.concat(chunks);
        const { statusCode: status = 0, headers: answered } = response;
        resolve({ status, headers: answered, body: all, text: all.toString() });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A bare connection of TLS and everything it receives. */
export function tls(
  { server }: Running,
  options: ConnectionOptions = {},
): { socket: TLSSocket; received: () => string; secure: Promise<void>; closed: Promise<string> } {
  const socket = connectTls({ host: '127.0.0.1', port: server.port, ca: SERVERS.cert, ...options });
  const chunks: Buffer[] = [];
  let failure = '';
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code ?? error.message;
  });
  const secure = new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()));
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(failure)));
  onCleanup(() => void socket.destroy());
  return { socket, received: () => Buffer.concat(chunks).toString('latin1'), secure, closed };
}

/** The counts of handshakes by result. */
export async function handshakes({ metrics }: Running): Promise<Record<string, number>> {
  const text = await metrics.render();
  const lines = text.matchAll(/^walnut_tls_handshakes_total\{result="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, result = '', count]) => [result, Number(count)]));
}
