import { describe, expect, it } from 'vitest';
import { WalnutError } from '#model/errors.ts';
import { encodeGrpcMessage } from '#rpc/grpc-message.ts';
import { http1, http2, session, start } from '#test/server/running.ts';

const PRINTABLE = String.fromCharCode(...Array.from({ length: 0x7f - 0x20 }, (_, i) => 0x20 + i));

describe('grpc-message', () => {
  it.each([
    ['', ''],
    ['key is "a/b": expected 1, 2, or (3)', 'key is "a/b": expected 1, 2, or (3)'],
    ['100%', '100%25'],
    ['%3A', '%253A'],
    ['a\r\nb\u007f', 'a%0D%0Ab%7F'],
    ['ключ 🥜', '%D0%BA%D0%BB%D1%8E%D1%87 %F0%9F%A5%9C'],
    [PRINTABLE, PRINTABLE.replace('%', '%25').replace(' ', '%20')],
    // A header has no blanks at its ends.
    [' a b  ', '%20a b%20%20'],
    ['\ud800', '%EF%BF%BD'],
  ])('of %j is %j', (message, expected) => {
    expect(encodeGrpcMessage(message)).toBe(expected);
    expect(decodeURIComponent(expected)).toBe(message.toWellFormed());
  });

  const MESSAGE = 'key is "ü": expected a, b; 100%';
  const ENCODED = 'key is "%C3%BC": expected a, b; 100%25';
  const EMPTY = Buffer.alloc(5);

  it.each([
    ['/walnut.v1.KVStore/Get', 'application/grpc+proto'],
    ['/walnut.v1.KVStore/Get', 'application/grpc-web+proto'],
    ['/walnut.v1.Replication/FetchSnapshot', 'application/grpc+proto'],
    ['/walnut.v1.Replication/FetchSnapshot', 'application/grpc-web+proto'],
  ])('of %s in %s is encoded as little as gRPC asks', async (path, type) => {
    const running = await start();
    const failure = new WalnutError('unavailable', MESSAGE);
    running.node.failure = failure;
    Object.assign(running.node.ports.replication, {
      fetchSnapshot: async function* () {
        yield* [];
        throw failure;
      },
    });
    // A key is given, or the request itself would be wrong.
    const body = path.endsWith('Get') ? Buffer.from([0, 0, 0, 0, 3, 10, 1, 107]) : EMPTY;
    const headers = { ':method': 'POST', ':path': path, 'content-type': type, te: 'trailers' };
    const answer = await http2(session(running), headers, body);
    expect(answer.trailers['grpc-message'] ?? answer.text).toContain(ENCODED);
    if (type.includes('web')) expect(answer.text.slice(5)).toMatch(/^(?:[\w-]+: [^\r\n]+\r\n)+$/);
  });

  it('of an unknown rpc, too', async () => {
    const running = await start();
    const headers = { 'content-type': 'application/grpc' };
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Nope', { headers });
    expect(answer.headers['grpc-message']).toMatch(
      /^unknown rpc "\/walnut\.v1\.KVStore\/Nope"; known: Get, /,
    );
  });
});
