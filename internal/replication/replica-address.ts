/** The address at which a replica takes pushes. Pure, and strict, because the address is dialled and stored in MANIFEST. */
import { isHostPort } from '#model/address.ts';
import { invalidArgument } from '#model/errors.ts';

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
