/**
 * A Connect transport over `fetch`, where there are no sockets. Requests are sent whole,
 * since browsers cannot stream them over HTTP/1.1; answers are read as they come. A node
 * that does not answer is UNAVAILABLE: `fetch` does not tell if the request has arrived.
 */
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { UniversalClientRequest, UniversalClientResponse } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-connect';
import { ANSWER_BYTES_MAX, type ClosableTransport, REQUEST_BYTES_MAX } from '#dial/closable-transport.ts';
import type { Endpoint } from '#dial/endpoint.ts';
import { clusterHeaders } from '#dial/meant-cluster.ts';
import { messageOf } from '#platform/thrown.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** `isTls` stands apart from the endpoint, whose `tls` opens sockets. */
export function createFetchTransport(
  { text, authorization, cluster }: Endpoint,
  isTls: boolean,
  call: Fetch = (url, init) => fetch(url, init),
): ClosableTransport {
  const closed = new AbortController();
  const transport = createTransport({
    httpClient: (request) => ask(call, request, closed.signal),
    baseUrl: isTls ? `https://${text}` : `http://${text}`,
    useBinaryFormat: true,
    interceptors: [telling(authorization, cluster)],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    readMaxBytes: ANSWER_BYTES_MAX,
    writeMaxBytes: REQUEST_BYTES_MAX,
  });
  return { transport, close: () => closed.abort() };
}

/** Sets the headers of the endpoint. */
function telling(authorization: Endpoint['authorization'], cluster: Endpoint['cluster']): Interceptor {
  return (next) => (request) => {
    if (authorization !== undefined) request.header.set('authorization', authorization());
    const meant = cluster?.();
    for (const [name, value] of meant === undefined ? [] : clusterHeaders(meant))
      request.header.set(name, value);
    return next(request);
  };
}

async function ask(
  call: Fetch,
  { url, method, header, body, signal }: UniversalClientRequest,
  closed: AbortSignal,
): Promise<UniversalClientResponse> {
  const ends = signal === undefined ? closed : AbortSignal.any([signal, closed]);
  const request: RequestInit = { method, headers: header, body: await wholeOf(body), signal: ends };
  try {
    // A cookie or a redirection is no part of the protocol, and no answer may come from a cache.
    const answer = await call(url, { ...request, credentials: 'omit', redirect: 'error', cache: 'no-store' });
    const pieces = piecesOf(answer.body, ends);
    return { status: answer.status, header: answer.headers, body: pieces, trailer: new Headers() };
  } catch (error) {
    throw lost(error, ends);
  }
}

/** Walnut has no rpc that takes a stream, so a request is one message. */
async function wholeOf(body: UniversalClientRequest['body']): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of body ?? []) parts.push(part as Uint8Array<ArrayBuffer>);
  return new Blob(parts);
}

/** The reader is told to stop where its caller stops before the end. */
async function* piecesOf(
  body: ReadableStream<Uint8Array> | null,
  ends: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } catch (error) {
    throw lost(error, ends);
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

function lost(error: unknown, ends: AbortSignal): unknown {
  if (ends.aborted)
    return new ConnectError('the call was given up', Code.Canceled, undefined, undefined, error);
  const why = `the node did not answer: ${messageOf(error)}`;
  return new ConnectError(why, Code.Unavailable, undefined, undefined, error);
}
