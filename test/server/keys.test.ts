import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { WalnutError } from '#model/errors.ts';
import { positionOf } from '#test/server/fake-node.ts';
import {
  http1,
  http2,
  type PlainRequest,
  session,
  start,
  tcp,
  until,
  VALUE_BYTES_MAX,
} from '#test/server/running.ts';

describe('/v1/keys/{key}', () => {
  it('keeps a value as it is: PUT, GET, HEAD, DELETE', async () => {
    const running = await start();
    const value = Buffer.from([0, 255, 13, 10, 128]);
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: value });
    expect(put.status).toBe(201);
    expect(put.headers).toMatchObject({
      etag: '"4294967297-1"',
      'x-walnut-position': '4294967297-1',
      'x-walnut-durability': 'accepted',
      'x-walnut-replicas-acked': '0',
    });

    const got = await http1(running, 'GET', '/v1/keys/k');
    expect(got.status).toBe(200);
    expect(got.body.equals(value)).toBe(true);
    expect(got.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
      etag: '"4294967297-1"',
      'x-walnut-as-of': '4294967297-1',
      'x-walnut-staleness-ms': '0',
    });
    expect(got.headers['x-walnut-expire-at-ms']).toBeUndefined();

    const head = await http1(running, 'HEAD', '/v1/keys/k');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '5', 0]);

    expect((await http1(running, 'PUT', '/v1/keys/k', { body: 'again' })).status).toBe(204);
    const deleted = await http1(running, 'DELETE', '/v1/keys/k');
    expect([deleted.status, deleted.headers['x-walnut-position']]).toEqual([204, '4294967297-3']);
    const missing = await http1(running, 'GET', '/v1/keys/k');
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.text)).toMatchObject({ code: 'not_found' });
    expect(missing.headers['x-walnut-as-of']).toBe('4294967297-3');
    expect((await http1(running, 'DELETE', '/v1/keys/k')).status).toBe(404);
  });

  it('keeps the content type of a PUT, and gives it back where nothing of it can run', async () => {
    const running = await start();
    const put = (type: string | undefined) =>
      http1(running, 'PUT', '/v1/keys/typed', {
        body: '<p>',
        headers: type === undefined ? {} : { 'content-type': type },
      });
    const got = async () => (await http1(running, 'GET', '/v1/keys/typed')).headers;
    await put('text/html; charset=utf-8');
    expect(await got()).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'content-disposition': 'attachment',
    });
    await put('Application/JSON');
    expect((await got())['content-type']).toBe('Application/JSON');
    expect((await got())['content-disposition']).toBeUndefined();
    // The second is what curl sends by itself.
    for (const type of [undefined, 'application/x-www-form-urlencoded', 'application/octet-stream']) {
      await put(type);
      expect(running.node.entries.get('typed')).not.toHaveProperty('contentType');
      expect((await got())['content-type']).toBe('application/octet-stream');
    }
    expect((await put(`text/${'x'.repeat(300)}`)).status).toBe(400);
  });

  it('stores the value without its content type where a replica could not read that, and says so', async () => {
    const running = await start();
    const { keyValue } = running.node.ports;
    const { set } = keyValue;
    const refuse: typeof set = (command, signal) => {
      if (command.contentType === undefined) return set(command, signal);
      throw new WalnutError('failed_precondition', 'a replica is too old', { nothingDone: true });
    };
    Object.assign(keyValue, { set: refuse });
    const headers = { 'content-type': 'text/html' };
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: 'v', headers });
    expect([put.status, put.headers['x-walnut-not-kept']]).toEqual([201, 'content-type']);
    expect(running.node.entries.get('k')).not.toHaveProperty('contentType');
    const plain = await http1(running, 'PUT', '/v1/keys/k', { body: 'v' });
    expect([plain.status, plain.headers['x-walnut-not-kept']]).toEqual([204, undefined]);
  });

  it.each([
    ['nothing was done', { nothingDone: true }, true],
    ['the outcome is unknown', {}, undefined],
  ] as const)('says in the problem of a write whether %s', async (_, details, nothingDone) => {
    const running = await start();
    running.node.failure = new WalnutError('unavailable', 'the master does not answer', details);
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: 'v' });
    expect(put.status).toBe(503);
    expect(JSON.parse(put.text).nothingDone).toBe(nothingDone);
  });

  it.each([
    ['a condition that is not met', 412, '/v1/keys/k', { 'if-match': '"4294967297-9"' }],
    ['a parameter that there is not', 400, '/v1/keys/k?ttl=soon', {}],
  ])('says of %s that nothing was done', async (_, status, path, headers) => {
    const put = await http1(await start(), 'PUT', path, { body: 'v', headers });
    expect([put.status, JSON.parse(put.text).nothingDone]).toEqual([status, true]);
  });

  it.each([
    ['/v1/keys/a/b//c', 'a/b//c'],
    ['/v1/keys/a%2Fb%20%C3%BC', 'a/b ü'],
    ['/v1/keys/__proto__', '__proto__'],
    ['/v1/keys/a%00%0d%0a', 'a\u0000\r\n'],
    ['/v1/keys/../x', '../x'],
    ['/v1/keys/a+b', 'a+b'],
    ['http://localhost/v1/keys/abs', 'abs'],
  ])('%s is the key %j', async (path, key) => {
    const running = await start();
    await http1(running, 'PUT', path, { body: 'v' });
    expect([...running.node.entries.keys()]).toEqual([key]);
    expect((await http1(running, 'GET', path)).text).toBe('v');
  });

  it('reads the expiry and the write options', async () => {
    const running = await start();
    await http1(
      running,
      'PUT',
      '/v1/keys/k?ttl=30s&durability=local&min_acks=2&timeout=1.5s&request_id=r-1',
      {
        body: 'v',
      },
    );
    expect(running.node.calls[0]?.argument).toMatchObject({
      expiry: { kind: 'ttl', ttlMs: 30_000 },
      durability: 'local',
      minAcks: 2,
      timeoutMs: 1_500,
      id: { name: { kind: 'request', requestId: 'r-1' } },
    });
    expect((await http1(running, 'GET', '/v1/keys/k')).headers['x-walnut-expire-at-ms']).toBe('1030000');
    await http1(running, 'PUT', '/v1/keys/k?ttl=keep', { body: 'v' });
    expect(running.node.calls.at(-1)?.argument).toMatchObject({ expiry: { kind: 'keep' } });
    await http1(running, 'PUT', '/v1/keys/k?ttl=never', { body: 'v' });
    expect(running.node.calls.at(-1)?.argument).toMatchObject({ expiry: { kind: 'at', expireAtMs: 0 } });
    await http1(running, 'GET', '/v1/keys/k?at_least=4294967297-1&wait=250ms&max_staleness=1s');
    expect(running.node.calls.at(-1)?.argument).toMatchObject({
      atLeast: positionOf(1),
      waitMs: 250,
      maxStalenessMs: 1_000,
    });
  });

  it('keeps the conditions of HTTP', async () => {
    const running = await start();
    const put = (headers: PlainRequest['headers']): ReturnType<typeof http1> =>
      http1(running, 'PUT', '/v1/keys/k', { headers: headers ?? {}, body: 'v' });
    const missing = await put({ 'if-match': '*' });
    expect([missing.status, missing.headers.etag]).toEqual([412, undefined]);
    expect((await put({ 'if-none-match': '*' })).status).toBe(201);
    const taken = await put({ 'if-none-match': '*' });
    expect([taken.status, taken.headers.etag]).toEqual([412, '"4294967297-1"']);
    expect(JSON.parse(taken.text).message).toContain('the version is 4294967297-1');
    expect((await put({ 'if-match': '"4294967297-1"' })).status).toBe(204);
    expect((await put({ 'if-match': '"4294967297-1"' })).status).toBe(412);

    const unchanged = await http1(running, 'GET', '/v1/keys/k', {
      headers: { 'if-none-match': '"4294967297-2"' },
    });
    expect([unchanged.status, unchanged.text]).toEqual([304, '']);
    const changed = await http1(running, 'GET', '/v1/keys/k', {
      headers: { 'if-none-match': '"4294967297-1"' },
    });
    expect(changed.status).toBe(200);

    const remove = (etag: string): ReturnType<typeof http1> =>
      http1(running, 'DELETE', '/v1/keys/k', { headers: { 'if-match': etag } });
    const refused = await remove('"4294967297-1"');
    expect([refused.status, refused.headers.etag]).toEqual([412, '"4294967297-2"']);
    expect((await remove('"4294967297-2"')).status).toBe(204);
  });

  it.each<[string, string, PlainRequest, string]>([
    ['GET', '/v1/keys/', {}, 'key is empty'],
    ['GET', '/v1/keys/%zz', {}, 'bad escape'],
    ['GET', '/v1/keys/%ff', {}, 'bad escape'],
    ['GET', `/v1/keys/${'k'.repeat(1_025)}`, {}, 'at most 1024'],
    ['GET', '/v1/keys/k?ttl=5s', {}, 'unknown parameter \\"ttl\\"'],
    ['GET', '/v1/keys/k?at_least=5', {}, 'expected epoch-lsn'],
    ['GET', '/v1/keys/k?wait=61s', {}, 'at most 60000'],
    ['PUT', '/v1/keys/k?ttl=5', {}, 'expected keep, never or a duration'],
    ['PUT', '/v1/keys/k?ttl=0s', {}, 'above 0'],
    ['PUT', '/v1/keys/k?ttl=12xyz', {}, 'above 0'],
    ['PUT', '/v1/keys/k?tll=5s', {}, 'unknown parameter \\"tll\\"'],
    ['PUT', '/v1/keys/k?ttl=5s&ttl=6s', {}, 'twice'],
    ['PUT', '/v1/keys/k?durability=much', {}, 'expected accepted, local or quorum'],
    ['PUT', '/v1/keys/k?min_acks=-1', {}, 'expected a whole number'],
    ['PUT', `/v1/keys/k?request_id=${'r'.repeat(129)}`, {}, 'at most 128'],
    ['PUT', '/v1/keys/k?request_id=', {}, 'request_id is empty'],
    ['POST', '/v1/keys/k?increment&request_id', {}, 'request_id is empty'],
    ['DELETE', '/v1/keys/k?request_id=%ff', {}, 'bad escape'],
    ['GET', '/v1/keys/k?explain=%ff', {}, 'bad escape'],
    ['GET', '/v1/keys?prefix=%zz', {}, 'bad escape'],
    ['GET', '/v1/watch?key=%ff', {}, 'bad escape'],
    ['PUT', '/v1/keys/k', { headers: { 'if-match': '1-1' } }, 'quoted version'],
    ['GET', '/v1/keys/k', { headers: { 'if-none-match': '1-1' } }, 'quoted version'],
    ['PUT', '/v1/keys/k?request_id=r', { headers: { 'if-none-match': '"1-1"' } }, 'one condition'],
    ['PUT', '/v1/keys/k', { headers: { 'content-encoding': 'gzip' } }, 'is no gzip'],
    ['PUT', '/v1/keys/k', { headers: { 'content-encoding': 'gzip' }, body: 'plain' }, 'is no gzip'],
    [
      'PUT',
      '/v1/keys/k',
      { headers: { 'content-encoding': 'gzip' }, body: gzipSync('cut off').subarray(0, 20) },
      'is no gzip',
    ],
    ['DELETE', '/v1/keys/k', { headers: { 'if-none-match': '*' } }, 'does not go with DELETE'],
    ['PUT', '/v1/keys/k', { headers: { 'content-range': 'bytes 0-1/5' }, body: 'v' }, 'the whole value'],
    ['POST', '/v1/keys/k', {}, 'expected ?increment'],
    ['POST', '/v1/keys/k?increment=+5', {}, 'such as 1 or -5'],
    ['POST', '/v1/keys/k?increment=1.5', {}, 'such as 1 or -5'],
    ['POST', '/v1/keys/k?increment=9223372036854775808', {}, 'to 9223372036854775807'],
    ['POST', '/v1/keys/k?increment&initial=', {}, 'initial is \\"\\"'],
    ['POST', '/v1/keys/k?increment&ttl=keep', {}, 'keeps the deadline by itself'],
    ['POST', '/v1/keys/k?increment', { body: '5' }, 'the body has 1 byte: expected none'],
  ])('%s %s with %j is 400 and reaches no port', async (method, path, request, expected) => {
    const running = await start();
    const answer = await http1(running, method, path, request);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'invalid_argument' });
    expect(answer.text).toContain(expected);
    expect(running.node.calls).toEqual([]);
  });

  it('takes the time to live as a header too, and not two different ones', async () => {
    const running = await start();
    const ttl = async (method: string, query: string, headers: Record<string, string>): Promise<string> => {
      const { status, text } = await http1(running, method, `/v1/keys/n${query}`, { headers });
      return status < 300 ? `${running.node.entries.get('n')?.expireAtMs}` : `${status} ${text}`;
    };
    expect(await ttl('PUT', '', { 'x-walnut-ttl': '5s' })).toBe('1005000');
    expect(await ttl('DELETE', '', {})).toBe('undefined');
    expect(await ttl('POST', '?increment', { 'x-walnut-ttl': '7s' })).toBe('1007000');
    expect(await ttl('PUT', '?ttl=5s', { 'x-walnut-ttl': '6s' })).toMatch(
      /^400 .*differ: expected one of them/,
    );
    expect(await ttl('PUT', '', { 'x-walnut-ttl': 'soon' })).toMatch(/^400 .*expected keep, never/);
  });

  it('refuses a body over the limit, announced or not', async () => {
    const running = await start();
    const announced = await http1(running, 'PUT', '/v1/keys/k', { body: Buffer.alloc(1_025) });
    expect(announced.status).toBe(413);
    expect(announced.text).toContain('at most 1024 (server.max_value_bytes)');
    const chunked = await http1(running, 'PUT', '/v1/keys/k', {
      headers: { 'transfer-encoding': 'chunked' },
      body: Buffer.alloc(1_025),
    });
    expect(chunked.status).toBe(413);
    expect((await http1(running, 'PUT', '/v1/keys/k', { body: Buffer.alloc(1_024) })).status).toBe(201);
    expect(running.node.calls.length).toBe(1);
  });

  it('asks for a body that was announced with Expect, and not for one that is too large', async () => {
    const running = await start();
    const put = async (bytes: number): Promise<string> => {
      const { socket, received } = tcp(running);
      socket.write(
        `PUT /v1/keys/k HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${bytes}\r\n\r\n`,
      );
      await until(() => received().includes('\r\n\r\n'));
      if (received().includes(' 100 ')) socket.write('x'.repeat(bytes));
      await until(() => /HTTP\/1\.1 [2-5]\d\d/.test(received()));
      return received();
    };
    expect(await put(1_024)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
    expect(await put(1_025)).toMatch(/^HTTP\/1\.1 413 .*connection: close/is);
  });

  it('answers a body over the limit whole, however much of it comes', async () => {
    const running = await start();
    const body = Buffer.alloc(20_000_000);
    const { socket, received } = tcp(running);
    socket.write(`PUT /v1/keys/k HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
    await until(() => received().includes('413'));
    socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => received().includes('HTTP/1.1 200'));
  });

  it.each(['gzip', 'x-gzip', 'GZip', 'identity, gzip'])('keeps a body of %s decoded', async (coding) => {
    const running = await start();
    const value = Buffer.alloc(VALUE_BYTES_MAX, 'v');
    const headers = { 'content-encoding': coding };
    const put = await http1(running, 'PUT', '/v1/keys/k', { headers, body: gzipSync(value) });
    expect(put.status).toBe(201);
    const got = await http1(running, 'GET', '/v1/keys/k');
    expect([got.headers['content-encoding'], got.body.equals(value)]).toEqual([undefined, true]);
    const above = await http1(running, 'PUT', '/v1/keys/k', {
      headers,
      body: gzipSync(Buffer.alloc(VALUE_BYTES_MAX + 1)),
    });
    expect([above.status, above.text]).toEqual([413, expect.stringContaining('decompressed more than 1024')]);
  });

  it.each(['br', 'gzip, br', 'gzip, gzip', 'zstd'])(
    'names the codings it takes instead of %s',
    async (coding) => {
      const running = await start();
      const answer = await http1(running, 'PUT', '/v1/keys/k', {
        headers: { 'content-encoding': coding },
        body: 'v',
      });
      expect([answer.status, answer.headers['accept-encoding']]).toEqual([415, 'gzip, identity']);
      expect(JSON.parse(answer.text).message).toContain('expected gzip, or none');
      expect(running.node.calls).toEqual([]);
      expect(
        (await http1(running, 'PUT', '/v1/keys/k', { headers: { 'content-encoding': 'identity' } })).status,
      ).toBe(201);
    },
  );

  it('compares tags as HTTP does: weak ones, lists, and If-Match of a GET', async () => {
    const running = await start();
    await http1(running, 'PUT', '/v1/keys/k', { body: 'v' });
    const get = async (headers: Record<string, string>): Promise<number> =>
      (await http1(running, 'GET', '/v1/keys/k', { headers })).status;
    expect(await get({ 'if-none-match': 'W/"4294967297-1"' })).toBe(304);
    expect(await get({ 'if-none-match': '"a", "4294967297-1"' })).toBe(304);
    expect(await get({ 'if-match': '"4294967297-1"' })).toBe(200);
    expect(await get({ 'if-match': 'W/"4294967297-1"' })).toBe(412);
    expect(await get({ 'if-match': '*', 'if-none-match': '*' })).toBe(304);
    const put = async (headers: Record<string, string>): Promise<number> =>
      (await http1(running, 'PUT', '/v1/keys/k', { headers, body: 'w' })).status;
    expect(await put({ 'if-none-match': '"4294967297-1"' })).toBe(412);
    expect(await put({ 'if-match': '"a", "4294967297-1"' })).toBe(204);
    expect(await put({ 'if-match': 'W/"4294967297-2"' })).toBe(412);
    const remove = await http1(running, 'DELETE', '/v1/keys/k', {
      headers: { 'if-match': '"a", "4294967297-2"' },
    });
    expect(remove.status).toBe(204);
    expect((await http1(running, 'DELETE', '/v1/keys/k', { headers: { 'if-match': '*' } })).status).toBe(412);
  });

  it('refuses a path over HTTP/2 whose bytes are no ASCII, naming the escape', async () => {
    const running = await start();
    const path = Buffer.from('/v1/keys/ü').toString('latin1');
    const answer = await http2(session(running), { ':path': path });
    expect([answer.headers[':status'], answer.text]).toEqual([400, expect.stringContaining('%C3%BC')]);
    expect(running.node.calls).toEqual([]);
  });

  it('names the methods there are', async () => {
    const running = await start();
    const allow = 'GET, HEAD, PUT, POST, DELETE, OPTIONS';
    const options = await http1(running, 'OPTIONS', '/v1/keys/k');
    expect([options.status, options.headers.allow, options.text]).toEqual([204, allow, '']);
    const answer = await http1(running, 'PATCH', '/v1/keys/k', { body: 'v' });
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
    expect(JSON.parse(answer.text)).toMatchObject({ title: 'Method Not Allowed', code: 'unimplemented' });
    expect(running.node.calls).toEqual([]);
    const counted = await running.metrics.render();
    expect(counted).toContain('walnut_keys_requests_total{method="OPTIONS",code="ok"} 1');
    expect(counted).toContain('walnut_keys_requests_total{method="other",code="unimplemented"} 1');
  });

  it('sends a write on a replica to the master', async () => {
    const running = await start();
    running.node.failure = new WalnutError('not_master', 'this node is a replica', { leaderHint: 'm:8080' });
    for (const method of ['PUT', 'POST', 'DELETE']) {
      const query = method === 'POST' ? '?increment' : '';
      const answer = await http1(running, method, `/v1/keys/k${query}`);
      expect([answer.status, answer.headers['x-leader-hint']]).toEqual([421, 'm:8080']);
    }
  });
});
