/**
 * `GET /page/live`: what the page shows, as server-sent events, one a second. The data of an
 * event is a snapshot as JSON. The last one has the type `end` and says why there are no more.
 */
import { ANONYMOUS } from '#model/access.ts';
import { operationOf } from '#model/methods.ts';
import { LiveFeed } from '#page/live-feed.ts';
import type { PageSource } from '#page/page-source.ts';
import { EVENT_STREAM, type EventSource, sendEvents } from '#rpc/event-stream.ts';
import { type HttpRequest, type HttpResponse, send } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import type { Edge } from '#rpc/open-edge.ts';
import { answer, problem, TEXT } from '#rpc/openapi/operation.ts';
import { pageApi, readOnly } from '#rpc/plain-routes.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';

const OPERATION = operationOf('/page/live');
const API = pageApi('What the page shows, once a second until the caller goes away', {
  '200': answer('Server-sent events', { 'text/event-stream': TEXT }),
  '429': problem('As many pages are open as may be, each of another caller'),
});
const LAST = { code: 'unavailable', message: 'the server is stopping' };

export type LiveEdge = Pick<Edge, 'errors' | 'sendStream' | 'isDraining'>;

export function createLiveRoute(source: PageSource, edge: LiveEdge): HttpRoute {
  const feed = new LiveFeed(source.clock, async () => eventOf(await source.snapshot()));
  return {
    path: OPERATION.name,
    api: API,
    isStream: true,
    operation: () => OPERATION,
    serve: readOnly((request, response, { call }) => serve(feed, edge, request, response, call)),
  };
}

function eventOf(snapshot: unknown): Uint8Array {
  return Buffer.from(`data: ${JSON.stringify(snapshot)}\n\n`);
}

function serve(
  feed: LiveFeed,
  { errors, sendStream, isDraining }: LiveEdge,
  request: HttpRequest,
  response: HttpResponse,
  call: RpcCall,
): void | Promise<void> {
  if (request.method === 'HEAD') return send(request, response, 200, EVENT_STREAM, '');
  const source: EventSource<Uint8Array> = {
    errors,
    sendStream,
    open: (signal) => feed.view(signal, callerOf(call)),
    toEvent: (event) => [event],
    // A page that stays open would delay the stop of the server.
    whyOver: () => (isDraining() ? LAST : undefined),
  };
  return sendEvents(source, request, response, call);
}

/** Names the caller: the user where it is known, else the address. */
function callerOf({ principal, peer }: RpcCall): string {
  return principal === ANONYMOUS ? `address ${peer.remoteAddress}` : `user ${principal.name}`;
}
