/**
 * Heads that differ from the one before in the values of one call: each must be read as a reader
 * reads it that saw no head before. WALNUT_FUZZ_HEADS, 2,000 unless set, is the pairs tried; a
 * failure prints its seed.
 */
import { describe, expect, it } from 'vitest';
import { HEAD1_BYTES_MAX, RequestReader } from '#http/http1/request-reader.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { mutate, randomRequests, withOtherValues } from './random-requests.ts';
import { kindOf, type Read, read } from './reading.ts';

const COUNT = Number(process.env['WALNUT_FUZZ_HEADS'] ?? 2_000);
const SEED = Number(process.env['WALNUT_FUZZ_SEED'] ?? 1);

interface Values {
  readonly length?: string;
  readonly timeout?: string;
  readonly trace?: string;
  readonly body?: string;
}

const request = ({ length = '2', timeout = '5000', trace = '00-a-b-01', body = 'ab' }: Values): string =>
  `POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n` +
  `Connect-Timeout-Ms: ${timeout}\r\nX: 1\r\ntraceparent: ${trace}\r\n\r\n${body}`;
const FIRST = request({});

/** What comes of `second` behind `first`, and what comes of it alone. */
function readBehind(first: string, second: string): { readonly behind: Read; readonly alone: Read } {
  const { requests, heads, ...end } = read(first, second);
  return { behind: { ...end, requests: requests.slice(1), heads: heads.slice(1) }, alone: read(second) };
}

const isSimilar = ({ heads }: Read): boolean => heads[0]?.derivedBefore !== undefined;
const meaningOf = ({ requests, heads, state, rest }: Read): unknown => [
  requests,
  heads.map(({ contentLength, isLast, callValues }) => ({ contentLength, isLast, callValues })),
  state,
  rest,
];

describe('a head that differs in the values of one call', () => {
  it.each<[string, Values]>([
    ['values of the same length', { timeout: '5001', trace: '00-c-d-00' }],
    ['shorter and longer values', { timeout: '1', trace: `00-${'a'.repeat(300)}` }],
    ['a body of another length', { length: '120', body: 'b'.repeat(120) }],
    ['no body', { length: '0', body: '' }],
    ['a length with zeros before it', { length: '002' }],
    ['a value that another field has', { timeout: '00-a-b-01', trace: '5000' }],
  ])('is not parsed again: %s', (_name, values) => {
    const { behind, alone } = readBehind(FIRST, request(values));
    expect(meaningOf(behind)).toEqual(meaningOf(alone));
    expect([isSimilar(behind), behind.state]).toEqual([true, 'whole']);
  });

  it('is the one that the next is compared with, whatever the lengths', () => {
    const texts = ['1', '22', '333', '22', '22'].map((timeout) => request({ timeout }));
    const { heads, requests } = read(FIRST, ...texts);
    expect(requests.slice(1)).toEqual(texts.flatMap((text) => read(text).requests));
    expect(heads.slice(1, 5).every(({ derivedBefore }) => derivedBefore !== undefined)).toBe(true);
    expect(heads[5]).toBe(heads[4]);
  });

  it.each<[string, Values | string]>([
    ['CR in a value', { trace: 'a\rb' }],
    ['LF in a value', { trace: 'a\nb' }],
    ['a line within a value', { trace: 'a\r\nY: 1' }],
    ['another length within a value', { timeout: '5\r\nContent-Length: 0' }],
    ['chunks within a value', { trace: 'a\r\nTransfer-Encoding: chunked' }],
    ['the end of the head within a value', { timeout: '5\r\n\r\nGET / HTTP/1.1\r\nHost: b' }],
    ['a line that goes on', { trace: 'a\r\n b' }],
    ['NUL in a value', { trace: 'a\u0000b' }],
    ['DEL in a value', { timeout: '5\u007f' }],
    ['an octet above ASCII', { trace: '\u00fc' }],
    ['blanks about a value', { timeout: ' 5 ' }],
    ['a tab behind a value', { timeout: '5\t' }],
    ['a blank within a value', { trace: 'a b' }],
    ['an empty value', { trace: '' }],
    ['an empty length', { length: '' }],
    ['a length with a sign', { length: '+2' }],
    ['a length in hexadecimal', { length: '0x2' }],
    ['a list of lengths', { length: '2,2' }],
    ['a length beyond all numbers', { length: '1'.repeat(16) }],
    ['a head that is too large', { trace: 'a'.repeat(HEAD1_BYTES_MAX) }],
    ['a head too long to be kept', { trace: 'a'.repeat(3_000) }],
    ['another path', FIRST.replace('/p', '/q')],
    ['another value of a field that calls share', FIRST.replace('X: 1', 'X: 2')],
    ['another name of a field', FIRST.replace('Connect-Timeout-Ms', 'Connect-Timeout-Mt')],
    ['a field less', FIRST.replace('X: 1\r\n', '')],
    ['a field more at the end', FIRST.replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\n')],
    ['an end without CR', FIRST.replace('\r\n\r\n', '\r\n\n')],
  ])("is the parser's where it has %s", (_name, second) => {
    const { behind, alone } = readBehind(FIRST, typeof second === 'string' ? second : request(second));
    expect(meaningOf(behind)).toEqual(meaningOf(alone));
    expect(isSimilar(behind)).toBe(false);
  });

  it('keeps a head that was read when the one behind it is longer than what is kept', () => {
    const long = request({ trace: 'a'.repeat(3_000) });
    expect(read(FIRST, long, FIRST).requests).toEqual(
      [FIRST, long, FIRST].flatMap((text) => read(text).requests),
    );
  });

  it('is compared with what was sent, not with what was read over it', () => {
    const timeouts: (string | undefined)[] = [];
    const reader = new RequestReader({
      onHead: ({ fields }) => timeouts.push(fields[5]) > 0,
      onBody: () => {},
    });
    const bytes = Buffer.from(FIRST);
    for (const timeout of ['5000', '5001', '5002']) {
      bytes.write(request({ timeout }), 'latin1');
      reader.push(bytes);
      reader.next();
    }
    expect(timeouts).toEqual(['5000', '5001', '5002']);
  });

  it('means the same as to a reader that saw no other, at random', () => {
    const counts = { similar: 0, parsed: 0, refused: 0 };
    for (let i = 0; i < COUNT; i++) {
      const random = new SeededRandom(SEED * 1_000_003 + i);
      const first = random.chance(0.5) ? FIRST : randomRequests(random, 1);
      const own = read(first);
      if (own.state !== 'whole' || own.heads.length !== 1 || own.heads[0]?.isLast) continue;
      let second = withOtherValues(first, random);
      if (random.chance(0.3)) second = mutate(second, random);
      const { behind, alone } = readBehind(first, second);
      // Equal heads are the identical object, which has no head before it.
      const where = `WALNUT_FUZZ_SEED=${SEED}, pair ${i}: ${JSON.stringify([first, second])}`;
      expect([where, meaningOf(behind)]).toEqual([where, meaningOf(alone)]);
      counts[
        isSimilar(behind) ? 'similar' : kindOf(behind.state).startsWith('refused') ? 'refused' : 'parsed'
      ]++;
    }
    // Each of them was tried.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(COUNT / 50);
  });
});
