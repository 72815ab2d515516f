/** Client certificates: who is let in, as whom, and for how long. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { AUTH_FILE, tokenOf, usersOf } from '#test/auth/users.ts';
import { Authority, type Issued } from '#test/doubles/certificates.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import {
  CLIENT,
  CLIENTS,
  handshakes,
  https,
  type RunningTls,
  SERVERS,
  startTls,
  tls,
} from '#test/rpc/tls/running-tls.ts';
import { onCleanup, tcp, until } from '#test/server/running.ts';

const REQUEST = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
const PAST = new Date(Date.now() - 1_000);
const EXPIRED = CLIENTS.issue({ cn: 'app', dns: ['app.example'], from: new Date(0), to: PAST });
const FOREIGN = new Authority('clients').issue({ cn: 'app', dns: ['app.example'] });

describe.each(['own', 'node'] as const)('with the HTTPs of %s', (http) => {
  it.each<[string, Partial<Issued>, RegExp]>([
    ['none', {}, /a client certificate is missing: expected one that an authority in server.tls.client_ca/],
    ['one that is expired', EXPIRED, /is not trusted \(CERT_HAS_EXPIRED\)/],
    ['one of another authority', FOREIGN, /is not trusted \(.*(SIGNATURE|ISSUER|LEAF)/],
  ])('who comes with %s where one is required is told why', async (_what, client, why) => {
    const running = await startTls({ clientAuth: 'require' }, { http1: http, http2: http });
    const answer = await https(running, 'PUT', '/v1/keys/k', { body: 'v' }, client);
    const { code, message } = JSON.parse(answer.text) as { code: string; message: string };
    expect([answer.status, code]).toEqual([401, 'unauthenticated']);
    expect(message).toMatch(why);
    const session = connectHttp2(running.baseUrl, { ca: SERVERS.cert, ...client });
    onCleanup(() => session.destroy());
    session.on('error', () => {});
    const [goAwayCode, , text] = (await once(session, 'goaway')) as [number, number, Buffer];
    expect([goAwayCode, text.toString()]).toEqual([12, message]);
    expect(running.node.calls).toEqual([]);
    expect(Object.keys(await handshakes(running))).toEqual([
      client.cert === undefined ? 'no_certificate' : 'untrusted',
    ]);
  });
});

it('where certificates are only asked for, who has none is served and who has a bad one is not', async () => {
  const running = await startTls({ clientAuth: 'request' });
  const status = async (client: Partial<Issued>) =>
    (await https(running, 'GET', '/livez', {}, client)).status;
  expect([await status({}), await status(CLIENT), await status(FOREIGN), await status(EXPIRED)]).toEqual([
    200, 200, 401, 401,
  ]);
});

describe('a user with certificates', () => {
  const users = (names: readonly string[]) =>
    usersOf({
      ...AUTH_FILE,
      users: [...AUTH_FILE.users, { name: 'cert', roles: ['reader'], certificates: names }],
    });
  const open = async (names: readonly string[], http: 'own' | 'node' = 'own') => {
    const identities = new Identities({
      mode: 'required',
      users: users(names),
      random: createNodeRandom(),
      clock: createNodeClock(),
      onAnonymous: () => {},
      onFailure: () => {},
    });
    const running = await startTls(
      { clientAuth: 'request' },
      { identities, isIdentityRequired: true, http1: http, http2: http },
    );
    return { identities, running };
  };
  const get = async (running: RunningTls, client: Partial<Issued>, headers = {}) =>
    (await https(running, 'GET', '/v1/keys/k', { headers }, client)).status;

  it.each(['own', 'node'] as const)(
    'is known by any of them, and by nothing else, over the HTTPs of %s',
    async (http) => {
      const { running } = await open(['dns:App.example', 'uri:spiffe://a'], http);
      const other = CLIENTS.issue({ cn: 'cert', dns: ['other.example'] });
      expect([await get(running, CLIENT), await get(running, other), await get(running, {})]).toEqual([
        404, 401, 401,
      ]);
      expect((await https(running, 'PUT', '/v1/keys/k', { body: 'v' }, CLIENT)).status).toBe(403);
      for (const path of ['/walnut.v1.KVStore/Get', '/walnut.v1.KVStore/Set']) {
        const session = connectHttp2(running.baseUrl, { ca: SERVERS.cert, ...CLIENT });
        onCleanup(() => session.destroy());
        const stream = session.request({
          ':path': path,
          ':method': 'POST',
          'content-type': 'application/json',
        });
        stream.end('{"key":"k"}');
        const [head] = (await once(stream, 'response')) as [{ ':status': number }];
        expect(head[':status']).toBe(path.endsWith('Get') ? 200 : 403);
      }
    },
  );

  it('is not asked where the call has a credential, whatever that is', async () => {
    const { running } = await open(['dns:app.example']);
    const authorization = `Bearer ${tokenOf('metrics')}`;
    expect(await get(running, CLIENT, { authorization })).toBe(403);
    expect(await get(running, CLIENT, { authorization: 'Bearer x' })).toBe(401);
  });

  it('is nobody where the certificate names another user, too', async () => {
    const { identities, running } = await open(['dns:app.example']);
    const both = CLIENTS.issue({ dns: ['app.example'], uri: ['urn:operator'] });
    expect(await get(running, both)).toBe(404);
    const operator = { name: 'chief2', roles: ['operator'], certificates: ['uri:urn:operator'] };
    const cert = { name: 'cert', roles: ['reader'], certificates: ['dns:app.example'] };
    identities.replace(usersOf({ ...AUTH_FILE, users: [operator, cert] }));
    expect([await get(running, both), await get(running, CLIENT)]).toEqual([401, 404]);
  });

  it('is out with the next call on an open connection when it is removed', async () => {
    const { identities, running } = await open(['dns:app.example']);
    const { socket, received } = tls(running, CLIENT);
    const request = 'GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n';
    socket.write(request);
    await until(() => received().includes('HTTP/1.1 404'));
    identities.replace(users(['dns:else.example']));
    socket.write(request);
    await until(() => received().includes('HTTP/1.1 401'));
  });
});

describe('new files', () => {
  it('serve the connections that begin from then on, and leave the others alone', async () => {
    const running = await startTls();
    const { socket, received } = tls(running);
    socket.write(REQUEST);
    await until(() => received().includes('200 OK'));
    const renewed = new Authority('renewed');
    running.renew(renewed.issue());
    expect((await https(running, 'GET', '/livez', {}, { ca: renewed.cert })).status).toBe(200);
    await expect(https(running, 'GET', '/livez')).rejects.toThrow();
    socket.write(REQUEST);
    await until(() => received().split('200 OK').length === 3);
  });

  it('end the connections whose certificate no authority signs any more, with their streams', async () => {
    const running = await startTls({ clientAuth: 'require' });
    const others = new Authority('others');
    running.renew({ ca: CLIENTS.cert + others.cert });
    const [stays, goes] = [tls(running, others.issue({ cn: 'o' })), tls(running, CLIENT)];
    for (const { socket, received } of [stays, goes]) {
      socket.write(REQUEST);
      await until(() => received().includes('200 OK'));
    }
    running.renew({ ca: others.cert });
    await goes.closed;
    stays.socket.write(REQUEST);
    await until(() => stays.received().split('200 OK').length === 3);
    expect((await https(running, 'GET', '/livez', {}, CLIENT)).status).toBe(401);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'judge a certificate whose handshake began before them: %s',
    async (version) => {
      const running = await startTls({ clientAuth: 'require' });
      const others = new Authority('others');
      running.renew({ ca: CLIENTS.cert + others.cert });
      const { socket, release } = heldBack(running);
      const peer = tls(running, { ...CLIENT, socket, minVersion: version, maxVersion: version });
      peer.socket.write(REQUEST);
      await untilUnderWay(running);
      running.renew({ ca: others.cert });
      release();
      await until(() => peer.received().includes('HTTP/1.1 '));
      expect(peer.received()).toMatch(/^HTTP\/1.1 401 .*by the authorities and the time of now/s);
      expect(await handshakes(running)).toEqual({ untrusted: 1 });
    },
  );
});

it.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a session is not resumed, so that a certificate is verified each time: %s',
  async (version) => {
    const clock = new VirtualClock({ wallMs: Date.now() });
    const running = await startTls({ clientAuth: 'require' }, { clock });
    const to = new Date(Date.now() + 3_600_000);
    const options = {
      ...CLIENTS.issue({ cn: 'a', to }),
      maxVersion: version,
      minVersion: version,
    };
    const get = async (session?: Buffer) => {
      const peer = tls(running, { ...options, ...(session === undefined ? {} : { session }) });
      await peer.secure;
      const isReused = peer.socket.isSessionReused();
      peer.socket.write(REQUEST);
      await until(() => peer.received().includes('HTTP/1.1 '));
      return { status: peer.received().slice(9, 12), isReused, session: peer.socket.getSession() };
    };
    const first = await get();
    expect(await get(first.session)).toMatchObject({ status: '200', isReused: false });
    clock.setWall(to.getTime() + 1);
    expect(await get(first.session)).toMatchObject({ status: '401', isReused: false });
  },
);

/** Turns of the event loop until one handshake is under way. */
async function untilUnderWay({ metrics }: RunningTls): Promise<void> {
  while (!/^walnut_tls_handshakes_under_way 1$/m.test(await metrics.render()))
    await new Promise((resolve) => setImmediate(resolve));
}

/** A connection on which what the server sends is held back until `release`. */
function heldBack(running: RunningTls): { socket: Duplex; release: () => void } {
  const { socket: carrier } = tcp(running);
  carrier.pause();
  carrier.removeAllListeners('data');
  const socket = new Duplex({
    read: () => {},
    write: (bytes, _encoding, done) => void carrier.write(bytes, () => done()),
  });
  const release = (): void => {
    carrier.on('data', (bytes) => socket.push(bytes));
    carrier.resume();
  };
  return { socket, release };
}

it('a connection ends when the time of its client certificate is over', async () => {
  const clock = new VirtualClock({ wallMs: Date.now() });
  const running = await startTls({ clientAuth: 'require' }, { clock });
  const { socket, received, closed } = tls(
    running,
    CLIENTS.issue({ cn: 'a', to: new Date(Date.now() + 3_600_000) }),
  );
  socket.write('GET /v1/keys/k?watch HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => received().includes('HTTP/1.1 '));
  clock.setWall(Date.now() + 3_700_000);
  await clock.advance(60_000);
  await closed;
});
