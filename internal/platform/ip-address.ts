import { isIP } from 'node:net';

/** True for an address of IPv4 or IPv6; that of IPv6 may have a zone. */
export function isIpAddress(text: string): boolean {
  return isIP(text) > 0;
}
