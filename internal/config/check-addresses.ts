/** Addresses by which a process would call itself. Pure. */
import type { CrossProblem } from '#config/check-security.ts';
import type { EdgeConfig } from '#config/sections/server.ts';
import { isLoopbackHost } from '#model/address.ts';

const EVERYWHERE = /^(?:0\.0\.0\.0|::)$/;

/** A process that is told to call every address calls itself. */
export function checkAdvertisedHost({ advertise }: Pick<EdgeConfig, 'advertise'>): CrossProblem[] {
  if (advertise === undefined || !EVERYWHERE.test(splitAddress(advertise).host)) return [];
  const message = `expected the host:port by which others reach this process, got ${JSON.stringify(advertise)}, by which they reach themselves`;
  return [{ section: 'server', key: 'advertise', message }];
}

/** True if a call of `address` surely reaches the process that calls. */
export function isOwnAddress(address: string, { advertise, address: bound, port }: EdgeConfig): boolean {
  if (address === advertise) return true;
  const called = splitAddress(address);
  if (called.port !== port) return false;
  return EVERYWHERE.test(bound) ? isLoopbackHost(called.host) : called.host === plainHost(bound);
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':');
  return { host: plainHost(address.slice(0, at)), port: Number(address.slice(at + 1)) };
}

/** The host without brackets, and in one form where it is this machine. */
function plainHost(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host.replace(/^\[|\]$/g, '');
}
