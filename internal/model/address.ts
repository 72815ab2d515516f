/** The one rule for node addresses, `host:port`, wherever they are configured, sent, dialled or stored. */
import { invalidArgument } from '#model/errors.ts';

/** Enough for a host name of 253 characters, brackets, a colon and a port. */
export const ADDRESS_CHARACTERS_MAX = 262;

const HOST_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})$/;

/**
 * True if `text` is `host:port` with a port from 1 to 65535. An IPv6 host is in
 * brackets and has no zone, because a zone has a meaning on one machine only.
 */
export function isHostPort(text: string): boolean {
  const port = Number(HOST_PORT.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= 65_535 && text.length <= ADDRESS_CHARACTERS_MAX;
}

/** True if `text` is the name of a host, which an IP address is not. */
export function isHostName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/.test(text) && !/^[\d.]+$/.test(text);
}

/** `127.0.0.0/8`, `::1` and `localhost`: what leaves this machine never goes there. */
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/i;

/** True if a host, or the host of `host:port`, is this machine and nothing else. A name other than localhost is not: it may be any address. */
export function isLoopbackHost(text: string): boolean {
  const host = isHostPort(text) ? text.slice(0, text.lastIndexOf(':')) : text;
  return LOOPBACK.test(host.replace(/^\[|\]$/g, ''));
}

/**
 * Completes `:8081` or `8081` with the host that the master sees; an IPv6 host
 * gets brackets. Throws `invalid_argument` if the result is not `host:port`.
 */
export function completeAddress(advertise: string, remoteAddress: string): string {
  const port = /^:?(\d{1,5})$/.exec(advertise)?.[1];
  const host = remoteAddress.replace(/^::ffff:/, '');
  const address = port === undefined ? advertise : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (!isHostPort(address)) {
    const shown = JSON.stringify(address.slice(0, 64).toWellFormed());
    throw invalidArgument(`the advertised address is ${shown}: expected host:port; set server.advertise`);
  }
  return address;
}
