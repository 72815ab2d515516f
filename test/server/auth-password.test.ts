/** Calls that wait for a password to be hashed: in every form that a call has, and many at once. */
import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { hashPassword } from '#auth/secret-hash.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, http2, type Running, session, start } from '#test/server/running.ts';

const PASSWORD = 'correct horse battery';
const basic = (password: string): string => `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`;
const RIGHT = { authorization: basic(PASSWORD) };
const WRONG = { authorization: basic('incorrect') };
const JSON_TYPE = { 'content-type': 'application/json' };
const GET = '/walnut.v1.KVStore/Get';

async function open(
  hold: () => Promise<unknown> = () => new Promise(setImmediate),
  bodyBytesMax = 1_000_000,
) {
  const random = createNodeRandom();
  const cheap = async (password: string, salt: Buffer) => {
    await hold();
    return Buffer.concat([Buffer.from(password), salt, Buffer.alloc(32)], 32);
  };
  const ann = {
    name: 'ann',
    roles: ['reader', 'writer'],
    tokens: [
      await hashPassword(PASSWORD, random, async (password, salt) =>
        Buffer.concat([Buffer.from(password), salt, Buffer.alloc(32)], 32),
      ),
    ],
  };
  const app = { name: 'app', roles: ['reader', 'writer'], tokens: usersTokens() };
  const identities = new Identities({
    clock: new VirtualClock(),
    mode: 'required',
    users: usersOf({ users: [ann, app] }),
    random,
    onAnonymous: () => {},
    onFailure: () => {},
    derive: cheap,
  });
  return start({ identities, isIdentityRequired: true, bodyBytesMax });
}

function usersTokens(): string[] {
  return usersOf().flatMap(({ name, hashes }) =>
    name === 'app' ? hashes.flatMap((hash) => (hash.kind === 'token' ? [`sha256:${hash.digest}`] : [])) : [],
  );
}

/** Each form of a call, and what its answer is with a good and with a bad password. */
const FORMS: readonly (readonly [
  string,
  (running: Running, headers: Record<string, string>) => Promise<unknown>,
  unknown,
  unknown,
])[] = [
  [
    'a PUT of a key',
    async (running, headers) =>
      (await http1(running, 'PUT', '/v1/keys/k', { headers, body: 'x'.repeat(900) })).status < 300,
    true,
    false,
  ],
  [
    'a page',
    async (running, headers) => (await http1(running, 'GET', '/openapi.json', { headers })).status,
    200,
    401,
  ],
  [
    'an rpc over HTTP/1.1',
    async (running, headers) =>
      (await http1(running, 'POST', GET, { headers: { ...headers, ...JSON_TYPE }, body: '{"key":"k"}' }))
        .status,
    200,
    401,
  ],
  [
    'an rpc by GET',
    async (running, headers) =>
      (await http1(running, 'GET', `${GET}?encoding=json&message=%7B%22key%22:%22k%22%7D`, { headers }))
        .status,
    200,
    401,
  ],
  [
    'an rpc over HTTP/2',
    async (running, headers) =>
      (
        await http2(
          session(running),
          { ':method': 'POST', ':path': GET, ...headers, ...JSON_TYPE },
          '{"key":"k"}',
        )
      ).headers[':status'],
    200,
    401,
  ],
  [
    'gRPC',
    async (running, headers) => {
      const head = {
        ':method': 'POST',
        ':path': GET,
        ...headers,
        'content-type': 'application/grpc+proto',
        te: 'trailers',
      };
      const answer = await http2(session(running), head, Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, 0x6b]));
      return (answer.trailers['grpc-status'] ?? answer.headers['grpc-status']) as string;
    },
    '0',
    '16',
  ],
];

describe.each(FORMS)('%s', (_what, call, good, bad) => {
  it('is served where the password is right, and refused where it is not', async () => {
    const running = await open();
    expect([await call(running, RIGHT), await call(running, WRONG), await call(running, RIGHT)]).toEqual([
      good,
      bad,
      good,
    ]);
  });
});

describe('many wrong passwords', () => {
  it('from one address delay neither tokens nor passwords that were verified', async () => {
    const ends: (() => void)[] = [];
    let isHeld = false;
    const running = await open(() =>
      isHeld ? new Promise<void>((resolve) => ends.push(resolve)) : Promise.resolve(),
    );
    const ask = (authorization: string) => http1(running, 'GET', '/v1/keys', { headers: { authorization } });
    expect((await ask(RIGHT.authorization)).status).toBe(200);
    isHeld = true;
    const flood = Array.from({ length: 20 }, (_, i) => ask(basic(`wrong ${i}`)));
    const busy = await Promise.race(flood);
    expect([busy.status, busy.headers['retry-after']]).toEqual([429, '5']);
    expect((await ask(`Bearer ${tokenOf('app')}`)).status).toBe(200);
    expect((await ask(RIGHT.authorization)).status).toBe(200);
    isHeld = false;
    for (const end of ends) end();
    const statuses = (await Promise.all(flood)).map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(4).fill(401), ...Array(16).fill(429)]);
  });
});

it('gives back what the body of a caller would take that went away while its password was checked', async () => {
  let free = (): void => {};
  let isHeld = (): void => {};
  const begun = new Promise<void>((resolve) => {
    isHeld = resolve;
  });
  const held = new Promise<void>((resolve) => {
    free = resolve;
  });
  const hold = (): Promise<void> => {
    isHeld();
    return held;
  };
  const running = await open(hold, 1_000);
  const client = session(running);
  const put = client.request({
    ...{ ':method': 'PUT', ':path': '/v1/keys/k', 'content-length': '900' },
    ...RIGHT,
  });
  put.on('error', () => {});
  put.write('x'.repeat(100));
  await begun;
  put.close(constants.NGHTTP2_CANCEL);
  // Its answer comes behind what the server made of the reset.
  await new Promise<void>((resolve) => client.ping(() => resolve()));
  free();
  const answer = await http1(running, 'PUT', '/v1/keys/k', { headers: RIGHT, body: 'x'.repeat(900) });
  expect(answer.status).toBe(201);
});
