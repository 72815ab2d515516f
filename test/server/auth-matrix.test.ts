/**
 * Every method, for every kind of caller, on keys of its own and of others: allowed or
 * refused as the table of methods and the roles say, and nothing is done where refused.
 * What is expected is worked out here, not by the code under test.
 */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import type { Operation } from '#model/access.ts';
import { operationsOf } from '#model/methods.ts';
import { createNodeRandom } from '#platform/random.ts';
import { AUTH_FILE, tokenOf, USER_NAMES, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, onCleanup, type PlainAnswer, type Running, start } from '#test/server/running.ts';

const MAY: Readonly<Record<string, readonly string[]>> = {
  reader: ['read'],
  writer: ['write'],
  both: ['read', 'write'],
  operator: ['observe', 'metrics', 'admin'],
  chief: ['observe', 'metrics', 'admin', 'read', 'write'],
  replica: ['replicate', 'observe', 'read'],
  coordinator: ['coordinate', 'observe'],
  metrics: ['metrics'],
  app: ['read', 'write'],
  viewer: ['read'],
  feeder: ['write'],
  checkpointer: ['admin'],
  getter: ['read'],
  explainer: ['read'],
  stranger: [],
  impostor: [],
};
/** Those whose keys begin with `own:`. */
const OWNERS = ['app', 'viewer', 'feeder'];
/** Methods that the users with few methods may call. */
const FEW: Readonly<Record<string, RegExp>> = {
  replica: /\.Replication\/|KVStore\/GetUpdates$|Admin\/Status$/,
  coordinator: /Admin\/Status$/,
  checkpointer: /Admin\/Checkpoint$/,
  getter: /KVStore\/Get$/,
  explainer: /KVStore\/Explain$/,
};

/** What single operations need on their key; other methods take no key. */
const KEYED: Readonly<Record<string, 'read' | 'write'>> = {
  Get: 'read',
  Explain: 'read',
  Set: 'write',
  Delete: 'write',
  Increment: 'write',
  Touch: 'write',
  DeletePrefix: 'write',
};

function bodyOf(method: string, key: string): object {
  if (method === 'DeletePrefix') return { prefix: key };
  if (method === 'Touch') return { key, ttlMs: '1000' };
  if (method === 'Batch') return { operations: [{ set: { key, value: 'eA==' } }] };
  return method in KEYED ? { key } : {};
}

async function openGuarded(mode: 'permissive' | 'required' = 'required'): Promise<Running> {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode,
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  return start({ identities, isIdentityRequired: mode === 'required' });
}

function headersOf(caller: string): Record<string, string> {
  if (caller === 'stranger') return {};
  return { authorization: `Bearer ${tokenOf(caller)}` };
}

/** What the answer must be: the status of a refusal, or undefined for anything else. */
function expected(
  caller: string,
  { name, access = 'admin', wholeSpace }: Operation,
  key: string,
): number | undefined {
  if (access === 'health') return undefined;
  if (caller === 'stranger' || caller === 'impostor') return 401;
  if (access === 'known') return undefined;
  const may = MAY[caller] ?? [];
  const isNamed = FEW[caller]?.test(name) ?? true;
  const isWhole = wholeSpace === undefined || (may.includes(wholeSpace) && !OWNERS.includes(caller));
  const has = access === 'either' ? may.includes('read') || may.includes('write') : may.includes(access);
  if (!isNamed || !isWhole || !has) return 403;
  const needs = KEYED[name.slice(name.lastIndexOf('/') + 1)];
  const isForeign = OWNERS.includes(caller) && !key.startsWith('own:');
  return needs !== undefined && isForeign ? 403 : undefined;
}

const OPERATIONS = operationsOf('node');
const RPCS = OPERATIONS.filter(
  ({ name }) => /^\/walnut/.test(name) && !/Watch$|FetchSnapshot$|Scrub$/.test(name),
);
const STREAMS = OPERATIONS.filter(({ name }) => /KVStore\/Watch$|FetchSnapshot$|Scrub$/.test(name));
const PAGES = OPERATIONS.filter(({ name }) => !name.includes('.'));

describe.each([...USER_NAMES, 'stranger', 'impostor'])('the caller %s', (caller) => {
  it('may do what the table says, and no more', async () => {
    const running = await openGuarded();
    for (const operation of RPCS) {
      const method = operation.name.slice(operation.name.lastIndexOf('/') + 1);
      for (const key of ['own:k', 'foreign']) {
        const answer = await http1(running, 'POST', operation.name, {
          headers: { ...headersOf(caller), 'content-type': 'application/json' },
          body: JSON.stringify(bodyOf(method, key)),
        });
        check(running, caller, operation, key, answer);
      }
    }
    for (const operation of PAGES)
      check(
        running,
        caller,
        operation,
        '',
        await http1(running, 'GET', operation.name, { headers: headersOf(caller) }),
      );
  });

  it('may open the streams that the table says, and no more', async () => {
    const running = await openGuarded();
    for (const operation of STREAMS) {
      const answer = await http1(running, 'POST', operation.name, {
        headers: { ...headersOf(caller), 'content-type': 'application/connect+json' },
        body: Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]),
      });
      const status = expected(caller, operation, '');
      const refusal = status === 401 ? '"unauthenticated"' : '"permission_denied"';
      expect([operation.name, answer.text.includes(refusal)]).toEqual([operation.name, status !== undefined]);
      if (status !== undefined) expect(running.node.calls).toEqual([]);
      running.node.calls.length = 0;
    }
  });

  it.each([
    ['GET', '/v1/keys/KEY', 'Get'],
    ['HEAD', '/v1/keys/KEY', 'Get'],
    ['GET', '/v1/keys/KEY?explain', 'Explain'],
    ['GET', '/v1/keys/KEY?explain=true', 'Explain'],
    ['GET', '/v1/keys/KEY?%65xplain', 'Explain'],
    ['GET', '/v1/keys/KEY?explain=false', 'Get'],
    ['GET', '/v1/keys/KEY?wait=1s', 'Get'],
    ['PUT', '/v1/keys/KEY', 'Set'],
    ['POST', '/v1/keys/KEY?increment=1', 'Increment'],
    ['DELETE', '/v1/keys/KEY', 'Delete'],
    ['GET', '/v1/keys', 'Scan'],
  ])('is judged for %s %s as for the rpc', async (verb, path, method) => {
    const running = await openGuarded();
    const operation = OPERATIONS.find(({ name }) => name === `/walnut.v1.KVStore/${method}`) as Operation;
    for (const key of ['own:k', 'foreign']) {
      const answer = await http1(running, verb, path.replace('KEY', key), { headers: headersOf(caller) });
      check(running, caller, operation, key, answer);
    }
  });
});

function check(
  running: Running,
  caller: string,
  operation: Operation,
  key: string,
  answer: PlainAnswer,
): void {
  const wanted = expected(caller, operation, key);
  const refused = answer.status === 401 || answer.status === 403 ? answer.status : undefined;
  expect([caller, operation.name, key, refused]).toEqual([caller, operation.name, key, wanted]);
  if (wanted === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer .*Basic /);
  if (wanted !== undefined) expect(running.node.calls).toEqual([]);
  running.node.calls.length = 0;
}

describe('an open stream', () => {
  it.each(['/walnut.v1.KVStore/Watch', '/v1/watch'])('at %s ends when its user is removed', async (path) => {
    const identities = new Identities({
      clock: new VirtualClock(),
      mode: 'required',
      users: usersOf(),
      random: createNodeRandom(),
      onAnonymous: () => {},
      onFailure: () => {},
    });
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
    const identities = new Identities({
      clock: new VirtualClock(),
      mode: 'required',
      users: usersOf(),
      random: createNodeRandom(),
      onAnonymous: () => {},
      onFailure: () => {},
    });
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
    const identities = new Identities({
      clock: new VirtualClock(),
      mode: 'required',
      users: usersOf(),
      random: createNodeRandom(),
      onAnonymous: () => {},
      onFailure: () => {},
    });
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
