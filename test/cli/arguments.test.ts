import { describe, expect, it } from 'vitest';
import {
  parseAddress,
  parseCount,
  parseDurationMs,
  parseExpireAtMs,
  parseRequestId,
  parseTtlMs,
  parseWaitMs,
  parseWirePosition,
} from '../../cmd/walnut/arguments.ts';

describe('arguments', () => {
  it('reads the name of a write, which is not empty', () => {
    expect(parseRequestId('r'.repeat(128))).toBe('r'.repeat(128));
    for (const text of ['', 'r'.repeat(129), '\ud800'])
      expect(() => parseRequestId(text)).toThrow('Expected 1 to 128 characters');
  });

  it.each([
    ['0ms', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ])('reads the duration %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['', '30', '12xyz', '1.5ms', '-1s', ' 1s', '1 s', '999999999999999d'])(
    'refuses the duration %j',
    (text) => {
      expect(() => parseDurationMs(text)).toThrow('Expected a duration');
    },
  );

  it('takes a plain number as milliseconds where it says so, up to the most', () => {
    expect(parseWaitMs(60_000)('500')).toBe(500);
    expect(parseWaitMs(60_000)('2s')).toBe(2_000);
    expect(() => parseWaitMs(60_000)('61s')).toThrow('at most 60000 ms');
  });

  it('refuses a time to live of nothing', () => {
    expect(() => parseTtlMs('0s')).toThrow('at least 1ms');
  });

  it('reads counts within their range only', () => {
    expect(parseCount(1, 10)('10')).toBe(10);
    for (const text of ['0', '11', '1e1', '+1', ''])
      expect(() => parseCount(1, 10)(text)).toThrow('from 1 to 10');
  });

  it('reads positions', () => {
    expect(parseWirePosition('4294967303-12')).toEqual({ epoch: 4_294_967_303n, lsn: 12n });
    expect(() => parseWirePosition('12')).toThrow('EPOCH-LSN');
  });

  it.each([
    ['0', 0],
    ['never', 0],
    ['1700000000000', 1_700_000_000_000],
    ['2027-01-31T12:00:00Z', 1_801_396_800_000],
    ['2027-01-31T13:00:00+01:00', 1_801_396_800_000],
  ])('reads the deadline %s', (text, ms) => {
    expect(parseExpireAtMs(text)).toBe(ms);
  });

  it.each(['tomorrow', '2027-01-31', '1969-01-01T00:00:00Z', '2027-99-99T00:00:00Z'])(
    'refuses the deadline %s',
    (text) => {
      expect(() => parseExpireAtMs(text)).toThrow('Expected');
    },
  );

  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080, '127.0.0.1:8080'],
    ['master', 'master', 8080, 'master:8080'],
    ['http://master:81/', 'master', 81, 'master:81'],
    ['https://master', 'master', 8080, 'master:8080'],
    ['[::1]:8081', '::1', 8081, '[::1]:8081'],
  ])('reads the address %s', (text, host, port, shown) => {
    const isTls = text.startsWith('https');
    expect(parseAddress(text)).toEqual({ host, port, text: shown, isTls });
  });

  it.each(['', ':8080', 'a:b', 'a:0', 'a:70000', 'a b:1', 'httpss://a:1', 'a:1/path'])(
    'refuses the address %j',
    (text) => {
      expect(() => parseAddress(text)).toThrow('HOST:PORT');
    },
  );
});
