/** Calls in the bytes of their protocol, over either HTTP, and what of their answers can be compared. */
import { request as requestHttp1 } from 'node:http';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { gunzipSync } from 'node:zlib';
import { relaxGrpcWebFrame } from '#rpc/grpc-message.ts';

export interface Sent {
  readonly http: 1 | 2;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, unknown>>;
}

/** Nobody promises the same for these: time, the connection's own, and how a body's end is told. */
const UNCOMPARED = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']);

function compared(headers: IncomingHttpHeaders): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !UNCOMPARED.has(name)));
}

export function overHttp1(port: number, { method, path, headers, body }: Sent): Promise<Received> {
  return new Promise((resolve, reject) => {
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const length =
      hasBody && headers['transfer-encoding'] === undefined ? { 'content-length': body.length } : {};
    const all = { ...length, ...headers };
    const request = requestHttp1({ host: '127.0.0.1', port, method, path, headers: all, agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: compared(response.headers),
          body: Buffer.concat(chunks).toString('latin1'),
          trailers: response.trailers,
        }),
      );
    });
    request.end(hasBody ? body : undefined);
  });
}

export function overHttp2(
  client: ClientHttp2Session,
  { method, path, headers, body }: Sent,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const stream = client.request({ ':method': method, ':path': path, ...headers }, { endStream: !hasBody });
    const chunks: Buffer[] = [];
    let answered: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on('response', (given) => {
      answered = given;
    });
    stream.on('trailers', (given) => {
      trailers = given;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    const settle = (): void => {
      const { ':status': status, ...rest } = compared(answered);
      const text = Buffer.concat(chunks).toString('latin1');
      resolve({ status: Number(status), headers: rest, body: text, trailers: compared(trailers) });
    };
    stream.on('end', settle);
    // Without an end before, where the stream was cut off.
    stream.on('close', settle);
    if (hasBody) stream.end(body);
  });
}

/**
 * What gRPC-Web's envelopes hold: Connect compresses trailers too where they are
 * large, which is left out here.
 */
export function unwrapped(answer: Received): unknown {
  if (!String(answer.headers['content-type']).startsWith('application/grpc-web')) return answer;
  const body = Buffer.from(answer.body, 'latin1');
  const envelopes: [number, string][] = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const [flags, end] = [body[at] as number, at + 5 + body.readUInt32BE(at + 1)];
    const content = body.subarray(at + 5, end);
    // What is compressed keeps Connect's way to escape.
    const text = (flags & 1) === 1 ? relaxed(gunzipSync(content), flags) : content.toString('latin1');
    envelopes.push([flags & 0x80, text]);
    at = end;
  }
  return { ...answer, body: envelopes };
}

function relaxed(content: Buffer, flags: number): string {
  const envelope = Buffer.concat([Buffer.from([flags, 0, 0, 0, 0]), content]);
  return Buffer.from(relaxGrpcWebFrame(envelope).subarray(5)).toString('latin1');
}

export function envelope(body: Uint8Array, flags = 0, length = body.length): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, body]);
}
