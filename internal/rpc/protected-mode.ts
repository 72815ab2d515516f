/**
 * Protected mode: without authentication, a server bound to anything but
 * loopback serves only peers on loopback, link-local and private addresses.
 *
 * 100.64.0.0/10 counts as public: behind a carrier's NAT the neighbours there
 * are strangers.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** True if a bound IP address, however it is written, is reachable from this machine only. */
export function isLoopbackAddress(address: string): boolean {
  return loopback.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

const IPV4_IN_IPV6 = '::ffff:';

/** An IPv4 peer of a socket bound to `::` as the IPv4 address it is; empty where it has gone. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith(IPV4_IN_IPV6) ? address.slice(IPV4_IN_IPV6.length) : address;
}

/** Loopback, link-local or private, IPv4 within IPv6 included. What is no address is not. */
export function isPrivateAddress(address: string | undefined): boolean {
  const plain = plainAddress(address);
  return isIPv4(plain) ? isPrivateIpv4(plain) : isIPv6(plain) && isPrivateIpv6(plain.toLowerCase());
}

function isPrivateIpv4(address: string): boolean {
  if (address.startsWith('127.') || address.startsWith('10.')) return true;
  if (address.startsWith('192.168.') || address.startsWith('169.254.')) return true;
  if (!address.startsWith('172.')) return false;
  const second = Number.parseInt(address.slice(4), 10);
  return second >= 16 && second <= 31;
}

function isPrivateIpv6(address: string): boolean {
  if (address === '::1') return true;
  const first = Number.parseInt(address.split(':', 1)[0] ?? '', 16);
  // fc00::/7 (unique local) and fe80::/10 (link-local).
  return (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80;
}

/** The message for a refused peer; it names the key to set. */
export function protectedModeMessage(address: string): string {
  return (
    `protected mode: ${address || 'your address'} is not a loopback or private address and the server has no ` +
    'authentication; come from a private network, or set server.address to a private or loopback address'
  );
}
