/** The address that a replica is pushed to: pure, and strict, because it is dialled and remembered. */
import { isHostPort } from '#model/address.ts';
import { invalidArgument } from '#model/errors.ts';

/**
 * `:8081` or `8081` gets the host that the master sees; IPv6 hosts are
 * bracketed. Throws `invalid_argument` on what is not `host:port`.
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
