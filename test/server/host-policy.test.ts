import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { createHostPolicy, hostOf } from '#rpc/host-policy.ts';
import { http1, http2, session, start, tcp } from '#test/server/running.ts';

const PAGE = 'https://app.example.net';
const NAMES = ['Box.Example', 'cache.example.net'];
const origins = new Set([PAGE]);
const onLoopback = createHostPolicy({ isLoopback: true, names: NAMES, origins });
const elsewhere = createHostPolicy({ isLoopback: false, names: NAMES, origins });

const SERVED = [
  '127.0.0.1',
  '127.0.0.1:8080',
  '10.1.2.3:80',
  '[::1]',
  '[::1]:8080',
  '[FE80::1%eth0]:8080',
  'localhost',
  'LocalHost:8080',
  'localhost.',
  'localhost.:8080',
  'localhost:',
  'box.example:8080',
  'BOX.EXAMPLE.',
  'cache.example.net',
];
const REFUSED = [
  'evil.example',
  'evil.example:8080',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'notlocalhost',
  'localhost..',
  'localhost@evil.example',
  'user:pass@127.0.0.1',
  '127.0.0.1:8080:evil.example',
  '[evil.example]',
  '127.1',
  'localhost evil.example',
  'localhost,evil.example',
  'example.net',
  'other.cache.example.net',
  '[',
  '',
];
const BROWSERS = [
  { origin: PAGE },
  { 'sec-fetch-site': 'none' },
  { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) …' },
];

describe('a page of another site without Origin', () => {
  const host = '127.0.0.1:8080';

  it.each([
    ['cross-site', 'cors', true],
    ['cross-site', 'no-cors', true],
    ['cross-site', undefined, true],
    ['cross-site', 'navigate', false],
    ['same-site', 'no-cors', true],
    ['same-site', 'navigate', false],
    ['same-origin', 'cors', false],
    ['none', 'navigate', false],
  ])('Sec-Fetch-Site %s, mode %s: refused is %s', (site, mode, isRefused) => {
    const headers = {
      host,
      'sec-fetch-site': site,
      ...(mode === undefined ? {} : { 'sec-fetch-mode': mode }),
    };
    for (const policy of [onLoopback, elsewhere]) {
      expect(policy.refusal(headers, '/', 'GET') !== undefined).toBe(isRefused);
    }
  });
});

it.each(['POST', 'PUT', 'DELETE', ''])('a page of another site may not send a form by %s', (verb) => {
  const headers = { host: '127.0.0.1', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  expect(onLoopback.refusal(headers, '/', verb)).toContain('a page of another site sent this');
});

describe('a name on a loopback bind', () => {
  it.each(SERVED)('%s is served', (host) => {
    expect(onLoopback.refusal({ host }, '/', 'GET')).toBeUndefined();
    expect(onLoopback.refusal({ ':authority': host }, '/', 'GET')).toBeUndefined();
    expect(onLoopback.refusal({ host: 'localhost' }, `http://${host}/livez`, 'GET')).toBeUndefined();
  });

  it.each(REFUSED)('%j is refused', (host) => {
    const refusal = expect.stringContaining('server.allowed_hosts');
    expect(onLoopback.refusal({ host }, '/', 'GET')).toEqual(refusal);
    expect(onLoopback.refusal({ ':authority': host, host: 'localhost' }, '/', 'GET')).toEqual(refusal);
    expect(onLoopback.refusal({ ':authority': 'localhost', host }, '/', 'GET')).toEqual(refusal);
    // Once more, since what was served last is remembered.
    expect(onLoopback.refusal({ host: 'localhost' }, '/', 'GET')).toBeUndefined();
    expect(onLoopback.refusal({ host }, '/', 'GET')).toEqual(refusal);
    if (!/[[\s]/.test(host)) {
      expect(onLoopback.refusal({ host: 'localhost' }, `http://${host}/livez`, 'GET')).toEqual(refusal);
    }
  });

  it('may be missing, as in HTTP/1.0, which no browser speaks', () => {
    expect(onLoopback.refusal({}, '/', 'GET')).toBeUndefined();
  });

  it('is shown quoted and cut', () => {
    const host = `"${'e'.repeat(300)}`;
    expect(onLoopback.refusal({ host }, '/', 'GET')).toContain(
      `"\\"${'e'.repeat(79)}" is no name of this node`,
    );
  });
});

describe('a name on any other bind', () => {
  it.each(REFUSED)('%j is served to nodes and tools', (host) => {
    expect(elsewhere.refusal({ host, 'user-agent': 'curl/8.5.0' }, '/', 'GET')).toBeUndefined();
    expect(elsewhere.refusal({ host, 'sec-fetch-mode': 'cors' }, '/', 'GET')).toBeUndefined();
  });

  it.each(BROWSERS)('is held to the list for a browser: %j', (headers) => {
    for (const host of SERVED) expect(elsewhere.refusal({ ...headers, host }, '/', 'GET')).toBeUndefined();
    for (const host of REFUSED) expect(elsewhere.refusal({ ...headers, host }, '/', 'GET')).toBeDefined();
  });
});

describe.each([
  ['a loopback bind', onLoopback],
  ['any other bind', elsewhere],
])('a page that calls %s', (_, policy) => {
  const refusalOf = (headers: Record<string, string>) =>
    policy.refusal({ host: 'localhost:8080', ...headers }, '/', 'POST');

  it.each<Record<string, string>>([
    { origin: 'http://localhost:8080' },
    { origin: 'http://LOCALHOST:8080' },
    { origin: PAGE },
    { origin: PAGE, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' },
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' },
    {},
  ])('%o is served', (headers) => expect(refusalOf(headers)).toBeUndefined());

  it.each([
    'http://localhost:3000',
    'http://127.0.0.1:8080',
    'http://localhost',
    'https://cache.example.net',
    'http://app.example.net',
    'https://app.example.net:8443',
    'http://evil.example',
    'https://localhost.evil.example',
    'null',
    '',
    'localhost',
    'file://',
  ])('%j is refused, and told which key would let it in', (origin) => {
    expect(refusalOf({ origin })).toBe(
      `the page ${JSON.stringify(origin)} is not of this server: add the origin of the page to server.cors_origins if its readers may call this node`,
    );
  });

  it.each(['cross-site', 'same-site'])(
    'is refused where it has the name of this server, and not its scheme: %s',
    (site) => {
      const headers = { origin: 'http://localhost:8080', 'sec-fetch-site': site };
      expect(refusalOf(headers)).toContain('the page "http://localhost:8080" is not of this server');
    },
  );

  it('is held to the names of the node even where its own is listed', () => {
    const refusal = policy.refusal({ host: 'evil.example', origin: PAGE }, '/', 'GET');
    expect(refusal).toContain('server.allowed_hosts');
  });
});

describe('hostOf', () => {
  it.each([
    ['Cache.Example.:80', 'cache.example'],
    ['[::1]:80', '::1'],
    ['a b', undefined],
    [':8080', undefined],
  ])('of %j is %j', (authority, host) => expect(hostOf(authority)).toBe(host));
});

const ROUTES = [
  ['POST', '/walnut.v1.KVStore/Get'],
  ['GET', '/walnut.v1.KVStore/Get?encoding=json&message=%7B%22key%22:%22k%22%7D'],
  ['POST', '/walnut.v1.Admin/Status'],
  ['POST', '/walnut.v1.Nothing/Known'],
  ['GET', '/v1/keys/k'],
  ['PUT', '/v1/keys/k'],
  ['GET', '/metrics'],
  ['GET', '/livez'],
  ['GET', '/readyz'],
  ['GET', '/'],
  ['GET', '/nothing/here'],
  ['OPTIONS', '/v1/keys/k'],
] as const;

describe('a request by the name of a web page', () => {
  it.each(ROUTES)('%s %s is refused over both HTTPs', async (method, path) => {
    const running = await start();
    const type = { 'content-type': 'application/json' };
    const answer = await http1(running, method, path, { headers: { host: 'evil.example:8080', ...type } });
    expect(answer.status).toBe(403);
    if (method !== 'OPTIONS') {
      expect(JSON.parse(answer.text)).toMatchObject({
        code: 'permission_denied',
        message: expect.stringMatching(/"evil\.example:8080".*server\.allowed_hosts/),
      });
    }
    const over2 = await http2(session(running), {
      ':method': method,
      ':path': path,
      ':authority': 'evil.example',
      ...type,
    });
    expect(over2.headers[':status']).toBe(403);
    expect(running.node.calls).toEqual([]);
    expect(await running.metrics.render()).toContain('walnut_hosts_refused_total 2');
  });

  it.each(['grpc', 'grpc-web'])('by %s is PERMISSION_DENIED, with the reason', async (kind) => {
    const running = await start();
    const baseUrl = running.baseUrl;
    const options = { baseUrl, idleConnectionTimeoutMs: 10, httpVersion: '1.1' as const };
    const transport = kind === 'grpc' ? createGrpcTransport(options) : createGrpcWebTransport(options);
    const headers = { origin: 'http://evil.example' };
    const failure = await createClient(Admin, transport)
      .status({}, { headers })
      .then(
        () => undefined,
        (error: unknown) => ConnectError.from(error),
      );
    expect(failure?.code).toBe(Code.PermissionDenied);
    expect(failure?.rawMessage).toContain('server.cors_origins');
  });

  it('is served where the name is allowed', async () => {
    const running = await start({ hostNames: ['cache.example.net'] });
    const headers = { host: 'Cache.Example.net:80' };
    expect((await http1(running, 'GET', '/livez', { headers })).status).toBe(200);
    expect((await http1(running, 'GET', '/livez', { headers: { host: 'a' } })).status).toBe(403);
  });

  it('is refused where the target names it, whatever Host says, and where there are two', async () => {
    const running = await start();
    for (const [request, status] of [
      ['GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n', '403'],
      ['GET http://localhost/livez HTTP/1.1\r\nHost: evil.example\r\n', '403'],
      ['GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n', '200'],
      ['GET /livez HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\n', '400'],
      ['GET /livez HTTP/1.1\r\nHost: localhost\r\nHOST: localhost\r\n', '400'],
    ] as const) {
      const { socket, received, closed } = tcp(running);
      socket.write(`${request}Connection: close\r\n\r\n`);
      await closed;
      expect([request, received().slice(9, 12)]).toEqual([request, status]);
    }
  });
});

describe('a server that others reach', () => {
  it('serves tools by any name, and browsers by those it knows', async () => {
    const running = await start({ host: '0.0.0.0' });
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await http1(running, 'GET', '/v1/keys/none', { headers })).status;
    expect(await statusOf({ host: 'master:8080' })).toBe(404);
    expect(await statusOf({ host: 'master:8080', origin: 'http://master:8080' })).toBe(403);
    expect(await statusOf({ host: 'a:8080', origin: 'http://localhost:8080' })).toBe(403);
    expect(await statusOf({ host: 'a:8080', origin: 'http://a:8080' })).toBe(404);
  });
});
