/**
 * `GET /page/live`: what the page shows, as server-sent events, one a second. The data of an
 * event is a snapshot as JSON. The last one has the type `end` and says why there are no more.
 */
import { ANONYMOUS, type Peer, type Principal } from '#model/access.ts';
import { operationOf } from '#model/methods.ts';
import { LiveFeed } from '#page/live-feed.ts';
import type { PageSource } from '#page/page-source.ts';
import {
  type HttpRequest,
  type HttpResponse,
  isOver,
  send,
  sendMethodNotAllowed,
  sendProblem,
} from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import type { Edge } from '#rpc/open-edge.ts';
import { answer, problem, TEXT } from '#rpc/openapi/operation.ts';
import { pageApi } from '#rpc/plain-routes.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import { untilRetired } from '#rpc/until-retired.ts';

const OPERATION = operationOf('/page/live');
const API = pageApi('What the page shows, once a second until the caller goes away', {
  '200': answer('Server-sent events', { 'text/event-stream': TEXT }),
  '429': problem('As many pages are open as may be, each of another caller'),
});
const EVENT_STREAM = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};
const LAST = { code: 'unavailable', message: 'the server is stopping' };

export type LiveEdge = Pick<Edge, 'errors' | 'sendStream' | 'isDraining'>;

export function createLiveRoute(source: PageSource, edge: LiveEdge): HttpRoute {
  const feed = new LiveFeed(source.clock, async () => eventOf(await source.snapshot()));
  return {
    path: OPERATION.name,
    api: API,
    isStream: true,
    operation: () => OPERATION,
    serve: (request, response, { call }) => serve(feed, edge, request, response, call),
  };
}

function eventOf(snapshot: unknown): Uint8Array {
  return Buffer.from(`data: ${JSON.stringify(snapshot)}\n\n`);
}

function endOf(why: { readonly code: string; readonly message: string }): Uint8Array {
  return Buffer.from(`event: end\ndata: ${JSON.stringify({ code: why.code, message: why.message })}\n\n`);
}

async function serve(
  feed: LiveFeed,
  edge: LiveEdge,
  request: HttpRequest,
  response: HttpResponse,
  { principal, peer }: RpcCall,
): Promise<void> {
  if (request.method === 'HEAD') return send(request, response, 200, EVENT_STREAM, '');
  if (request.method !== 'GET') return sendMethodNotAllowed(request, response, 'GET, HEAD');
  const { retired } = principal;
  const aborter = new AbortController();
  response.once('close', () => aborter.abort());
  try {
    const viewed = feed.view(aborter.signal, callerOf(principal, peer));
    const snapshots = retired === undefined ? viewed : untilRetired(viewed, retired);
    // A viewer too many is answered with the status of its error, before the stream begins.
    const first = await snapshots.next();
    const body = toEvents(first, snapshots, edge);
    await edge.sendStream({ status: 200, header: new Headers(EVENT_STREAM), body }, response);
  } catch (error) {
    if (isOver(response)) return;
    const { httpStatus, code, message, headers } = edge.errors.toHttpError(error);
    sendProblem(request, response, httpStatus, { code, message }, headers);
  }
}

/** Names the caller: the user where it is known, else the address. */
function callerOf(principal: Principal, { remoteAddress }: Peer): string {
  return principal === ANONYMOUS ? `address ${remoteAddress}` : `user ${principal.name}`;
}

async function* toEvents(
  first: IteratorResult<Uint8Array, void>,
  snapshots: AsyncGenerator<Uint8Array, void, undefined>,
  { errors, isDraining }: LiveEdge,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await snapshots.next()) {
      yield next.value;
      // A page that stays open would delay the stop of the server.
      if (isDraining()) return yield endOf(LAST);
    }
  } catch (error) {
    yield endOf(errors.toHttpError(error));
  } finally {
    await snapshots.return();
  }
}
