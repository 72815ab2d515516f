/** Finds which of a context's nodes can be called, by opening a connection to one after another. */
import { whyNoConnection } from '#dial/why-no-connection.ts';
import type { NamedAddress } from '../arguments.ts';

/** A node that takes no connection within this time is passed over. */
const CONNECT_MS_MAX = 1_000;

/**
 * The first address that takes a connection; the first of all where none does, so that the
 * call to it tells why. One address is taken as it is. `onSilent` gets each that was
 * passed over.
 */
export async function firstAnswering(
  addresses: readonly [NamedAddress, ...NamedAddress[]],
  onSilent: (silent: NamedAddress, next: NamedAddress) => void,
  takesConnections: (address: NamedAddress) => Promise<boolean> = canConnect,
): Promise<NamedAddress> {
  const [first, ...others] = addresses;
  if (others.length === 0) return first;
  for (const [i, address] of addresses.entries()) {
    if (!(await takesConnections(address))) continue;
    for (const [at, silent] of addresses.slice(0, i).entries())
      onSilent(silent, addresses[at + 1] as NamedAddress);
    return address;
  }
  return first;
}

async function canConnect(address: NamedAddress): Promise<boolean> {
  return (await whyNoConnection(address, CONNECT_MS_MAX)) === undefined;
}
