/** A load generator for machines without wrk or h2load. Prints how many requests were answered with a 2xx. */
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { OwnHeads } from './own-head.ts';

interface Shape {
  readonly http: 1 | 2;
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly body: string;
  readonly isTls?: boolean;
  readonly isHeadOwn?: boolean;
  readonly port: number;
  readonly seconds: number;
  readonly connections: number;
  readonly sessions: number;
  readonly streams: number;
}

const shape = JSON.parse(process.argv[2] ?? '{}') as Shape;
const body = Buffer.from(shape.body, 'base64');
let answered = 0;
let isOver = false;

const heads = new OwnHeads();

/** The fields in which the head of each request differs from others. */
function ownHead(): Record<string, string> {
  if (shape.isHeadOwn !== true) return {};
  const { timeoutMs, traceparent } = heads.next();
  return { 'connect-timeout-ms': timeoutMs, traceparent };
}

/** One request after the other; answers carry a content-length. */
function driveHttp1(): Socket {
  const type = shape.contentType === undefined ? '' : `content-type: ${shape.contentType}\r\n`;
  const head = `${shape.method} ${shape.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${type}content-length: ${body.length}\r\n`;
  const request = (): Buffer => {
    const fields = Object.entries(ownHead()).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.concat([Buffer.from(`${head}${fields.join('')}\r\n`), body]);
  };
  const { port } = shape;
  const socket = shape.isTls
    ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    : connect({ host: '127.0.0.1', port, noDelay: true });
  let seen = '';
  socket.on(shape.isTls ? 'secureConnect' : 'connect', () => socket.write(request()));
  socket.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1');
    const end = seen.indexOf('\r\n\r\n');
    if (end === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(seen)?.[1] ?? 0);
    if (seen.length < end + 4 + length) return;
    if (seen.startsWith('HTTP/1.1 2')) answered++;
    seen = '';
    if (!isOver) socket.write(request());
  });
  return socket;
}

function driveHttp2(): ClientHttp2Session {
  const session = connectHttp2(`${shape.isTls ? 'https' : 'http'}://127.0.0.1:${shape.port}`, {
    rejectUnauthorized: false,
  });
  const type = shape.contentType === undefined ? {} : { 'content-type': shape.contentType };
  const next = (): void => {
    if (isOver) return;
    const pseudo = { ':method': shape.method, ':path': shape.path };
    const stream = session.request({ ...pseudo, te: 'trailers', ...type, ...ownHead() });
    stream.on('response', (headers) => {
      if (String(headers[':status']).startsWith('2')) answered++;
    });
    stream.on('close', next);
    stream.resume();
    stream.end(body);
  };
  for (let i = 0; i < shape.streams; i++) next();
  return session;
}

const count = shape.http === 1 ? shape.connections : shape.sessions;
const open = Array.from({ length: count }, () => (shape.http === 1 ? driveHttp1() : driveHttp2()));
setTimeout(() => {
  isOver = true;
  process.stdout.write(`${answered}\n`);
  for (const each of open) each.destroy();
}, shape.seconds * 1_000);
