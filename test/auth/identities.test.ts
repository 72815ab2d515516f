/** From the `authorization` header to a principal. */
import { describe, expect, it } from 'vitest';
import { isEqualText, parseAuthorization } from '#auth/credential.ts';
import { type AuthMode, Identities } from '#auth/identities.ts';
import { deriveByScrypt, hashPassword, isPassword, isToken, newToken, parseHash } from '#auth/secret-hash.ts';
import { WalnutError } from '#model/errors.ts';
import { ALL_OPERATIONS, operationOf } from '#model/methods.ts';
import { AUTH_FILE, tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const FROM = { remoteAddress: '10.0.0.1', certificateNames: undefined };
const RANDOM = { uint32: () => 3, id128: () => '3f'.repeat(16) };
const bearer = (name: string): string => `Bearer ${tokenOf(name)}`;
const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

/** A password's hash without the work: the password itself, padded. */
const cheap = async (password: string, salt: Buffer): Promise<Buffer> =>
  Buffer.concat([Buffer.from(password), salt, Buffer.alloc(32)], 32);

async function open(mode: AuthMode = 'required') {
  const failures: string[] = [];
  const derived: string[] = [];
  let anonymous = 0;
  const passwords = await Promise.all(
    ['old one', 'new one'].map((text) => hashPassword(text, RANDOM, cheap)),
  );
  const users = [...AUTH_FILE.users, { name: 'ann', roles: ['reader'], tokens: passwords }];
  const identities = new Identities({
    clock: new VirtualClock(),
    mode,
    users: usersOf({ ...AUTH_FILE, users }),
    onAnonymous: () => anonymous++,
    onFailure: (failure) => failures.push(failure),
    random: RANDOM,
    derive: (password, salt) => {
      derived.push(password);
      return cheap(password, salt);
    },
  });
  const ask = async (authorization: string | undefined, connection: object = {}): Promise<string> => {
    const found = await identities.identify(authorization, connection, FROM);
    return found instanceof WalnutError ? found.code : found.name;
  };
  return { identities, users, ask, failures, derived, anonymous: () => anonymous };
}

describe('a credential', () => {
  it.each([
    ['a token', bearer('app'), 'app'],
    ['the scheme in any case', bearer('app').replace('Bearer', 'bEARER '), 'app'],
    ['a token as a password', basic('app', tokenOf('app')), 'app'],
    ['a password', basic('ann', 'new one'), 'ann'],
    ['the password before', basic('ann', 'old one'), 'ann'],
    ['a token under another name', basic('reader', tokenOf('app')), 'unauthenticated'],
    ['a wrong password', basic('ann', 'new'), 'unauthenticated'],
    ['a name that nobody has', basic('bob', 'new one'), 'unauthenticated'],
    ['an unknown token', bearer('impostor'), 'unauthenticated'],
    ['a password as a token', 'Bearer newone', 'unauthenticated'],
    ['nothing', '', 'unauthenticated'],
    ['another scheme', 'Digest a=b', 'unauthenticated'],
    ['two of them', `${bearer('app')}, ${bearer('reader')}`, 'unauthenticated'],
    ['no colon', `Basic ${Buffer.from('app').toString('base64')}`, 'unauthenticated'],
    ['no UTF-8', `Basic ${Buffer.from([0x3a, 0xff]).toString('base64')}`, 'unauthenticated'],
    ['too long', `Bearer ${'a'.repeat(5_000)}`, 'unauthenticated'],
    ['no header', undefined, 'unauthenticated'],
  ])('%s', async (_what, authorization, who) => {
    expect(await (await open()).ask(authorization)).toBe(who);
  });

  it('is not needed where the mode is permissive, but must be right', async () => {
    const { ask, anonymous } = await open('permissive');
    expect([await ask(undefined), await ask(bearer('impostor')), await ask(bearer('app'))]).toEqual([
      'anonymous',
      'unauthenticated',
      'app',
    ]);
    expect(anonymous()).toBe(1);
  });

  it('costs the same for a wrong password and for a name that nobody has', async () => {
    const { ask, derived } = await open();
    await ask(basic('ann', 'x'));
    const ofAnn = derived.length;
    await ask(basic('nobody', 'y'));
    expect([ofAnn, derived.length - ofAnn]).toEqual([2, 2]);
  });

  it('is hashed once where it is a password, until the users change', async () => {
    const { ask, derived, identities } = await open();
    await Promise.all([ask(basic('ann', 'old one')), ask(basic('ann', 'old one'))]);
    await ask(basic('ann', 'old one'));
    expect(derived).toEqual(['old one']);
    identities.replace(usersOf());
    expect(await ask(basic('ann', 'old one'))).toBe('unauthenticated');
  });

  it('is remembered with its connection by all of its bytes', async () => {
    const { ask, failures } = await open();
    const connection = {};
    expect(await ask(bearer('app'), connection)).toBe('app');
    expect(await ask(bearer('reader'), connection)).toBe('reader');
    expect(await ask(`${bearer('reader')}x`, connection)).toBe('unauthenticated');
    expect(await ask(undefined, connection)).toBe('unauthenticated');
    expect(failures).toEqual(['wrong', 'missing']);
  });

  it('that is being hashed while the users change is refused', async () => {
    const { ask, identities } = await open();
    const asked = ask(basic('ann', 'old one'));
    identities.replace(usersOf());
    expect(await asked).toBe('unauthenticated');
  });
});

describe('a password that is being hashed', () => {
  it('is taken where the users change and its own user stays as it was', async () => {
    const { ask, identities, users, derived } = await open();
    const asked = ask(basic('ann', 'old one'));
    identities.replace(usersOf({ ...AUTH_FILE, users: users.filter(({ name }) => name !== 'app') }));
    expect(await asked).toBe('ann');
    expect(await ask(basic('ann', 'old one'))).toBe('ann');
    expect(derived).toEqual(['old one']);
  });

  it('and cannot be is refused, and hashed again for the next call', async () => {
    const failures: string[] = [];
    let isBroken = true;
    const identities = new Identities({
      clock: new VirtualClock(),
      mode: 'required',
      users: usersOf({
        users: [{ name: 'ann', roles: ['reader'], tokens: [await hashPassword('pass', RANDOM, cheap)] }],
      }),
      onAnonymous: () => {},
      onFailure: (failure) => failures.push(failure),
      random: RANDOM,
      derive: (password, salt) => (isBroken ? Promise.reject(new Error('no memory')) : cheap(password, salt)),
    });
    const found = await identities.identify(basic('ann', 'pass'), {}, FROM);
    expect(found).toMatchObject({ code: 'unavailable', details: { retryAfterS: 1 } });
    expect(failures).toEqual(['unchecked']);
    isBroken = false;
    expect(await identities.identify(basic('ann', 'pass'), {}, FROM)).toMatchObject({ name: 'ann' });
  });
});

describe('a change of the users', () => {
  it('keeps the passwords that were verified, of users that stay as they were', async () => {
    const { ask, identities, users, derived } = await open();
    await ask(basic('ann', 'old one'));
    identities.replace(usersOf({ ...AUTH_FILE, users }));
    expect(await ask(basic('ann', 'old one'))).toBe('ann');
    expect(derived).toEqual(['old one']);
  });

  it('retires a user that has one hash twice', async () => {
    const password = 'old one';
    const hash = await hashPassword(password, RANDOM, cheap);
    const [ann] = usersOf({ users: [{ name: 'ann', roles: ['reader'], tokens: [hash] }] });
    if (ann === undefined) throw new Error('no user');
    const identities = new Identities({
      clock: new VirtualClock(),
      mode: 'required',
      users: [{ ...ann, hashes: [...ann.hashes, ...ann.hashes] }],
      onAnonymous: () => {},
      onFailure: () => {},
      random: RANDOM,
      derive: cheap,
    });
    const found = await identities.identify(basic('ann', password), {}, FROM);
    if (found instanceof WalnutError) throw found;
    identities.replace([]);
    expect(found.retired?.aborted).toBe(true);
  });

  const without = (name: string) => AUTH_FILE.users.filter((user) => user.name !== name);

  it('takes a removed token back at once, on connections that used it too', async () => {
    const { ask, identities } = await open();
    const connection = {};
    await ask(bearer('app'), connection);
    identities.replace(usersOf({ ...AUTH_FILE, users: without('app') }));
    expect(await ask(bearer('app'), connection)).toBe('unauthenticated');
    expect(await ask(bearer('reader'))).toBe('reader');
  });

  it('retires those whose hash or rights changed, and nobody else', async () => {
    const { identities } = await open();
    const find = async (name: string) => {
      const found = await identities.identify(bearer(name), {}, FROM);
      if (found instanceof WalnutError) throw found;
      return found;
    };
    const [app, reader, viewer] = [await find('app'), await find('reader'), await find('viewer')];
    const added = {
      name: 'viewer',
      roles: ['viewer-role'],
      tokens: [`sha256:${'0'.repeat(64)}`, ...tokensOf('viewer')],
    };
    const changed = { name: 'reader', roles: ['metrics'], tokens: tokensOf('reader') };
    const users = [
      ...without('app').filter(({ name }) => name !== 'reader' && name !== 'viewer'),
      added,
      changed,
    ];
    identities.replace(usersOf({ ...AUTH_FILE, users }));
    expect([app, reader, viewer].map(({ retired }) => retired?.aborted)).toEqual([true, true, false]);
    expect(await find('viewer')).toBe(viewer);
    expect((await find('reader')).mayCall(operationOf('/walnut.v1.KVStore/Get'))).toBe(false);
  });

  it('lets operators call what shows keys where they may read every key, and nobody else', async () => {
    const { identities } = await open();
    for (const name of ['Digest', 'GetSlowLog', 'DivergedShow'])
      for (const [user, may] of [
        ['operator', false],
        ['reader', false],
        ['chief', true],
      ] as const)
        expect(await identities.identify(bearer(user), {}, FROM)).toSatisfy(
          (found) =>
            !(found instanceof WalnutError) && found.mayCall(operationOf(`/walnut.v1.Admin/${name}`)) === may,
        );
  });

  it('lets a monitor call what shows how a process and its cluster are, and nothing else', async () => {
    const { identities } = await open();
    const monitor = await identities.identify(bearer('monitor'), {}, FROM);
    if (monitor instanceof WalnutError) throw monitor;
    const forAll: readonly unknown[] = ['health', 'open', 'known'];
    const may = ALL_OPERATIONS.filter(({ access }) => !forAll.includes(access)).filter((each) =>
      monitor.mayCall(each),
    );
    // A method that is added here must tell no key and change nothing.
    expect(may.map(({ name }) => name.replace('/walnut.v1.', ''))).toEqual([
      'Admin/Status',
      'Admin/GetConfig',
      'Admin/QuarantineList',
      'Admin/DivergedList',
      '/metrics',
      '/',
      '/page/live',
      'Coordinator/GetShardMap',
      'Coordinator/WatchShardMap',
      'Coordinator/GetCluster',
      'Coordinator/ListNodes',
    ]);
  });

  const tokensOf = (name: string): string[] =>
    AUTH_FILE.users.find((user) => user.name === name)?.tokens ?? [];
});

describe('secrets', () => {
  it('are tokens of 256 bits, and hashes by scrypt of what people choose', async () => {
    const token = newToken(RANDOM);
    expect([isToken(token), token.length]).toEqual([true, 50]);
    const parsed = parseHash(await hashPassword('päss', RANDOM));
    if (parsed?.kind !== 'password') throw new Error('not a hash of a password');
    const checked = await Promise.all(
      ['päss', 'pa\u0308ss', 'pass'].map((text) => isPassword(text, parsed, deriveByScrypt)),
    );
    expect(checked).toEqual([true, true, false]);
  });

  it.each(['', 'sha256:', `sha256:${'A'.repeat(64)}`, 'scrypt:1:8:1:AAAAAAAAAAAAAAAAAAAAAA:x', 'secret'])(
    'are not taken for hashes: %j',
    (text) => expect(parseHash(text)).toBeUndefined(),
  );

  it('are compared whole', () => {
    expect(['ab', 'aB', 'abc', ''].map((text) => isEqualText('ab', text))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(parseAuthorization('Bearer a.b')).toEqual({ kind: 'bearer', secret: 'a.b' });
    expect(parseAuthorization(basic('a', 'b:c'))).toEqual({ kind: 'basic', name: 'a', secret: 'b:c' });
  });
});
