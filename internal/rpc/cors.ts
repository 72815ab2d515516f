/**
 * Pages of other sites that may call this server (CORS, of the Fetch standard): those that
 * the configuration lists. A page brings its credential itself, in `authorization`: the
 * browser is not allowed to add passwords or certificates of its own. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from '#model/access.ts';
import type { Headers } from '#rpc/http-io.ts';

/** Origins such as `https://app.example.net`, as browsers write them. */
export type CorsOrigins = ReadonlySet<string>;

/**
 * The operation that admission judges for a preflight, which has no credential by rule. It
 * does nothing, and its answer tells nothing but which pages may call.
 */
export const PREFLIGHT: Operation = { name: 'OPTIONS', access: 'health', isServedDraining: true };

/** Every method and header; a header with a credential has to be named beside the star. */
export const PREFLIGHT_HEADERS: Headers = {
  'access-control-allow-methods': '*',
  'access-control-allow-headers': 'authorization, *',
  // The longest that browsers keep it for.
  'access-control-max-age': 7_200,
};

/** The origin of a page that may call this server from another site; undefined for every other caller. */
export function pageOf(origins: CorsOrigins, { origin }: IncomingHttpHeaders): string | undefined {
  return origin !== undefined && origins.has(origin) ? origin : undefined;
}

/** The headers that let a page read the answer. */
export function pageHeaders(origin: string): Headers {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': '*',
    vary: 'origin',
  };
}

/** True if a browser asks whether it may send what the page wants to send. */
export function isPreflight(verb: string | undefined, headers: IncomingHttpHeaders): boolean {
  return verb === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}
