/** What is no request of HTTP/1.1 is answered with a reason, in its turn, and its connection ends. */
import { describe, expect, it } from 'vitest';
import { describeUnparsed } from '#rpc/unparsed.ts';
import { HTTP1 } from '#test/doubles/http-choice.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { start, tcp, until } from '#test/server/running.ts';

describe('a request that cannot be parsed', () => {
  it.each([
    [{ code: 'HPE_HEADER_OVERFLOW' }, 431, 'at most 99 bytes'],
    [{ code: 'HPE_CHUNK_EXTENSIONS_OVERFLOW' }, 413, 'chunk extensions'],
    [{ code: 'ERR_HTTP_REQUEST_TIMEOUT' }, 408, 'in time'],
    [{ code: 'HPE_INVALID_URL', rawPacket: Buffer.from('GET /ü HTTP/1.1\r\n') }, 400, '%C3%BC'],
    [{ code: 'HPE_INVALID_URL', reason: 'Bad', rawPacket: Buffer.from('GET / \r\nX: ü') }, 400, ': Bad'],
    [{}, 400, 'expected a request of HTTP/1.1 or HTTP/2'],
  ])('%j is %i', (error, status, message) => {
    const described = describeUnparsed(error, 99);
    expect([described.status, described.message]).toEqual([status, expect.stringContaining(message)]);
  });

  it.each<[string, string, number, string]>([
    ['a path in UTF-8', 'GET /v1/keys/\xc3\xbc HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'percent-encoded as UTF-8'],
    ['a TLS handshake', '\x16\x03\x01\x00\xa5\x01', 400, 'without TLS'],
    ['no method', 'HELLO\r\n\r\n', 400, 'Invalid method'],
    [
      'two lengths',
      'PUT /v1/keys/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      HTTP1 === 'own' ? 'more than one Content-Length' : 'Duplicate',
    ],
    [
      'large headers',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'at most 16384 bytes',
    ],
    [
      'a bad chunk',
      'PUT /v1/keys/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
      'chunk',
    ],
    [
      'a body in a coding that is not known',
      'PUT /v1/keys/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
      501,
      'expected chunked',
    ],
    [
      'a body in a coding without chunks',
      'PUT /v1/keys/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nabc',
      501,
      'expected chunked',
    ],
    [
      'such a body on a connection that Node serves',
      'PUT http://a/v1/keys/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
      501,
      'expected chunked',
    ],
    [
      'a fragment on a connection that Node serves',
      'PUT http://a/v1/keys/fr#b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\na',
      400,
      'expected none',
    ],
    [
      'a fragment',
      'PUT /v1/keys/fr#b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\na',
      400,
      'expected none',
    ],
    [
      'two content types',
      'PUT /v1/keys/k HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 1\r\n\r\na',
      400,
      'more than one Content-Type',
    ],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'the Host header is missing'],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 501, 'no proxy'],
    ['HTTP/2 as text', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505, 'HTTP/2.0 does not come as text'],
    ['HTTP/0.9 with a version', 'GET / HTTP/0.9\r\nHost: a\r\n\r\n', 505, 'HTTP/0.9'],
    ['another Expect', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n', 417, 'expected 100-continue'],
  ])('of %s is told why, and its connection ends', async (_name, bytes, status, message) => {
    const running = await start();
    const { socket, received, closed } = tcp(running);
    socket.write(bytes, 'latin1');
    await closed;
    const [head = '', body = ''] = received().split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head.toLowerCase()).toContain('connection: close');
    expect(JSON.parse(body).message).toContain(message);
    expect(Number(/content-length: (\d+)/i.exec(head)?.[1])).toBe(body.length);
    expect(running.node.calls).toEqual([]);
  });

  it('is answered behind what came before it on the connection', async () => {
    const running = await start();
    const finish: (() => void)[] = [];
    running.node.hold = () => new Promise((resolve) => finish.push(resolve));
    const { socket, received, closed } = tcp(running);
    const get = 'GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n';
    socket.write(`${get}${get}BROKEN\r\n\r\n`);
    await until(() => finish.length === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(received()).toBe('');
    finish[0]?.();
    await until(() => finish.length === 2);
    finish[1]?.();
    await closed;
    expect(received().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 404', 'HTTP/1.1 400']);
  });

  it('ends its connection although the peer goes on sending', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    const { socket, received } = tcp(running);
    socket.allowHalfOpen = true;
    socket.write('BROKEN\r\n\r\n');
    await until(() => received().includes('expected a request'));
    socket.write('more and more');
    expect(await running.metrics.render()).toContain('walnut_connections 1');
    await clock.advance(1_000);
    expect(await running.metrics.render()).toContain('walnut_connections 0');
    expect(received().match(/HTTP\/1\.1 \d/g)?.length).toBe(1);
  });
});
