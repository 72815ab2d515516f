/** Pages of other sites: those of `server.cors_origins` may call over every protocol, and all others nothing. */
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, http2, session, start } from '#test/server/running.ts';

const PAGE = 'https://app.example.net';
const GET = '/walnut.v1.KVStore/Get';
const BY_QUERY = `${GET}?encoding=json&message=%7B%22key%22:%22k%22%7D`;
const bearer = { authorization: `Bearer ${tokenOf('both')}` };
const GRPC_WEB_GET = Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, 0x6b]);

function open(http: 'own' | 'node') {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode: 'required',
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  const corsOrigins = new Set([PAGE]);
  return start({ identities, isIdentityRequired: true, corsOrigins, http1: http, http2: http });
}

/** Forms of a call: verb, path, type, body, and the status of the answer. */
const CALLS = [
  ['POST', GET, 'application/json', '{"key":"k"}', 200],
  ['POST', GET, 'application/grpc-web+proto', GRPC_WEB_GET, 200],
  ['GET', BY_QUERY, undefined, undefined, 200],
  ['PUT', '/v1/keys/k', 'text/plain', 'v', 204],
  ['POST', '/v1/keys/n?increment=1', undefined, '', 200],
  ['GET', '/v1/keys', undefined, undefined, 200],
  ['GET', '/openapi.json', undefined, undefined, 200],
  ['GET', '/nothing', undefined, undefined, 404],
] as const;

describe.each(['own', 'node'] as const)('with the %s HTTP, a page', (http) => {
  it.each(CALLS)('of a listed origin may %s %s as %s', async (verb, path, type, body, status) => {
    const running = await open(http);
    await http1(running, 'PUT', '/v1/keys/k', { headers: bearer, body: 'v' });
    const headers = { origin: PAGE, ...bearer, ...(type === undefined ? {} : { 'content-type': type }) };
    const one = await http1(running, verb, path, {
      headers: { ...headers, 'sec-fetch-site': 'cross-site' },
      ...(body === undefined ? {} : { body }),
    });
    const head = { ':method': verb, ':path': path, ...headers };
    const two = await http2(session(running), head, body ?? '');
    expect([one.status, two.headers[':status']]).toEqual([status, status]);
    for (const answered of [one.headers, two.headers]) {
      expect(answered).toMatchObject({
        'access-control-allow-origin': PAGE,
        'access-control-expose-headers': '*',
        vary: expect.stringMatching(/^origin\b/),
      });
      expect(answered).not.toHaveProperty('access-control-allow-credentials');
    }
  });

  it.each(CALLS)('of another origin may not %s %s', async (verb, path, type, body) => {
    const running = await open(http);
    for (const page of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const headers = { ...page, ...bearer, ...(type === undefined ? {} : { 'content-type': type }) };
      const one = await http1(running, verb, path, { headers, ...(body === undefined ? {} : { body }) });
      const two = await http2(session(running), { ':method': verb, ':path': path, ...headers }, body ?? '');
      const isGrpc = type?.startsWith('application/grpc') === true;
      const refused = isGrpc ? ['7', '7'] : [403, 403];
      const told = isGrpc
        ? [one.headers['grpc-status'], two.headers['grpc-status']]
        : [one.status, two.headers[':status']];
      expect(told).toEqual(refused);
      expect(one.headers).not.toHaveProperty('access-control-allow-origin');
    }
    expect(running.node.calls).toEqual([]);
  });

  it('asks before it calls, without a credential, and gets told that it may', async () => {
    const running = await open(http);
    const ask = (origin: string, path: string) =>
      http1(running, 'OPTIONS', path, {
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization, connect-protocol-version',
        },
      });
    for (const path of [GET, '/v1/keys/k', '/nothing']) {
      const { status, headers, text } = await ask(PAGE, path);
      expect([status, text]).toEqual([204, '']);
      expect(headers).toMatchObject({
        'access-control-allow-origin': PAGE,
        'access-control-allow-methods': '*',
        'access-control-allow-headers': 'authorization, *',
        'access-control-max-age': '7200',
      });
      const refused = await ask('https://evil.example', path);
      expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([403, undefined]);
    }
    const plain = await http1(running, 'OPTIONS', '/v1/keys/k', { headers: { origin: PAGE } });
    expect([plain.status, plain.headers['access-control-allow-origin']]).toEqual([401, PAGE]);
  });

  it('without a credential is told so, in an answer that it may read', async () => {
    const running = await open(http);
    const { status, headers } = await http1(running, 'GET', '/v1/keys/k', { headers: { origin: PAGE } });
    expect([status, headers['access-control-allow-origin']]).toEqual([401, PAGE]);
  });
});

it('a form that a foreign page posts adds nothing, where nobody needs a credential', async () => {
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const running = await start({ host });
    for (const page of [
      { origin: 'https://evil.example' },
      { origin: 'http://localhost:3000' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' },
    ]) {
      const headers = { ...page, 'content-type': 'application/x-www-form-urlencoded' };
      const answer = await http1(running, 'POST', '/v1/keys/n?increment=5', { headers, body: '' });
      expect(answer.status).toBe(403);
    }
    expect(running.node.calls).toEqual([]);
  }
});
