/**
 * Which names a request may be sent to. A web page can give a name of its own to an
 * address that only its reader's machine reaches (DNS rebinding), and what the reader's
 * browser then sends is a request like any other, but for the name in it.
 *
 * On a loopback bind only those who are on this machine come, so every request is held
 * to the list: IP addresses, localhost, and the names that the node is known by. On
 * other binds nodes and tools may use any name that leads here, and only what a
 * browser sends is held to it.
 *
 * A page may call the very server that it came from, whatever the bind: a browser sends
 * passwords and certificates by itself, for a page of another port too. The configuration
 * may list others (`cors.ts`).
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { type CorsOrigins, pageOf } from '#rpc/cors.ts';

export interface HostPolicy {
  /**
   * What is wrong with the names in a request; undefined where it is served.
   * `target`: the request's URL, which over HTTP/1.1 may name a host too. `verb`: such as GET.
   */
  refusal(headers: IncomingHttpHeaders, target: string, verb: string): string | undefined;
}

export interface HostPolicyOptions {
  /** True if only this machine reaches the server. */
  readonly isLoopback: boolean;
  /** Host names without a port, in any case. */
  readonly names: readonly string[];
  /** Pages of other sites that may call this server. */
  readonly origins: CorsOrigins;
}

export function createHostPolicy({ isLoopback, names, origins }: HostPolicyOptions): HostPolicy {
  const served = new Set(['localhost', ...names.map(plainName)]);
  const isServed = (authority: string): boolean => {
    const host = hostOf(authority);
    return host !== undefined && (isIP(host) !== 0 || served.has(host));
  };
  /** The same callers come again and again. */
  let lastServed = '';
  const check = (authority: string | string[] | undefined): string | undefined => {
    if (authority === undefined || authority === lastServed) return undefined;
    const text = String(authority);
    if (!isServed(text)) return `${quote(text)} is no name of this node`;
    lastServed = text;
    return undefined;
  };
  return {
    refusal: (headers, target, verb) => {
      const isFromBrowser = comesFromBrowser(headers);
      if (!isLoopback && !isFromBrowser) return undefined;
      const reason = check(headers[':authority']) ?? check(headers.host) ?? check(authorityOf(target));
      if (reason !== undefined) return `${reason}: ${NAME_ADVICE}`;
      if (!isFromBrowser || pageOf(origins, headers) !== undefined) return undefined;
      const pageReason = whyForeign(headers, verb);
      return pageReason === undefined ? undefined : `${pageReason}: ${PAGE_ADVICE}`;
    },
  };
}

const PAGE_ADVICE = 'add the origin of the page to server.cors_origins if its readers may call this node';
const NAME_ADVICE =
  'use an IP address or localhost, or add the name to server.allowed_hosts ' +
  '(a web page could give this address any name, so other names are refused)';

/**
 * Browsers name the page in Origin, not with every GET; they send Sec-Fetch-Site to
 * localhost and over TLS only, and call themselves Mozilla everywhere.
 */
function comesFromBrowser(headers: IncomingHttpHeaders): boolean {
  return (
    headers.origin !== undefined ||
    headers['sec-fetch-site'] !== undefined ||
    headers['user-agent']?.startsWith('Mozilla/') === true
  );
}

/**
 * A page of another site or port is named in Origin; where a browser leaves that out,
 * Sec-Fetch-Site tells. It also tells a page with the name of this server that came in clear
 * text, which anybody on the wire can make, from one that came by TLS. A link that somebody follows is a navigation by GET, which may
 * only read.
 */
function whyForeign(headers: IncomingHttpHeaders, verb: string): string | undefined {
  const { origin, 'sec-fetch-site': site } = headers;
  const isForeign = site === 'cross-site' || site === 'same-site';
  if (origin !== undefined) {
    const own = String(headers[':authority'] ?? headers.host ?? '');
    const isOwn = own !== '' && authorityOf(origin)?.toLowerCase() === own.toLowerCase();
    return isOwn && !isForeign ? undefined : `the page ${quote(origin)} is not of this server`;
  }
  const isLink = headers['sec-fetch-mode'] === 'navigate' && (verb === 'GET' || verb === 'HEAD');
  return isForeign && !isLink ? `a page of another site sent this (Sec-Fetch-Site: ${site})` : undefined;
}

/** The host of a URL with a scheme; undefined for other targets. */
function authorityOf(url: string): string | undefined {
  return url.startsWith('/') ? undefined : /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(url)?.[1];
}

/** `host`, `host:port` or `[address]:port`, without user and password. */
const AUTHORITY = /^(?:\[([^[\]]+)\]|([A-Za-z0-9._-]+))(?::\d{0,5})?$/;

/** The host in lower case, without brackets, port, zone and the dot of an absolute name; undefined where there is none. */
export function hostOf(authority: string): string | undefined {
  const match = AUTHORITY.exec(authority);
  if (match === null) return undefined;
  const [, address, name] = match;
  return address === undefined ? plainName(name ?? '') : address.replace(/%.*$/, '').toLowerCase();
}

function plainName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80).toWellFormed());
}
