import { STATUS_CODES } from 'node:http';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication } from '#gen/walnut/v1/replication_pb.ts';
import { type ErrorCode, type ErrorDetails, WalnutError } from '#model/errors.ts';
import { LOG_ID, positionOf } from '#test/server/fake-node.ts';
import { http1, http2, type Running, rpc, session, start, tcp, until } from '#test/server/running.ts';

async function failureOf(call: () => Promise<unknown>): Promise<ConnectError> {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error('the call succeeded');
}

const TABLE: readonly [ErrorCode, ErrorDetails, Code, number, string][] = [
  ['invalid_argument', {}, Code.InvalidArgument, 400, 'invalid_argument'],
  ['not_master', { leaderHint: 'm:8080' }, Code.FailedPrecondition, 421, 'failed_precondition'],
  ['unavailable', { leaderHint: 'm:8080' }, Code.Unavailable, 503, 'unavailable'],
  ['discarded_history', {}, Code.DataLoss, 410, 'data_loss'],
  ['out_of_range', { earliest: positionOf(7) }, Code.OutOfRange, 416, 'out_of_range'],
  ['resource_exhausted', {}, Code.ResourceExhausted, 507, 'resource_exhausted'],
  ['rate_limited', {}, Code.ResourceExhausted, 429, 'resource_exhausted'],
  ['failed_precondition', {}, Code.FailedPrecondition, 409, 'failed_precondition'],
  ['already_exists', {}, Code.AlreadyExists, 409, 'already_exists'],
  ['not_found', {}, Code.NotFound, 404, 'not_found'],
  ['unauthenticated', {}, Code.Unauthenticated, 401, 'unauthenticated'],
  ['cancelled', {}, Code.Canceled, 499, 'canceled'],
  ['storage_failed', {}, Code.Internal, 500, 'internal'],
  ['internal', {}, Code.Internal, 500, 'internal'],
];

describe.each(TABLE)('a port that fails with %s', (errorCode, details, connectCode, httpStatus, name) => {
  it('is answered with the same code and hints by every protocol', async () => {
    const running = await start();
    running.node.failure = new WalnutError(errorCode, 'what was expected', details);
    const transports = [
      createConnectTransport({ baseUrl: running.baseUrl, httpVersion: '1.1' }),
      createGrpcTransport({ baseUrl: running.baseUrl, idleConnectionTimeoutMs: 10 }),
      createGrpcWebTransport({ baseUrl: running.baseUrl, httpVersion: '1.1' }),
    ];
    for (const transport of transports) {
      const failure = await failureOf(() => createClient(KVStore, transport).set({ key: 'k' }));
      expect(failure).toMatchObject({ code: connectCode, rawMessage: 'what was expected' });
      expect(failure.metadata.get('x-leader-hint')).toBe(details.leaderHint ?? null);
      const earliest = details.earliest === undefined ? null : '4294967297-7';
      expect(failure.metadata.get('x-earliest-position')).toBe(earliest);
    }
    const keys = await http1(running, 'PUT', '/v1/keys/k', { body: 'v' });
    expect(keys.status).toBe(httpStatus);
    const told = { code: name, message: 'what was expected' };
    const title = httpStatus === 499 ? 'Client Closed Request' : STATUS_CODES[httpStatus];
    const problem = { type: 'about:blank', title, status: httpStatus, detail: told.message };
    expect(keys.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(keys.text)).toEqual({ ...problem, ...told });
    expect(keys.headers['x-leader-hint']).toBe(details.leaderHint);
  });
});

describe('an error of a plain route', () => {
  it.each([
    [undefined, 'application/problem+json'],
    ['*/*', 'application/problem+json'],
    ['text/html', 'application/problem+json'],
    ['application/json', 'application/json'],
    ['application/json, application/problem+json', 'application/problem+json'],
  ])('for Accept %j has the type %s', async (accept, type) => {
    const running = await start();
    const headers = accept === undefined ? {} : { accept };
    for (const path of ['/v1/keys/missing', '/v1/watch?ops=much', '/v1/keys/k?x=1']) {
      const answer = await http1(running, 'GET', path, { headers });
      expect([path, answer.headers['content-type']]).toEqual([path, type]);
      expect(JSON.parse(answer.text)).toMatchObject({ status: answer.status, type: 'about:blank' });
    }
    const foreign = { ...headers, host: 'evil.example' };
    const refused = await http1(running, 'GET', '/v1/keys/k', { headers: foreign });
    expect([refused.status, refused.headers['content-type']]).toEqual([403, type]);
  });

  it('leaves errors of rpcs as Connect has them', async () => {
    const running = await start();
    running.node.failure = new WalnutError('not_found', 'not here');
    const answer = await rpc(running, 'KVStore/Get', { key: 'k' });
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.json).toEqual({ code: 'not_found', message: 'not here' });
  });
});

describe('an error in a stream', () => {
  it('keeps its code', async () => {
    const running = await start();
    running.node.failure = new WalnutError('unavailable', 'no snapshot yet');
    const transport = createGrpcTransport({ baseUrl: running.baseUrl, idleConnectionTimeoutMs: 10 });
    const failure = await failureOf(async () => {
      for await (const _ of createClient(Replication, transport).fetchSnapshot({ logId: LOG_ID }));
    });
    expect(failure).toMatchObject({ code: Code.Unavailable, rawMessage: 'no snapshot yet' });
  });
});

describe('an unexpected error', () => {
  it('is logged under an id, and only the id is answered', async () => {
    const running = await start();
    running.node.failure = new TypeError('secret of the house');
    const answer = await rpc(running, 'KVStore/Get', { key: 'k' });
    expect(answer.status).toBe(500);
    expect(answer.json['code']).toBe('internal');
    expect(JSON.stringify(answer.json)).not.toContain('secret');
    const [line] = running.logged;
    expect(line?.level).toBe('error');
    expect(line?.fields['err']).toBe(running.node.failure);
    expect(answer.json['message']).toContain(String(line?.fields['correlationId']));

    const keys = await http1(running, 'GET', '/v1/keys/k');
    expect(keys.status).toBe(500);
    expect(keys.text).not.toContain('secret');
  });
});

describe('a deadline', () => {
  it('aborts the signal the port waits on and is answered as such', async () => {
    const running = await start();
    let isAborted = false;
    running.node.hold = (signal) =>
      new Promise((_, reject) => {
        const stop = (): void => {
          isAborted = true;
          reject(new WalnutError('cancelled', 'gone'));
        };
        signal?.addEventListener('abort', stop);
        // On a busy machine the deadline may have passed before the call is carried out.
        if (signal?.aborted === true) stop();
      });
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Get', {
      headers: { 'content-type': 'application/json', 'connect-timeout-ms': '20' },
      // The port is asked for what is not read at once.
      body: '{"key":"k","maxStalenessMs":"5"}',
    });
    expect(JSON.parse(answer.text).code).toBe('deadline_exceeded');
    expect(isAborted).toBe(true);
  });
});

describe('an unknown rpc', () => {
  it.each([
    ['/walnut.v1.KVStore/Decrement', 'known: Get, Set, Delete, '],
    ['/walnut.v1.Store/Get', 'known: services walnut.v1.KVStore, walnut.v1.Replication, walnut.v1.Admin'],
  ])('%s is 404 naming the known ones', async (path, known) => {
    const running = await start();
    const answer = await http1(running, 'POST', path, {
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'unimplemented' });
    expect(JSON.parse(answer.text).message).toContain(known);
  });

  it('is grpc-status 12 to gRPC', async () => {
    const client = session(await start());
    const headers = {
      ':path': '/walnut.v1.KVStore/Nope',
      ':method': 'POST',
      'content-type': 'application/grpc+proto',
    };
    const answer = await http2(client, headers, new Uint8Array(5));
    expect(answer.headers).toMatchObject({ ':status': 200, 'grpc-status': '12' });
    expect(decodeURIComponent(String(answer.headers['grpc-message']))).toContain('known: Get, Set');
  });

  it('does not swallow other paths', async () => {
    const running = await start();
    const answer = await http1(running, 'GET', '/favicon.ico');
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'not_found' });
  });
});

const GETS = [{ get: { key: 'k' } }];
const ATOMIC = { atomic: true };

/** Everything here must be refused by name and reach no port. */
const BAD_INPUT: readonly [string, string, unknown, string][] = [
  ['an empty key', 'Get', {}, 'key is empty'],
  ['an oversize key', 'Set', { key: 'k'.repeat(1_025) }, 'key has 1025 bytes: expected at most 1024'],
  [
    'a lone surrogate',
    'Set',
    '{"key":"a\\ud800b"}',
    'SetRequest.key from JSON: expected string: invalid UTF8',
  ],
  [
    'a lone surrogate in a prefix',
    'Scan',
    '{"prefix":"\\udc00"}',
    'ScanRequest.prefix from JSON: expected string: invalid UTF8',
  ],
  ['an oversize value', 'Set', { key: 'k', value: Buffer.alloc(1_025).toString('base64') }, 'at most 1024'],
  ['ill-formed JSON', 'Set', '{"key":', 'JSON'],
  ['JSON that is no object', 'Set', '[1]', 'walnut.v1.SetRequest'],
  ['an unknown field', 'Set', { key: 'k', tll_ms: '5' }, 'tll_ms'],
  ['an unknown enum name', 'Set', { key: 'k', durability: 'DURABILITY_FOREVER' }, 'DURABILITY_FOREVER'],
  ['an unknown enum number', 'Set', { key: 'k', durability: 9 }, 'durability is 9'],
  ['bad base64', 'Set', { key: 'k', value: '%%%' }, 'base64'],
  ['a wrong type', 'Set', { key: 5 }, 'key'],
  ['a ttl of zero', 'Set', { key: 'k', ttlMs: '0' }, 'ttl_ms is 0'],
  ['a negative ttl', 'Set', { key: 'k', ttlMs: '-1' }, 'ttl_ms'],
  ['a false in a oneof', 'Set', { key: 'k', keepTtl: false }, 'keep_ttl is false'],
  ['if_absent: false', 'Set', { key: 'k', ifAbsent: false }, 'if_absent is false'],
  ['if_present: false', 'Set', { key: 'k', ifPresent: false }, 'if_present is false'],
  ['two of a oneof', 'Set', { key: 'k', ifPresent: true, ifAbsent: true }, 'oneof'],
  ['a number beyond 2^53', 'Set', { key: 'k', ttlMs: '9007199254740992' }, 'ttl_ms is 9007199254740992'],
  [
    'a version beyond 2^53',
    'Delete',
    { key: 'k', ifVersion: { epoch: '18446744073709551615' } },
    'if_version.epoch',
  ],
  ['too long a wait', 'Get', { key: 'k', waitMs: 60_001 }, 'wait_ms is 60001'],
  ['an empty prefix without all', 'DeletePrefix', {}, 'prefix is empty: expected a prefix, or all'],
  ['a prefix with all', 'DeletePrefix', { prefix: 'a', all: true }, 'prefix and all are both given'],
  [
    'too many to delete',
    'DeletePrefix',
    { prefix: 'a', limit: 10_001 },
    'limit is 10001: expected at most 10000',
  ],
  ['too long a prefix', 'DeletePrefix', { prefix: 'p'.repeat(1_025) }, 'prefix has 1025 bytes'],
  ['too many acks', 'DeletePrefix', { prefix: 'a', minAcks: 65 }, 'min_acks is 65'],
  ['too long a timeout in an Increment', 'Increment', { key: 'k', timeoutMs: 60_001 }, 'timeout_ms is 60001'],
  ['an expiry of no length', 'Increment', { key: 'k', ttlMs: '0' }, 'ttl_ms is 0'],
  ['durability on a plain batch', 'Batch', { operations: GETS, durability: 2 }, 'durability is for atomic'],
  ['min_acks on a plain batch', 'Batch', { operations: GETS, minAcks: 1 }, 'min_acks is for atomic'],
  ['timeout_ms on a plain batch', 'Batch', { operations: GETS, timeoutMs: 1 }, 'timeout_ms is for atomic'],
  [
    'a name of a plain batch that reads',
    'Batch',
    { operations: GETS, requestId: 'r' },
    'writes only in a batch',
  ],
  ['an empty atomic batch', 'Batch', { atomic: true }, 'batch has 0 operations'],
  [
    'a request id without a write',
    'Batch',
    { ...ATOMIC, operations: GETS, requestId: 'r' },
    'no operation writes',
  ],
  [
    'a bad operation in an atomic batch',
    'Batch',
    { ...ATOMIC, operations: [...GETS, { set: { key: '' } }] },
    'operations[1]: key is empty',
  ],
  [
    'an empty operation in an atomic batch',
    'Batch',
    { ...ATOMIC, operations: [{}] },
    'operations[0]: operation is empty',
  ],
  [
    'durability within an atomic batch',
    'Batch',
    { ...ATOMIC, operations: [{ set: { key: 'k', durability: 2 } }] },
    'operations[0]: durability is set',
  ],
  [
    'min_acks within an atomic batch',
    'Batch',
    { ...ATOMIC, operations: [{ delete: { key: 'k', minAcks: 2 } }] },
    'operations[0]: min_acks is set',
  ],
  [
    'timeout_ms within an atomic batch',
    'Batch',
    { ...ATOMIC, operations: [{ increment: { key: 'k', timeoutMs: 2 } }] },
    'operations[0]: timeout_ms is set',
  ],
  [
    'request_id within an atomic batch',
    'Batch',
    { ...ATOMIC, operations: [{ increment: { key: 'k', requestId: 'r' } }] },
    'operations[0]: request_id is set',
  ],
  ['too long a timeout', 'Delete', { key: 'k', timeoutMs: 60_001 }, 'timeout_ms is 60001'],
  ['a count of keys', 'Scan', { countOnly: true, keysOnly: true }, 'count_only and keys_only exclude'],
  [
    'a count of times',
    'Scan',
    { countOnly: true, withModified: true },
    'count_only and with_modified exclude',
  ],
  ['too large a page', 'Scan', { limit: 10_001 }, 'limit is 10001'],
  ['an endless cursor', 'Scan', { cursor: 'c'.repeat(5_000) }, 'cursor has 5000 characters'],
  ['too many bytes', 'GetUpdates', { maxBytes: 16_777_217 }, 'max_bytes is 16777217'],
  ['an unknown format', 'GetUpdates', { format: 3 }, 'format is 3'],
  ['an empty batch', 'Batch', {}, 'batch has 0 operations: expected 1 to 1000'],
  ['too large a batch', 'Batch', { operations: Array(1_001).fill({}) }, 'batch has 1001 operations'],
];

describe('bad input', () => {
  it.each(BAD_INPUT)('%s is INVALID_ARGUMENT naming it', async (_name, method, body, expected) => {
    const running = await start();
    const answer = await rpc(running, `KVStore/${method}`, body);
    expect(answer.json).toMatchObject({ code: 'invalid_argument' });
    expect(answer.status).toBe(400);
    expect(answer.json['message']).toContain(expected);
    expect(running.node.calls).toEqual([]);
  });

  it.each([
    ['Admin/AddReplica', { address: 'no-port' }, 'expected host:port'],
    ['Admin/RemoveReplica', { address: 'a b:80' }, 'expected host:port'],
    ['Admin/AddReplica', { address: 'host:0' }, 'expected host:port'],
    ['Admin/QuarantineRelease', {}, 'expected discard_local or keep'],
    ['Admin/QuarantineRelease', { keep: false }, 'keep is false'],
    ['Replication/Register', { nodeId: 'x' }, 'node_id'],
    ['Replication/Replicate', { masterNodeId: LOG_ID, logId: '' }, 'log_id'],
  ])('%s %j is INVALID_ARGUMENT', async (method, body, expected) => {
    const running = await start();
    const answer = await rpc(running, method, body);
    expect([answer.status, answer.json['code']]).toEqual([400, 'invalid_argument']);
    expect(answer.json['message']).toContain(expected);
    expect(running.node.calls).toEqual([]);
  });

  it('refuses keys with bytes that are no UTF-8 in every protocol', async () => {
    const running = await start();
    const path = '/walnut.v1.KVStore/Set';
    const post = (contentType: string, body: Uint8Array): ReturnType<typeof http1> =>
      http1(running, 'POST', path, { headers: { 'content-type': contentType }, body });
    const message = Buffer.from([0x0a, 2, 0xff, 0xfe]);
    const envelope = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);

    const binary = await post('application/proto', message);
    expect([binary.status, JSON.parse(binary.text).code]).toEqual([400, 'invalid_argument']);
    const json = Buffer.concat([Buffer.from('{"key":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    const asJson = await post('application/json', json);
    expect([asJson.status, JSON.parse(asJson.text).code]).toEqual([400, 'invalid_argument']);
    const web = await post('application/grpc-web+proto', envelope);
    expect(web.text).toContain('grpc-status: 3\r');
    const headers = {
      ':path': path,
      ':method': 'POST',
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    };
    const grpc = await http2(session(running), headers, envelope);
    expect({ ...grpc.headers, ...grpc.trailers }['grpc-status']).toBe('3');

    expect(running.node.calls).toEqual([]);
    const { text } = await http1(running, 'GET', '/metrics');
    expect(text).toContain(
      'walnut_rpc_handled_total{method="walnut.v1.KVStore/Set",code="invalid_argument"} 4',
    );
  });

  it('names the content types it expects', async () => {
    const running = await start();
    const headers = { 'content-type': 'text/html' };
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Set', { headers, body: 'x' });
    expect(answer.status).toBe(415);
    expect(answer.headers['content-type']).toContain('text/plain');
    expect(answer.text).toContain('expected application/json');
  });
});

describe('transport limits', () => {
  const json = (
    running: Running,
    method: string,
    body: string,
  ): Promise<{ status: number; json: Record<string, unknown> }> => rpc(running, method, body);

  it('a message over 4/3 of the value limit and 64 KiB is RESOURCE_EXHAUSTED', async () => {
    const running = await start();
    const message = `{"key":"${'k'.repeat(1_024 * 2 + 65_536)}"}`;
    expect((await json(running, 'KVStore/Set', message)).json).toMatchObject({ code: 'resource_exhausted' });
    expect(running.node.calls).toEqual([]);
  });

  it('a batch over server.max_batch_bytes is RESOURCE_EXHAUSTED', async () => {
    const running = await start();
    const set = { set: { key: 'k', value: Buffer.alloc(900).toString('base64') } };
    const small = await json(running, 'KVStore/Batch', JSON.stringify({ operations: Array(5).fill(set) }));
    expect(small.status).toBe(200);
    const large = await json(running, 'KVStore/Batch', JSON.stringify({ operations: Array(9).fill(set) }));
    expect(large.json).toMatchObject({ code: 'resource_exhausted' });
    expect(running.node.calls.length).toBe(1);
  });

  it.each(['application/json', 'application/proto'])(
    'an endless %s body is cut off with an answer',
    async (type) => {
      const running = await start();
      const { socket, received } = tcp(running);
      socket.write(
        `POST /walnut.v1.KVStore/Set HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      for (let i = 0; i < 8; i++) socket.write(chunk);
      await until(() => received().includes('resource_exhausted'));
      expect(running.node.calls).toEqual([]);
    },
  );

  it('an endless gRPC body is cut off with an answer, and the session goes on', async () => {
    const running = await start();
    const client = session(running);
    const headers = {
      ':path': '/walnut.v1.KVStore/Set',
      ':method': 'POST',
      'content-type': 'application/grpc',
      te: 'trailers',
    };
    const stream = client.request(headers);
    const seen: Record<string, unknown> = {};
    stream.on('response', (given) => Object.assign(seen, given));
    stream.on('trailers', (given) => Object.assign(seen, given));
    stream.on('error', () => {});
    stream.resume();
    const ended = new Promise((resolve) => stream.once('end', resolve));
    stream.write(Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]));
    stream.write(Buffer.alloc(10_000));
    await ended;
    expect(seen['grpc-status']).toBe('8');
    expect((await http2(client, { ':path': '/livez' })).text).toBe('ok\n');
  });

  it('a compressed body is taken, and bound by what it becomes', async () => {
    const { gzipSync } = await import('node:zlib');
    const running = await start();
    const post = (body: string): ReturnType<typeof http1> =>
      http1(running, 'POST', '/walnut.v1.KVStore/Set', {
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: gzipSync(body),
      });
    expect((await post('{"key":"zipped"}')).status).toBe(200);
    expect(running.node.entries.has('zipped')).toBe(true);
    const bomb = await post(`{"key":"k","value":"${'A'.repeat(2_000_000)}"}`);
    expect(JSON.parse(bomb.text)).toMatchObject({ code: 'resource_exhausted' });
  });
});

describe('Batch', () => {
  it('gives a bad operation an error of its own and carries out the others', async () => {
    const running = await start();
    const answer = await rpc(running, 'KVStore/Batch', {
      operations: [{ set: { key: 'a', value: 'djE=' } }, { set: { key: '' } }, {}, { get: { key: 'a' } }],
    });
    expect(answer.status).toBe(200);
    const results = answer.json['results'] as Record<string, Record<string, unknown>>[];
    expect(results.map((result) => Object.keys(result)[0])).toEqual(['set', 'error', 'error', 'get']);
    expect(results[1]?.['error']).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('key is empty'),
    });
    expect(results[2]?.['error']?.['message']).toContain('expected one of get, set, delete');
    expect(results[3]?.['get']).toMatchObject({ found: true, value: 'djE=' });
  });

  it('refuses the whole where the port does', async () => {
    const running = await start();
    running.node.failure = new WalnutError('not_master', 'this node is a replica', { leaderHint: 'm:1' });
    const answer = await rpc(running, 'KVStore/Batch', { operations: [{ set: { key: 'a' } }, {}] });
    expect(answer.json).toMatchObject({ code: 'failed_precondition' });
    expect(answer.headers['x-leader-hint']).toBe('m:1');
  });

  it('bounds the answer: a Get that would carry it over is an error of its own', async () => {
    const running = await start();
    await rpc(running, 'KVStore/Set', { key: 'k', value: Buffer.alloc(1_000).toString('base64') });
    const answer = await rpc(running, 'KVStore/Batch', { operations: Array(10).fill({ get: { key: 'k' } }) });
    const results = answer.json['results'] as Record<string, Record<string, unknown>>[];
    expect(results.filter((result) => 'get' in result).length).toBe(8);
    expect(results[9]?.['error']).toMatchObject({ code: 'resource_exhausted' });
  });
});
