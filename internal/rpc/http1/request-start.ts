/**
 * Begins the request of a head: as a unary call, or as a request and a response. What
 * a head asks for is found out once for equal heads, and in part for those that differ
 * in the values of one call; admission is asked for each call.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Http1Head } from '#http/http1/head1.ts';
import type { Peer } from '#model/access.ts';
import { HeaderBag } from '#rpc/header-bag.ts';
import type { Http1Site } from '#rpc/http1/site.ts';
import { SocketCall } from '#rpc/http1/socket-call.ts';
import { SocketExchange } from '#rpc/http1/socket-exchange.ts';
import type { Http1Wire, ServedRequest } from '#rpc/http1/wire.ts';
import type { CallPlan } from '#rpc/request-listener.ts';

type Listener = Http1Site['listener'];

interface HeadPlan {
  readonly headers: IncomingHttpHeaders;
  readonly what: CallPlan | 'request';
}

/** Kept with a head whose requests are for Node's server. */
const NOT_SERVED = {};

/** Undefined: the request is for Node's server, and nothing was begun. */
export function beginRequest(
  wire: Http1Wire,
  listener: Listener,
  peer: Peer,
  head: Http1Head,
): ServedRequest | undefined {
  head.derived ??= planOf(head, listener) ?? NOT_SERVED;
  if (head.derived === NOT_SERVED) return undefined;
  const { headers, what } = head.derived as HeadPlan;
  if (what === 'request') {
    const call = new SocketCall(wire, head, headers);
    void listener.onRequest(call.request, call.response);
    return call;
  }
  const exchange = new SocketExchange(wire, headers, head.contentLength > 0);
  return listener.onCall(what, peer, exchange) ? exchange : undefined;
}

function planOf(head: Http1Head, listener: Listener): HeadPlan | undefined {
  const { method, target, fields } = head;
  const before = head.derivedBefore as HeadPlan | typeof NOT_SERVED | undefined;
  // It is not kept longer than it is needed.
  head.derivedBefore = undefined;
  const bag = new HeaderBag();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    // Node knows which fields are joined, and how, and which are dropped.
    if (bag[name] !== undefined) return undefined;
    bag[name] = fields[i + 1] as string;
  }
  const headers = bag as IncomingHttpHeaders;
  const what =
    before === undefined || before === NOT_SERVED
      ? listener.planHttp1(method, target, headers)
      : listener.replanHttp1((before as HeadPlan).what, headers);
  return what === undefined ? undefined : { headers, what };
}
