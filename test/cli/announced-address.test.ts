import { expect, it } from 'vitest';
import { announcedAddress } from '../../cmd/node/announced-address.ts';

it.each([
  ['127.0.0.5', '127.0.0.5:8080', '127.0.0.5:8080', 'an address that was chosen'],
  ['127.0.0.1', '127.0.0.1:8080', '127.0.0.1:8080', 'the default'],
  ['walnut-1.example.net', '10.0.0.7:8080', 'walnut-1.example.net:8080', 'a name, which stays one'],
  ['fd00::7', '[fd00::7]:8080', '[fd00::7]:8080', 'IPv6'],
  ['0.0.0.0', '0.0.0.0:8080', ':8080', 'all addresses: whoever is told sees one'],
  ['::', '[::]:8080', ':8080', 'all of IPv6 too'],
  ['0', '0.0.0.0:8080', ':8080', 'all, in other words'],
  ['fe80::7%eth0', '[fe80::7%eth0]:8080', ':8080', 'a zone, which only this machine knows'],
])('bound to %s at %s announces %s: %s', (address, bound, announced) => {
  expect(announcedAddress({ address, advertise: undefined }, { address: bound, port: 8080 })).toBe(announced);
  expect(announcedAddress({ address, advertise: 'a:1' }, { address: bound, port: 8080 })).toBe('a:1');
});
