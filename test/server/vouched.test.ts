/** A gateway calls a node for its own callers: whose rights count, who is believed, and what is noted. */
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import type { Endpoint } from '#dial/endpoint.ts';
import type { AuditEvent } from '#model/access.ts';
import type { WatchCommand } from '#model/watch.ts';
import { ConnectNodeLinks } from '#peer/node-links.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { AUTH_FILE, tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, onCleanup, type PlainAnswer, start } from '#test/server/running.ts';

async function open(mode: 'permissive' | 'required' = 'required') {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode,
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  const noted: Partial<AuditEvent>[] = [];
  const audit = {
    note: ({ user, via, outcome, by }: AuditEvent): void => void noted.push({ user, via, outcome, by }),
  };
  const running = await start({ identities, isIdentityRequired: mode === 'required', audit });
  const call = (verb: string, key: string, caller: string, user: string): Promise<PlainAnswer> =>
    http1(running, verb, `/v1/keys/${key}`, {
      headers: {
        ...(caller === '' ? {} : { authorization: `Bearer ${tokenOf(caller)}` }),
        'x-walnut-on-behalf-of': user,
      },
      ...(verb === 'PUT' ? { body: 'x' } : {}),
    });
  return { running, identities, noted, call };
}

describe('a call of a gateway for a user', () => {
  it.each([
    ['reader', 'GET', 'k', 404],
    ['reader', 'PUT', 'k', 403],
    ['writer', 'GET', 'k', 403],
    ['app', 'GET', 'own:k', 404],
    ['app', 'GET', 'foreign', 403],
    ['app', 'PUT', 'foreign', 403],
    ['metrics', 'GET', 'k', 403],
  ] as const)('for %s has its rights: %s %s is %i', async (user, verb, key, status) => {
    const { call } = await open();
    expect((await call(verb, key, 'gateway', user)).status).toBe(status);
  });

  it('is noted with the user, and the gateway beside', async () => {
    const { call, noted } = await open();
    await call('PUT', 'foreign', 'gateway', 'app');
    expect(noted).toEqual([{ user: 'app', via: 'gateway', outcome: 'permission_denied', by: 'key' }]);
  });

  it.each(['nobody', '', 'reader, chief', 'anonymous'])(
    'for %j, whom nobody knows, is refused',
    async (user) => {
      const { call, running } = await open();
      const answer = await call('GET', 'k', 'gateway', user);
      expect([answer.status, running.node.calls]).toEqual([403, []]);
      expect(answer.text).toContain('give nodes and gateways the same users');
    },
  );

  it('ends with the rights of the user', async () => {
    const { call, identities } = await open();
    expect((await call('GET', 'k', 'gateway', 'reader')).status).toBe(404);
    identities.replace(
      usersOf({ ...AUTH_FILE, users: AUTH_FILE.users.filter(({ name }) => name !== 'reader') }),
    );
    expect((await call('GET', 'k', 'gateway', 'reader')).status).toBe(403);
  });
});

describe('the links of a gateway to its nodes', () => {
  it('name the user of each call and each watch', async () => {
    const { running } = await open();
    const authorization = (): string => `Bearer ${tokenOf('gateway')}`;
    const credential = { withCredential: (endpoint: Endpoint) => ({ ...endpoint, authorization }) };
    const links = new ConnectNodeLinks({ clock: createNodeClock(), credential });
    onCleanup(() => links.close());
    const node = links.linkTo(running.server.address);
    const limits = { timeoutMs: 10_000, signal: undefined };
    const get = (user?: string) => node.get({ key: 'k', waitMs: 0 }, { ...limits, user });
    await expect(get('reader')).resolves.toMatchObject({ stalenessMs: 0 });
    await expect(get()).resolves.toMatchObject({ stalenessMs: 0 });
    await expect(get('writer')).rejects.toThrow('the user writer may not call');
    const command = { target: { kind: 'key', key: 'k' }, isInitial: false } as unknown as WatchCommand;
    const watch = node.watch(command, new AbortController().signal, 'writer')[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toThrow('the user writer may not call');
  });
});

describe('the same header', () => {
  it.each(['reader', 'chief', 'replica', 'coordinator', 'operator'])(
    'is not believed of %s',
    async (caller) => {
      const { call, running } = await open();
      const answer = await call('GET', 'k', caller, 'both');
      expect([answer.status, running.node.calls]).toEqual([403, []]);
    },
  );

  it('is not believed of a caller without a credential where none is required', async () => {
    const { call, running } = await open('permissive');
    const answer = await call('GET', 'k', '', 'app');
    expect([answer.status, running.node.calls]).toEqual([403, []]);
    expect(answer.text).toContain('users with the role gateway only');
  });

  it('is nothing where there are no users: nobody has few rights', async () => {
    const running = await start();
    const answer = await http1(running, 'GET', '/v1/keys/k', { headers: { 'x-walnut-on-behalf-of': 'app' } });
    expect(answer.status).toBe(404);
  });
});
