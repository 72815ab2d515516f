/**
 * What somebody may do who reaches the port: each attack opens connections of its own, and
 * has closed them when it resolves. Those that need a credential say so.
 */
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import type { Target } from './attack-target.ts';
import { pause } from './node-process.ts';

export interface Scale {
  /** Connections, or requests, of an attack. */
  readonly count: number;
  /** How long an attack that waits keeps its connections. */
  readonly holdMs: number;
}

export type Attack = (target: Target, scale: Scale) => Promise<void>;

/** The length that a value may have, so that all of it is expanded. */
const BOMB_BYTES = 8 << 20;
const DRIBBLE_EVERY_MS = 500;
const AT_ONCE = 64;
const BODY_BYTES = 64 << 10;
/** The largest that a value may have, and more of them than fit into what bodies may have on any machine. */
const LARGE_BODY_BYTES = 8 << 20;
const LARGE_BODIES = 80;
/** The head of a record of TLS, and no more of it. */
const BEGUN_HANDSHAKE = '\x16\x03\x01\x02\x00\x01';

export const ATTACKS: Readonly<Record<string, Attack>> = {
  /** By a user: nobody else has a body read. */
  'gzip bombs': (target, { count }) => {
    const bomb = gzipSync(Buffer.alloc(BOMB_BYTES, '{"key":"'));
    return inTurns(count, async (i) => {
      const [verb, path] = i % 2 === 0 ? ['PUT', '/v1/keys/bomb'] : ['POST', '/walnut.v1.KVStore/Set'];
      const type = [
        'Content-Type: application/json',
        'Content-Encoding: gzip',
        `Content-Length: ${bomb.length}`,
        // There is no such version: the body of a PUT is expanded, and nothing is written.
        'If-Match: "1-1"',
      ];
      await exchange(target, headOf(verb, path, target, type), bomb);
    });
  },
  'slow heads': (target, scale) =>
    holding(target, scale, 'GET /v1/keys/k HTTP/1.1\r\nHost: localhost\r\n', 'x'),
  'slow bodies of strangers': (target, scale) =>
    holding(target, scale, headOf('PUT', '/v1/keys/slow', undefined, [`Content-Length: ${BODY_BYTES}`]), 'x'),
  'slow bodies of a user': (target, scale) =>
    holding(target, scale, headOf('PUT', '/v1/keys/slow', target, [`Content-Length: ${BODY_BYTES}`]), 'x'),
  /** More than there is room for: others still have some. */
  'large bodies of a user without an end': (target, { count, holdMs }) =>
    holding(
      target,
      { count: Math.max(count, LARGE_BODIES), holdMs },
      headOf('PUT', '/v1/keys/slow', target, [`Content-Length: ${LARGE_BODY_BYTES}`]),
      'x',
    ),
  'silent connections': (target, scale) => holding(target, scale, '', ''),
  /** Where there is no TLS they are answered at once. */
  'handshakes without an end': ({ port, authorization }, scale) =>
    holding({ port, authorization, isTls: false }, scale, BEGUN_HANDSHAKE, ''),
  'connections without an end': (target, { count }) =>
    inTurns(count, async () => {
      const socket = open(target);
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
      socket.destroy();
    }),
  'wrong passwords': (target, { count }) =>
    inTurns(count, (i) => {
      const pair = Buffer.from(`ann:wrong ${i}`).toString('base64');
      return exchange(target, headOf('GET', '/v1/keys/k', undefined, [`Authorization: Basic ${pair}`]));
    }),
  /** Half-closed at once, and nothing of the answers is read. */
  'answers that nobody reads': async (target, { count, holdMs }) => {
    const sockets = Array.from({ length: count }, () => {
      const socket = open(target);
      socket.pause();
      socket.end(headOf('GET', '/openapi.json', target, []).repeat(4));
      return socket;
    });
    await pause(holdMs);
    for (const socket of sockets) socket.destroy();
  },
  'streams that are reset': async (target, { count }) => {
    const session = connectHttp2('http://localhost', { createConnection: () => open(target) });
    session.on('error', () => {});
    await once(session, 'connect');
    for (let i = 0; i < 20 * count && !session.destroyed && !session.closed; i++) {
      const stream = session.request({ ':path': '/v1/keys/k' });
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      if (i % 100 === 99) await pause(1);
    }
    session.destroy();
  },
  garbage: (target, { count }) =>
    inTurns(count, (i) =>
      exchange(target, Buffer.alloc(4_096, `${i}\x00\xffPRI * HTTP/2.0\r\n\r\nSM`).toString('latin1')),
    ),
};

function headOf(
  verb: string | undefined,
  path: string | undefined,
  user: Target | undefined,
  more: string[],
): string {
  const credential = user === undefined ? [] : [`Authorization: ${user.authorization}`];
  return [`${verb} ${path} HTTP/1.1`, 'Host: localhost', ...credential, ...more, '', ''].join('\r\n');
}

function open({ port, isTls }: Pick<Target, 'port' | 'isTls'>): Socket {
  const options = { host: '127.0.0.1', port };
  const socket = isTls ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
  socket.on('error', () => {});
  return socket;
}

/** Sends what it has and reads until the node closes the connection, or has answered. */
async function exchange(target: Target, head: string, body?: Buffer): Promise<void> {
  const socket = open(target);
  socket.write(head, 'latin1');
  if (body !== undefined) socket.write(body);
  await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  socket.destroy();
}

/** Connections that begin something and never finish it. */
async function holding(target: Target, { count, holdMs }: Scale, begin: string, drop: string): Promise<void> {
  const sockets = Array.from({ length: count }, () => {
    const socket = open(target);
    socket.resume();
    if (begin !== '') socket.write(begin, 'latin1');
    return socket;
  });
  for (const endMs = Date.now() + holdMs; Date.now() < endMs; await pause(DRIBBLE_EVERY_MS)) {
    if (drop === '') continue;
    for (const socket of sockets) if (socket.writable) socket.write(drop);
  }
  for (const socket of sockets) socket.destroy();
}

async function inTurns(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
}
