/** What the reader of HTTP/1.1 takes, hands over and refuses: by tables, and cut at every octet. */
import { describe, expect, it } from 'vitest';
import { HEAD1_BYTES_MAX, RequestReader } from '#http/http1/request-reader.ts';
import { kindOf, read } from './reading.ts';

const HOST = 'Host: a\r\n';
const get = (fields = HOST, line = 'GET /p HTTP/1.1'): string => `${line}\r\n${fields}\r\n`;

describe('a request', () => {
  it.each([
    ['without a body', get(), ['GET /p | host a | ']],
    ['with a query', get(HOST, 'GET /p?q=1&r=%20 HTTP/1.1'), ['GET /p?q=1&r=%20 | host a | ']],
    [
      'with a body',
      `${get(`${HOST}Content-Length: 3\r\n`, 'POST /p HTTP/1.1')}abc`,
      ['POST /p | host a content-length 3 | abc'],
    ],
    [
      'with an empty body',
      get(`${HOST}Content-Length: 0\r\n`, 'PUT /p HTTP/1.1'),
      ['PUT /p | host a content-length 0 | '],
    ],
    [
      'with blanks about values',
      get('Host:\t a \t\r\nX-A:\r\nX-B: c d\r\n'),
      ['GET /p | host a x-a  x-b c d | '],
    ],
    ['with octets above ASCII in a value', get(`${HOST}X: \u00fc\r\n`), ['GET /p | host a x \u00fc | ']],
    ['with a field twice', get(`${HOST}X: 1\r\nX: 2\r\n`), ['GET /p | host a x 1 x 2 | ']],
    ['behind another', get() + get(HOST, 'HEAD /q HTTP/1.1'), ['GET /p | host a | ', 'HEAD /q | host a | ']],
    [
      'behind a body',
      `${get(`${HOST}Content-Length: 2\r\n`)}ab${get()}`,
      ['GET /p | host a content-length 2 | ab', 'GET /p | host a | '],
    ],
    ['that is the last', get(`${HOST}Connection: Close\r\n`), ['GET /p | host a connection Close | ']],
    [
      'that keeps its connection',
      get(`${HOST}Connection: keep-alive\r\n`),
      ['GET /p | host a connection keep-alive | '],
    ],
  ])('%s is taken, whole and cut at every octet', (_name, text, requests) => {
    expect(read(text)).toMatchObject({ requests, state: 'whole', rest: '' });
    for (let cut = 1; cut < text.length; cut++) {
      expect([cut, read(text.slice(0, cut), text.slice(cut)).requests]).toEqual([cut, requests]);
    }
    expect(read(...text)).toMatchObject({ requests, state: 'whole', rest: '' });
  });

  it('tells whether it is the last', () => {
    expect(read(get(`${HOST}Connection: close\r\n`)).heads[0]?.isLast).toBe(true);
    expect(read(get()).heads[0]?.isLast).toBe(false);
  });
});

describe('what is rare', () => {
  it.each([
    ['chunks', get(`${HOST}Transfer-Encoding: chunked\r\n`, 'POST /p HTTP/1.1')],
    ['an expectation', get(`${HOST}Expect: 100-continue\r\n`)],
    ['an upgrade', get(`${HOST}Upgrade: h2c\r\nConnection: upgrade\r\n`)],
    ['a list in Connection', get(`${HOST}Connection: keep-alive, x\r\n`)],
    ['trailers to come', get(`${HOST}Trailer: x\r\n`)],
    ['HTTP/1.0', get(HOST, 'GET /p HTTP/1.0')],
    ['HTTP/0.9', get('', 'GET /p')],
    ['a later version', get(HOST, 'GET /p HTTP/1.2')],
    ['CONNECT', get(HOST, 'CONNECT a:1 HTTP/1.1')],
    ['a rare method', get(HOST, 'PURGE /p HTTP/1.1')],
    ['an absolute target', get(HOST, 'GET http://a/p HTTP/1.1')],
    ['no path', get(HOST, 'GET * HTTP/1.1')],
    ['octets above ASCII in the target', get(HOST, 'GET /\u00fc HTTP/1.1')],
    ['an empty line first', `\r\n${get()}`],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000'],
  ])('is handed over with every octet, behind what was taken: %s', (_name, text) => {
    for (const before of ['', `${get(`${HOST}Content-Length: 2\r\n`)}ab`]) {
      for (let cut = 0; cut <= text.length; cut++) {
        const { requests, state, rest } = read(before + text.slice(0, cut), text.slice(cut), 'more');
        expect([cut, kindOf(state), rest]).toEqual([cut, 'handover', `${text}more`]);
        expect(requests.length).toBe(before === '' ? 0 : 1);
      }
    }
  });
});

describe('what is illegal, or could be read in two ways', () => {
  it.each([
    ['a length and chunks', get(`${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n`)],
    ['chunks and a length', get(`${HOST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n`)],
    ['two lengths', get(`${HOST}Content-Length: 3\r\nContent-Length: 4\r\n`)],
    ['the same length twice', get(`${HOST}Content-Length: 3\r\nContent-Length: 3\r\n`)],
    ['a list of lengths', get(`${HOST}Content-Length: 3, 3\r\n`)],
    ['a length with a sign', get(`${HOST}Content-Length: +3\r\n`)],
    ['a length in hexadecimal', get(`${HOST}Content-Length: 0x3\r\n`)],
    ['a length that is negative', get(`${HOST}Content-Length: -1\r\n`)],
    ['a length of nothing', get(`${HOST}Content-Length:\r\n`)],
    ['a length beyond all numbers', get(`${HOST}Content-Length: 18446744073709551617\r\n`)],
    ['no Host', get('')],
    ['two Hosts', get(`${HOST}${HOST}`)],
    ['two Hosts of another case', get(`${HOST}hOST: b\r\n`)],
    ['a blank before the colon', get(`${HOST}Content-Length : 3\r\n`)],
    ['a line that goes on', get(`${HOST}X: 1\r\n 2\r\n`)],
    ['a line that goes on from the first', get(` X: 1\r\n${HOST}`)],
    ['a field without a colon', get(`${HOST}X\r\n`)],
    ['a field without a name', get(`${HOST}: x\r\n`)],
    ['a name with a letter that names do not have', get(`${HOST}X(: 1\r\n`)],
    ['a name with an octet above ASCII', get(`${HOST}\u00fc: 1\r\n`)],
    ['NUL in a value', get(`${HOST}X: a\u0000b\r\n`)],
    ['DEL in a value', get(`${HOST}X: a\u007fb\r\n`)],
    ['CR alone', get(`${HOST}X: a\rb\r\n`)],
    ['LF alone', get(`${HOST}X: a\nY: b\r\n`)],
    ['LF alone at the first line', `GET /p HTTP/1.1\n${HOST}\r\n`],
    ['LF alone at the end', `GET /p HTTP/1.1\r\n${HOST}\n`],
    ['a blank in the target', get(HOST, 'GET /p q HTTP/1.1')],
    ['two blanks before the target', get(HOST, 'GET  /p HTTP/1.1')],
    ['a tab in the target', get(HOST, 'GET /p\tq HTTP/1.1')],
    ['an empty target', get(HOST, 'GET  HTTP/1.1')],
    ['no target', get(HOST, 'GET HTTP/1.1')],
    ['a fragment', get(HOST, 'GET /p#f HTTP/1.1')],
    ['a fragment in the query', get(HOST, 'GET /p?q=1#f HTTP/1.1')],
  ])('is refused, wherever it is cut: %s', (_name, text) => {
    for (const before of ['', get()]) {
      for (let cut = 0; cut <= text.length; cut++) {
        const { requests, state } = read(before + text.slice(0, cut), text.slice(cut));
        expect([cut, kindOf(state), requests.length]).toEqual([cut, 'refused 400', before === '' ? 0 : 1]);
      }
    }
  });

  it.each([
    ['a coding before chunks', 'Transfer-Encoding: gzip, chunked\r\n'],
    ['a coding in a field of its own', 'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n'],
    ['a coding alone', 'Transfer-Encoding: gzip\r\n'],
    ['chunks twice', 'Transfer-Encoding: chunked, chunked\r\n'],
  ])('is a transfer coding that is not known: %s', (_name, fields) => {
    const { requests, state } = read(get(`${HOST}${fields}`, 'PUT /p HTTP/1.1'));
    expect([kindOf(state), requests]).toEqual(['refused 501', []]);
  });

  it('is a head that is too large, as soon as that is known', () => {
    const fits = `GET /p HTTP/1.1\r\n${HOST}X: `;
    const room = HEAD1_BYTES_MAX - fits.length - 4;
    expect(kindOf(read(`${fits}${'x'.repeat(room)}\r\n\r\n`).state)).toBe('whole');
    expect(kindOf(read(`${fits}${'x'.repeat(room + 1)}\r\n\r\n`).state)).toBe('refused 431');
    expect(kindOf(read(`${fits}${'x'.repeat(room + 10)}`).state)).toBe('refused 431');
    expect(kindOf(read(`${fits}${'x'.repeat(room - 10)}`).state)).toBe('reading');
  });

  it('refuses LF alone at once, and waits for no end of the head', () => {
    expect(kindOf(read(`GET /p HTTP/1.1\nHost`).state)).toBe('refused 400');
  });
});

describe('equal heads', () => {
  const post = get(`${HOST}Content-Length: 1\r\n`, 'POST /p HTTP/1.1');

  it('are the identical object, cut or not', () => {
    const { heads } = read(`${post}a${post}b`, post.slice(0, 20), `${post.slice(20)}c`);
    expect(heads.length).toBe(3);
    expect(new Set(heads).size).toBe(1);
  });

  it('are compared whole: one that only begins alike is another', () => {
    const { heads } = read(get(), get(`${HOST}X: 1\r\n`), get());
    expect(heads.map(({ fields }) => fields.length)).toEqual([2, 4, 2]);
  });

  it('are compared with what was sent, not with what was read over it', () => {
    const bytes = Buffer.from(get(HOST, 'GET /1 HTTP/1.1'));
    const targets: string[] = [];
    const reader = new RequestReader({ onHead: ({ target }) => targets.push(target) > 0, onBody: () => {} });
    reader.push(bytes);
    bytes[5] = 0x32;
    reader.next();
    reader.push(bytes);
    expect(targets).toEqual(['/1', '/2']);
  });
});

describe('one request at a time', () => {
  it('reads nothing behind the last', () => {
    const last = get(`${HOST}Connection: close\r\n`);
    expect(read(last + get(), get())).toMatchObject({ state: 'whole', rest: get() + get() });
    expect(read(last + get()).requests.length).toBe(1);
  });

  it('stops behind each until it may go on, and keeps what came', () => {
    const targets: string[] = [];
    const reader = new RequestReader({ onHead: ({ target }) => targets.push(target) > 0, onBody: () => {} });
    const two = `${get(HOST, 'GET /1 HTTP/1.1')}${get(HOST, 'GET /2 HTTP/1.1')}`;
    expect(reader.push(Buffer.from(two))).toBe('whole');
    expect([targets, reader.held]).toEqual([['/1'], two.length / 2]);
    reader.push(Buffer.from('GET /3'));
    expect(targets).toEqual(['/1']);
    expect(reader.next()).toBe('whole');
    expect(reader.next()).toBe('reading');
    expect([targets, reader.held, reader.isWithinHead]).toEqual([['/1', '/2'], 6, true]);
    // The third request has not ended, so there is none after it.
    expect(reader.next()).toBe('reading');
  });

  it('gives a body as views, as it comes', () => {
    const pieces: [number, boolean][] = [];
    const reader = new RequestReader({
      onHead: () => true,
      onBody: (_bytes, from, to, isEnd) => pieces.push([to - from, isEnd]),
    });
    reader.push(Buffer.from(`${get(`${HOST}Content-Length: 5\r\n`)}ab`));
    expect(reader.isWithinHead).toBe(false);
    reader.push(Buffer.from('c'));
    reader.push(Buffer.from('deGET'));
    expect([pieces, reader.state, reader.held]).toEqual([
      [
        [2, false],
        [1, false],
        [2, true],
      ],
      'whole',
      3,
    ]);
  });
});
