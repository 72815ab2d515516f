/** Requests that could be read in two ways, by this server and by a proxy before it: they are refused. Pure. */
import type { IncomingHttpHeaders } from 'node:http';
import { FRAGMENT_IN_TARGET } from '#http/http1/request-rules.ts';
import { type HttpRequest, isNodeHttp1, isNodeHttp2 } from '#rpc/http-io.ts';

/** Node takes the first of two, and a proxy before this server may have taken the second. */
function isThereTwice(rawHeaders: readonly string[], wanted: string): boolean {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === wanted.length && name.toLowerCase() === wanted) count++;
  }
  return count > 1;
}

/**
 * The header that a request has twice, though it must be one. Not for our own HTTP/2, which
 * joins the values of fields that are sent twice: admission refuses what it makes of them.
 */
export function repeatedHeader(
  rawHeaders: readonly string[],
  headers: IncomingHttpHeaders,
): string | undefined {
  if (headers.host !== undefined && isThereTwice(rawHeaders, 'host')) return 'Host';
  if (headers['content-type'] !== undefined && isThereTwice(rawHeaders, 'content-type'))
    return 'Content-Type';
  return headers.authorization !== undefined && isThereTwice(rawHeaders, 'authorization')
    ? 'Authorization'
    : undefined;
}

/** Why no route may look at a request: it could be taken for another one. */
export function whyNotRead(request: HttpRequest, url: string): string | undefined {
  if (url.includes('#')) return FRAGMENT_IN_TARGET;
  const isNodes = isNodeHttp1(request) || isNodeHttp2(request);
  const repeated = isNodes ? repeatedHeader(request.rawHeaders, request.headers) : undefined;
  return repeated === undefined ? undefined : `there is more than one ${repeated} header: expected one`;
}
