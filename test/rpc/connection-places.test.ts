/** One caller takes some of the connections, strangers take most, and other nodes always find one. */
import { describe, expect, it } from 'vitest';
import { ConnectionPlaces } from '#rpc/connection-places.ts';

const open = () => new ConnectionPlaces({ connectionsMax: 64, perAddressMax: 8 });
const takeAll = (places: ConnectionPlaces, addressOf: (i: number) => string, count: number) =>
  Array.from({ length: count }, (_, i) => places.tryTake(addressOf(i)));

describe('one address', () => {
  it('has as many connections as it may, and another one when one of them ends', () => {
    const places = open();
    expect(takeAll(places, () => '10.0.0.1', 9)).toEqual([...Array(8).fill(undefined), 'address']);
    expect(places.tryTake('10.0.0.2')).toBeUndefined();
    places.leave('10.0.0.1');
    expect([places.tryTake('10.0.0.1'), places.tryTake('10.0.0.1')]).toEqual([undefined, 'address']);
  });

  it('of IPv6 counts with its whole /64 network', () => {
    const places = open();
    expect(takeAll(places, (i) => `2001:db8::${i + 1}`, 9).at(-1)).toBe('address');
    expect(places.tryTake('2001:db8:0:1::1')).toBeUndefined();
  });

  it.each(['127.0.0.1', '127.1.2.3', '::1'])(
    'of this machine, %s, may have all that strangers may',
    (address) => {
      expect(takeAll(open(), () => address, 61)).toEqual([...Array(60).fill(undefined), 'all']);
    },
  );
});

describe('other nodes', () => {
  it('have places that strangers do not take, and are not counted by address', () => {
    const places = open();
    places.favour('10.9.9.9');
    expect(takeAll(places, (i) => `10.0.0.${i}`, 61).at(-1)).toBe('all');
    expect(takeAll(places, () => '10.9.9.9', 5)).toEqual([...Array(4).fill(undefined), 'all']);
    places.leave('10.9.9.9');
    expect([places.tryTake('10.0.1.1'), places.tryTake('10.9.9.9')]).toEqual(['all', undefined]);
  });

  it('are the last 256 networks that called as nodes', () => {
    const places = open();
    for (let i = 0; i <= 256; i++) places.favour(`10.9.${i >> 8}.${i & 255}`);
    takeAll(places, (i) => `10.0.0.${i}`, 60);
    expect([places.tryTake('10.9.0.0'), places.tryTake('10.9.0.1')]).toEqual(['all', undefined]);
  });
});

it('a server with few places keeps none of them', () => {
  const places = new ConnectionPlaces({ connectionsMax: 6, perAddressMax: 6 });
  expect(takeAll(places, (i) => `10.0.0.${i}`, 7)).toEqual([...Array(6).fill(undefined), 'all']);
});
