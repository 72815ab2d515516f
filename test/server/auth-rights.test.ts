/** Rights where one answer shows them: streams that end, headers that come twice, users with few rights. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { createNodeRandom } from '#platform/random.ts';
import { AUTH_FILE, tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, onCleanup, type Running, start, tcp, until } from '#test/server/running.ts';

function identitiesIn(mode: 'permissive' | 'required' = 'required'): Identities {
  return new Identities({
    clock: new VirtualClock(),
    mode,
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
}

function openGuarded(mode: 'permissive' | 'required' = 'required'): Promise<Running> {
  return start({ identities: identitiesIn(mode), isIdentityRequired: mode === 'required' });
}

function headersOf(caller: string): Record<string, string> {
  return { authorization: `Bearer ${tokenOf(caller)}` };
}

describe('an open stream', () => {
  it.each(['/walnut.v1.KVStore/Watch', '/v1/watch'])('at %s ends when its user is removed', async (path) => {
    const identities = identitiesIn();
    const running = await start({ identities, isIdentityRequired: true });
    running.node.watched = async function* (_command, signal) {
      identities.replace(
        usersOf({ ...AUTH_FILE, users: AUTH_FILE.users.filter(({ name }) => name !== 'app') }),
      );
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    const isRpc = path.startsWith('/walnut');
    const answer = await http1(running, isRpc ? 'POST' : 'GET', path, {
      headers: { ...headersOf('app'), ...(isRpc ? { 'content-type': 'application/connect+json' } : {}) },
      ...(isRpc
        ? { body: Buffer.concat([Buffer.from([0, 0, 0, 0, 13]), Buffer.from('{"prefix":""}')]) }
        : {}),
    });
    expect(answer.text).toContain('unavailable');
    expect(answer.text).toContain('the rights of this caller changed');
  });
});

describe('two authorization headers over HTTP/2', () => {
  it.each([
    ['own', '/walnut.v1.KVStore/Get', '401'],
    ['own', '/v1/keys/k', '401'],
    ['node', '/walnut.v1.KVStore/Get', '400'],
    ['node', '/v1/keys/k', '400'],
  ] as const)('are refused by the codec of %s at %s', async (codec, path, status) => {
    const identities = identitiesIn();
    const running = await start({ identities, isIdentityRequired: true, http2: codec });
    // Node's types do not have the option for clients yet.
    const lenient: object = { strictSingleValueFields: false };
    const client = connect(running.baseUrl, lenient);
    onCleanup(() => client.destroy());
    const isRpc = path.startsWith('/walnut');
    const both = ['reader', 'app'].map((name) => headersOf(name).authorization ?? '');
    const stream = client.request({
      ':method': isRpc ? 'POST' : 'GET',
      ':path': path,
      authorization: both as unknown as string,
      ...(isRpc ? { 'content-type': 'application/json' } : {}),
    });
    stream.end(isRpc ? '{"key":"k"}' : undefined);
    const [answered] = await once(stream, 'response');
    expect([String(answered[':status']), running.node.calls]).toEqual([status, []]);
  });
});

describe('a registration', () => {
  it('ends with the user that made it', async () => {
    const identities = identitiesIn();
    const running = await start({ identities, isIdentityRequired: true });
    await http1(running, 'POST', '/walnut.v1.Replication/Register', {
      headers: { ...headersOf('replica'), 'content-type': 'application/json' },
      body: JSON.stringify({ nodeId: 'a'.repeat(32), advertise: ':8081' }),
    });
    const before = running.node.retired?.aborted;
    identities.replace(
      usersOf({ ...AUTH_FILE, users: AUTH_FILE.users.filter(({ name }) => name !== 'replica') }),
    );
    expect([before, running.node.retired?.aborted]).toEqual([false, true]);
  });
});

describe('a server that is permissive', () => {
  it('lets callers without a credential do everything, and refuses a wrong one', async () => {
    const running = await openGuarded('permissive');
    const put = (headers: Record<string, string>) =>
      http1(running, 'PUT', '/v1/keys/foreign', { headers, body: 'x' });
    expect((await put({})).status).toBe(201);
    expect((await put(headersOf('impostor'))).status).toBe(401);
    expect((await put(headersOf('app'))).status).toBe(403);
  });
});

describe('a user that may call one method', () => {
  it.each([
    [
      'getter',
      ['', '?explain=false', '?wait=0s'],
      ['?explain', '?explain=true', '?%65xplain', '?explain=maybe'],
    ],
    ['explainer', ['?explain', '?%65xplain', '?explain=true'], ['', '?explain=false', '?wait=explain']],
  ])('has it in no other form: %s', async (caller, allowed, refused) => {
    const running = await openGuarded();
    const ask = (query: string) =>
      http1(running, 'GET', `/v1/keys/own:k${query}`, { headers: headersOf(caller) });
    for (const query of allowed) expect([query, (await ask(query)).status]).not.toEqual([query, 403]);
    const asked = running.node.calls.splice(0).map(({ port }) => port);
    expect(asked).toEqual(allowed.map(() => (caller === 'getter' ? 'get' : 'explain')));
    for (const query of refused) expect([query, (await ask(query)).status]).toEqual([query, 403]);
    expect(running.node.calls).toEqual([]);
  });
});

describe('a user that may write and not read', () => {
  it.each([
    ['feeder', true],
    ['app', false],
  ])('is told in each answer that what is stored is left out: %s', async (caller, isLeftOut) => {
    const running = await openGuarded();
    const call = async (method: string, body: object): Promise<Record<string, unknown>> => {
      const headers = { ...headersOf(caller), 'content-type': 'application/json' };
      const path = `/walnut.v1.KVStore/${method}`;
      return JSON.parse((await http1(running, 'POST', path, { headers, body: JSON.stringify(body) })).text);
    };
    const increment = { key: 'own:n' };
    const touch = { key: 'own:n', ttlMs: '60000' };
    const remove = { key: 'own:n' };
    const answers = [
      await call('Set', { key: 'own:n', value: 'MQ==' }),
      await call('Increment', increment),
      await call('Touch', touch),
      await call('Delete', remove),
    ];
    const { results } = await call('Batch', { operations: [{ increment }, { touch }, { delete: remove }] });
    const inBatch = (results as Record<string, object>[]).flatMap((result) => Object.values(result));
    expect(inBatch).toHaveLength(3);
    for (const answer of [...answers, ...inBatch]) expect('leftOut' in answer).toBe(isLeftOut);
  });

  it('is told nothing of what is stored by the answers of writes over HTTP', async () => {
    const running = await openGuarded();
    const ask = (verb: string, path: string, body?: string, more: Record<string, string> = {}) =>
      http1(running, verb, `/v1/keys/${path}`, {
        headers: { ...headersOf('feeder'), ...more },
        ...(body === undefined ? {} : { body }),
      });
    // The same status for a key that was missing and for one that was there.
    expect([(await ask('PUT', 'own:n', '41')).status, (await ask('PUT', 'own:n', '41')).status]).toEqual([
      204, 204,
    ]);
    const sum = await ask('POST', 'own:n?increment=1');
    expect([sum.status, sum.text, sum.headers['x-walnut-expire-at-ms']]).toEqual([200, '', undefined]);
    expect(sum.headers['x-walnut-left-out']).toBe('true');
    const tooMuch = await ask('POST', 'own:n?increment=9223372036854775807');
    expect([tooMuch.status, tooMuch.text]).toEqual([409, expect.not.stringContaining('42')]);
    await ask('PUT', 'own:t', 'secret');
    const noNumber = await ask('POST', 'own:t?increment=1');
    expect([noNumber.status, noNumber.text]).toEqual([409, expect.not.stringContaining('secret')]);
    const tag = '"1-1"';
    const failed = await ask('PUT', 'own:n', 'x', { 'if-match': tag });
    expect([failed.status, failed.headers.etag]).toEqual([412, undefined]);
    const deleted = await ask('DELETE', 'own:n', undefined, { 'if-match': tag });
    const absent = await ask('PUT', 'own:n', 'x', { 'if-none-match': '*' });
    for (const { status, text } of [failed, deleted, absent])
      expect([status, JSON.parse(text).message]).toEqual([412, 'the condition was not met']);
    const several = await ask('PUT', 'own:n', 'x', { 'if-match': `${tag}, "1-2"` });
    expect([several.status, several.text]).toEqual([
      403,
      expect.stringContaining('you may write this key and not read it'),
    ]);
  });
});

describe('a key that may not be written', () => {
  it.each([
    ['PUT /v1/keys/other', 'content-length: 1000\r\nexpect: 100-continue'],
    ['PUT /v1/keys/other', 'transfer-encoding: chunked'],
    ['POST /v1/keys/other?increment', 'content-length: 1000\r\nexpect: 100-continue'],
  ])('is refused before the body: %s, %s', async (line, header) => {
    let bodyBytes = 0;
    const onBodyBytes = (bytes: number): void => {
      bodyBytes += bytes;
    };
    const running = await start({ identities: identitiesIn(), isIdentityRequired: true, onBodyBytes });
    const { socket, received } = tcp(running);
    const { authorization } = headersOf('app');
    socket.write(`${line} HTTP/1.1\r\nhost: a\r\nauthorization: ${authorization}\r\n${header}\r\n\r\n`);
    await until(() => received().includes('permission_denied'));
    expect(received()).toMatch(/^HTTP\/1\.1 403 /);
    expect([bodyBytes, running.node.calls]).toEqual([0, []]);
  });
});
