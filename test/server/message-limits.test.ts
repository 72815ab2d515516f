import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import type { RpcLimits } from '#rpc/rpc-routes.ts';
import { methodsWithin } from '#test/server/modules.ts';
import { BATCH_BYTES_MAX, http1, type Running, start, tcp, VALUE_BYTES_MAX } from '#test/server/running.ts';

const METHODS = methodsWithin(VALUE_BYTES_MAX, BATCH_BYTES_MAX);

function limitsOf(path: string): RpcLimits | undefined {
  return METHODS.find(([each]) => each === path)?.[2];
}

/** What a peer that promises so many bytes is told, before it sends any. */
async function promise(running: Running, path: string, bytes: number): Promise<string> {
  const { socket, received, closed } = tcp(running);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `connection: close\r\ncontent-length: ${bytes}\r\n\r\n`,
  );
  while (!received().includes('}')) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  await closed;
  return received();
}

describe('the limits of messages', () => {
  it.each(METHODS)('of %s are stated', (_path, _method, { readMaxBytes, fieldsMax }) => {
    expect(readMaxBytes).toBeGreaterThan(0);
    expect(fieldsMax).toBeGreaterThan(0);
  });

  it.each(METHODS.filter(([, { methodKind }]) => methodKind === 'unary'))(
    'of %s apply to its body',
    async (path, _method, { readMaxBytes }) => {
      const running = await start();
      const answer = await promise(running, path, readMaxBytes + 1);
      expect(answer).toContain('"resource_exhausted"');
      expect(answer).toContain(`: expected at most ${readMaxBytes}`);
      // Callers of services that are not Walnut's do not know its details.
      if (!path.startsWith('/walnut.')) return expect(answer).not.toContain('"details"');
      expect(answer).toContain('"debug":{"nothingDone":true}');
      expect(answer).toMatch(
        new RegExp(`"debug":{"name":"[a-z_.]+","max":"${readMaxBytes}","size":"${readMaxBytes + 1}"}`),
      );
    },
  );

  it.each([
    ['KVStore/Set', 'server.max_value_bytes'],
    ['KVStore/Batch', 'server.max_batch_bytes'],
  ])('of %s are stated with the key that sets them, by each of the counters', async (method, key) => {
    const running = await start({ valueBytesMax: 1_000, batchBytesMax: 70_000 });
    const body = Buffer.alloc(100_000);
    for (const type of ['application/json', 'application/grpc-web+proto']) {
      for (const encoding of ['identity', 'gzip']) {
        const isEnveloped = type.includes('grpc');
        const message = encoding === 'gzip' ? gzipSync(body) : body;
        const head = Buffer.from([encoding === 'gzip' ? 1 : 0, 0, 0, 0, 0]);
        head.writeUInt32BE(message.length, 1);
        const answer = await http1(running, 'POST', `/walnut.v1.${method}`, {
          headers: {
            'content-type': type,
            [isEnveloped ? 'grpc-encoding' : 'content-encoding']: encoding,
          },
          body: isEnveloped ? Buffer.concat([head, message]) : message,
        });
        expect(`${type} ${encoding}: ${decodeURIComponent(answer.text)}`).toContain(
          `which follows from ${key}`,
        );
      }
    }
  });

  it('let a read have its key and its tokens, and no more', () => {
    expect(limitsOf('/walnut.v1.KVStore/Get')?.readMaxBytes).toBe(16_384);
    expect(limitsOf('/walnut.v1.Replication/Register')?.readMaxBytes).toBe(16_384);
  });
});

describe('a small message that would become a large one', () => {
  const large = { valueBytesMax: 8_388_608, batchBytesMax: 33_554_432 };
  const operations = '0a00'.repeat(16_000_000);

  it.each([
    // The first is small, so that a node that counts nothing fails at once and not after decoding millions.
    ['KVStore/Batch', 'application/proto', Buffer.from('0a00'.repeat(64_001), 'hex'), '64000 fields'],
    ['KVStore/Batch', 'application/proto', Buffer.from(operations, 'hex'), '64000 fields'],
    ['Admin/Restore', 'application/proto', Buffer.from(operations, 'hex'), '64000 fields'],
    ['KVStore/Batch', 'application/json', `{"operations":[${'{},'.repeat(5_000_000)}{}]}`, '64000 fields'],
    ['KVStore/Set', 'application/json', '['.repeat(1_000_000), 'nests deeper'],
    ['KVStore/Set', 'application/proto', Buffer.from('7800'.repeat(5_000_000), 'hex'), '1024 fields'],
    ['KVStore/Get', 'application/proto', Buffer.from('7800'.repeat(5_000_000), 'hex'), '16384'],
    ['Replication/Register', 'application/proto', Buffer.from('3200'.repeat(5_000_000), 'hex'), '16384'],
  ])('for %s as %s is refused by what is in it, gzipped too', async (method, type, body, words) => {
    const running = await start(large);
    const bytes = Buffer.from(body);
    for (const encoding of ['identity', 'gzip']) {
      const answer = await http1(running, 'POST', `/walnut.v1.${method}`, {
        headers: { 'content-type': type, 'content-encoding': encoding },
        body: encoding === 'gzip' ? gzipSync(bytes) : bytes,
      });
      expect(JSON.parse(answer.text)).toMatchObject({
        code: words === 'nests deeper' ? 'invalid_argument' : 'resource_exhausted',
        message: expect.stringContaining(words),
      });
    }
    expect(running.logged).toEqual([]);
  });

  it.each([
    ['in chunks', { 'transfer-encoding': 'chunked', 'content-type': 'application/proto' }, false],
    [
      'in chunks, its type in capitals',
      { 'transfer-encoding': 'chunked', 'content-type': 'Application/PROTO' },
      false,
    ],
    ['by gRPC-Web', { 'content-type': 'application/grpc-web+proto' }, true],
  ])('is refused as well %s', async (_, headers, isEnveloped) => {
    const running = await start(large);
    const bytes = Buffer.from('0a00'.repeat(1_000_000), 'hex');
    const head = Buffer.alloc(5);
    head.writeUInt32BE(bytes.length, 1);
    const body = isEnveloped ? Buffer.concat([head, bytes]) : bytes;
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Batch', { headers, body });
    expect(answer.text).toContain('more than 64000 fields');
  });

  it('has hardly any room where connect-node decodes it, uncounted', async () => {
    const running = await start({ ...large, host: '0.0.0.0' });
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Batch', {
      // No name that the unary path takes, and one that a URL may have.
      headers: { host: 'ex%61mple', 'content-type': 'application/proto' },
      body: Buffer.from('0a00'.repeat(10_000), 'hex'),
    });
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'resource_exhausted' });
    expect(answer.text).toMatch(/has \d+ bytes: expected at most 16384"/);
    expect(answer.text).toContain('"name":"message"');
  });

  it('does not concern a batch of as many operations as may be', async () => {
    const running = await start(large);
    const set = { key: 'k', value: 'aGk=', ttlMs: '1', returnPrevious: true, timeoutMs: 1, requestId: 'r' };
    const ifVersion = { epoch: '4294967297', lsn: '1' };
    const all = Array.from({ length: BATCH_OPERATIONS_MAX }, () => ({ set: { ...set, ifVersion } }));
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Batch', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ operations: all }, undefined, 4),
    });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text).results).toHaveLength(BATCH_OPERATIONS_MAX);
  });
});
