/** The address that a replica is pushed to: pure, and strict, because it is dialled and remembered. */
import { invalidArgument } from '#model/errors.ts';

/** A host name of 253 characters, brackets, a colon and a port. */
const ADDRESS_LENGTH_MAX = 262;

/**
 * `:8081` or `8081` gets the host that the master sees; IPv6 hosts are
 * bracketed. Throws `invalid_argument` on what is not `host:port`.
 */
export function completeAddress(advertise: string, remoteAddress: string): string {
  const port = /^:?(\d{1,5})$/.exec(advertise)?.[1];
  const host = remoteAddress.replace(/^::ffff:/, '');
  const address = port === undefined ? advertise : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const match = /^(?:\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[\w.-]+):(\d{1,5})$/.exec(address);
  const portNumber = Number(match?.[1] ?? 0);
  if (portNumber < 1 || portNumber > 65_535 || address.length > ADDRESS_LENGTH_MAX) {
    const shown = JSON.stringify(advertise.slice(0, 64));
    throw invalidArgument(`the advertised address is ${shown}: expected host:port, or :port`);
  }
  return address;
}
