/** One call, and its answer: to fill a server, and to learn what bare Node is to answer. */
import { request as requestHttp1 } from 'node:http';
import { connect } from 'node:http2';
import { request as requestHttps } from 'node:https';
import type { MeasuredCall } from './calls.ts';

export interface OneAnswer {
  readonly type: string;
  readonly body: Buffer;
}

export function askOnce(port: number, call: MeasuredCall): Promise<OneAnswer> {
  return call.http === 1 ? askHttp1(port, call) : askHttp2(port, call);
}

function askHttp1(
  port: number,
  { method, path, contentType, body, isTls }: MeasuredCall,
): Promise<OneAnswer> {
  const headers = { 'content-length': body.length, ...typeHeader(contentType) };
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path, headers, agent: false as const };
    const request = isTls ? requestHttps({ ...options, rejectUnauthorized: false }) : requestHttp1(options);
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        settle(response.statusCode, response.headers['content-type'], chunks, resolve, reject),
      );
    });
    request.end(body);
  });
}

function askHttp2(
  port: number,
  { method, path, contentType, body, isTls }: MeasuredCall,
): Promise<OneAnswer> {
  return new Promise((resolve, reject) => {
    const url = `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`;
    const session = connect(url, { rejectUnauthorized: false });
    session.on('error', reject);
    const headers = { ':method': method, ':path': path, te: 'trailers', ...typeHeader(contentType) };
    const stream = session.request(headers);
    const chunks: Buffer[] = [];
    let status = 0;
    let type: string | undefined;
    stream.on('response', (given) => {
      status = Number(given[':status']);
      type = given['content-type'];
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      session.close();
      settle(status, type, chunks, resolve, reject);
    });
    stream.end(body);
  });
}

function typeHeader(contentType: string | undefined): Record<string, string> {
  return contentType === undefined ? {} : { 'content-type': contentType };
}

function settle(
  status: number | undefined,
  type: string | undefined,
  chunks: readonly Buffer[],
  resolve: (answer: OneAnswer) => void,
  reject: (error: Error) => void,
): void {
  const body = Buffer.concat(chunks);
  if (status !== undefined && status >= 200 && status < 300) resolve({ type: type ?? 'text/plain', body });
  else reject(new Error(`answered ${status}: ${body.toString()}`));
}
