/** Starts a server over a fake node on a free loopback port, and closes everything after the test. */

import { type IncomingMessage, request as requestHttp1 } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Clock } from '#platform/clock.ts';
import { type LogFields, type Logger, silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { openServer, type RunningServer, type ServerOptions } from '#server/open-server.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { NO_SETTINGS } from '#test/doubles/no-settings.ts';
import { FakeNode } from '#test/server/fake-node.ts';

export interface Running {
  readonly node: FakeNode;
  readonly server: RunningServer;
  readonly metrics: Metrics;
  readonly baseUrl: string;
  readonly logged: { readonly level: string; readonly fields: LogFields; readonly message: string }[];
}

/** At the end of the test that runs, the last one first. */
export function onCleanup(cleanup: () => Promise<void> | void): void {
  onTestFinished(() => cleanup());
}

export const VALUE_BYTES_MAX = 1_024;
export const BATCH_BYTES_MAX = 8_192;

export async function start(overrides: Partial<ServerOptions> & { clock?: Clock } = {}): Promise<Running> {
  const node = new FakeNode();
  const metrics = new Metrics();
  const logged: Running['logged'] = [];
  const note =
    (level: string) =>
    (fields: LogFields, message: string): void => {
      logged.push({ level, fields, message });
    };
  const logger: Logger = { ...silentLogger, warn: note('warn'), error: note('error') };
  const server = await openServer({
    ports: node.ports,
    clock: createNodeClock(),
    logger,
    metrics,
    host: '127.0.0.1',
    port: 0,
    valueBytesMax: VALUE_BYTES_MAX,
    batchBytesMax: BATCH_BYTES_MAX,
    bodyBytesMax: 512 << 20,
    answerBytesMax: 256 << 20,
    // What requests written by hand in the tests say.
    hostNames: ['a'],
    corsOrigins: new Set(),
    settings: NO_SETTINGS,
    version: '0.0.0-test',
    openFilesMax: 20_000,
    http1: HTTP1,
    http2: HTTP2,
    ...overrides,
  });
  onCleanup(() => server.close(0));
  return { node, server, metrics, logged, baseUrl: `http://127.0.0.1:${server.port}` };
}

export interface PlainAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly text: string;
}

export interface PlainRequest {
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
}

/** One HTTP/1.1 request on a connection of its own; the path goes out exactly as given. */
export function http1(
  { server }: Running,
  method: string,
  path: string,
  { headers = {}, body }: PlainRequest = {},
): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: server.port, method, path, headers, agent: false };
    const request = requestHttp1(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const all = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: all,
          text: all.toString(),
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** One JSON rpc over HTTP/1.1. */
export async function rpc(
  running: Running,
  method: string,
  body: unknown,
): Promise<{ status: number; headers: IncomingMessage['headers']; json: Record<string, unknown> }> {
  const answer = await http1(running, 'POST', `/walnut.v1.${method}`, {
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, json: JSON.parse(answer.text) };
}

export function session({ baseUrl }: Running): ClientHttp2Session {
  const client = connectHttp2(baseUrl);
  client.on('error', () => {});
  onCleanup(() => client.destroy());
  return client;
}

/** One HTTP/2 request on the session. */
export function http2(
  client: ClientHttp2Session,
  headers: Record<string, string>,
  body: Uint8Array | string = '',
): Promise<{ headers: IncomingHttpHeaders; trailers: IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const hasBody = headers[':method'] !== undefined && headers[':method'] !== 'GET';
    const stream = client.request(headers, { endStream: !hasBody });
    let answered: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on('response', (given) => {
      answered = given;
    });
    stream.on('trailers', (given) => {
      trailers = given;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => resolve({ headers: answered, trailers, text: Buffer.concat(chunks).toString() }));
    if (hasBody) stream.end(body);
  });
}

/** A bare TCP connection and everything it receives. */
export function tcp({ server }: Running): { socket: Socket; received: () => string; closed: Promise<void> } {
  const socket = connectTcp(server.port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  onCleanup(() => {
    socket.destroy();
  });
  return { socket, received: () => Buffer.concat(chunks).toString('latin1'), closed };
}

/** Turns of the real event loop until `isDone`; fails the test by its timeout otherwise. */
export async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
}
