/** What a client is opened with: options that the manual names, TLS, and a token. */
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Code, createRouterTransport } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { Authority } from '#test/doubles/certificates.ts';
import { startTlsFront } from '#test/doubles/tls-front.ts';
import { readText } from '#test/house/source-files.ts';
import { onCleanup, start } from '#test/server/running.ts';
import { connect } from '../../client/connect.ts';
import { Session } from '../../client/session.ts';
import type { WalnutClient, WalnutClientOptions } from '../../client/walnut-client.ts';
import { openHurried } from './hurried.ts';

const AUTHORITY = new Authority();

function open(options: WalnutClientOptions): WalnutClient {
  const client = connect(options);
  onCleanup(() => client.close());
  return client;
}

/** A server that notes the credentials of calls, and has no key. */
async function credentialsServer(): Promise<{ address: string; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{"code":"not_found"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onCleanup(() => void server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

describe('connect', () => {
  it.each<[unknown, string]>([
    [undefined, 'undefined: expected host:port, a list of them, or options'],
    [8080, '8080: expected host:port'],
    [{ address: 'a:1', retries: 3 }, 'unknown option "retries": expected address, addresses, cluster'],
    [{ address: 'a:1', tls: { pfx: 'x' } }, 'unknown option "tls.pfx": expected ca, cert, key, serverName'],
    [{ address: 'a:1', near: { prefix: '', ttlMs: 1 } }, 'unknown option "near.ttlMs": expected prefix'],
    [{ address: 'a:1', tls: true }, 'tls is true: expected options such as { ca, cert, key, serverName }'],
    [{ address: 'a:1', timeoutMs: Number.NaN }, 'timeoutMs is NaN: expected a whole number of milliseconds'],
    [{ address: 'a:1', timeoutMs: '5s' }, 'timeoutMs is "5s": expected a whole number'],
    [{ address: 'a:1', attemptMs: 0 }, 'attemptMs is 0: expected a whole number of milliseconds from 1'],
    [{ address: 'a:1', waitMs: 60_001 }, 'waitMs is 60001: expected a whole number of milliseconds from 0'],
    [{ address: 'a:1', namedWrites: 'no' }, 'namedWrites is "no": expected a boolean'],
    [{ address: 'a:1', onRetry: 1 }, 'onRetry is 1: expected a function'],
    [{ address: 'a:1', session: 's1.1-2' }, 'session is "s1.1-2": expected a Session'],
    [{ address: 'a:1', transport: 'x' }, 'transport is "x": expected one of Connect'],
    [{ transport: null }, 'transport is null: expected one of Connect'],
    [{ address: 'a:1', near: { prefix: 5 } }, 'near.prefix is 5: expected a string'],
    [{ address: 'a:1', near: {} }, 'near.prefix is undefined: expected a string'],
    [
      { address: 'a:1', near: { prefix: '', bytesMax: '5' } },
      'near.bytesMax is "5": expected a whole number',
    ],
    [{ address: 'https://a:1', tls: { ca: Buffer.from('x') } }, 'tls.ca is a Buffer: expected a string'],
    [{ address: 'https://a:1', tls: { serverName: 5 } }, 'tls.serverName is 5: expected a string'],
    [{ address: 8080 }, 'address is 8080: expected a string'],
    [{ cluster: 'a:1' }, 'cluster is "a:1": expected a list of host:port'],
    [{ cluster: [] }, 'cluster has 0: expected 1 to 32'],
    [{ cluster: ['a:1'], addresses: ['b:1'] }, 'cluster and addresses are given: expected one of them'],
    [{ cluster: ['a:1', 'https://b:1'] }, 'some of cluster begin with https:// and some do not'],
    [{ cluster: ['a:1'], session: Session.from('s1.4294967297-12') }, 'session does not say which group'],
    [{ addresses: 'a:1' }, 'addresses is "a:1": expected a list of host:port'],
    [{ addresses: ['a:1'], readFrom: 'slave' }, 'readFrom is "slave": expected master, replica, nearest'],
  ])('refuses %o', (options, why) => {
    expect(() => connect(options as WalnutClientOptions)).toThrow(why);
  });
});

describe('TLS', () => {
  it.each<[Partial<WalnutClientOptions>, string]>([
    [{ tls: {} }, 'expected https://127.0.0.1:1'],
    [{ address: 'https://a:1', tls: { cert: 'x' } }, 'expected tls.cert and tls.key together'],
    [{ address: 'https://a:1', tls: { cert: 'x', key: 'x' } }, 'tls.cert: expected a certificate in PEM'],
    [{ address: 'https://a:1', tls: { ca: 'garbage' } }, 'tls.ca: expected a certificate in PEM'],
    [{ address: 'https://a:1', tls: { serverName: '10.0.0.1' } }, 'expected a host name'],
    [{ address: 'https://a:' }, 'or https://host:port'],
    [{ tls: {}, transport: createRouterTransport(() => {}) }, 'tls goes with address'],
  ])('is refused with %o', (options, why) => {
    expect(() => connect({ address: '127.0.0.1:1', ...options })).toThrow(why);
  });

  it('carries every call, to a node that is verified and wants to know the client', async () => {
    const [authority, { server }] = [new Authority(), await start()];
    const demand = { requestCert: true, rejectUnauthorized: true, ca: authority.cert };
    const front = await startTlsFront(server.port, { ...authority.issue(), ...demand });
    onCleanup(() => front.close());
    const own = authority.issue({ cn: 'client' });
    const client = open({ address: `https://${front.address}`, tls: { ca: authority.cert, ...own } });
    await client.set('k', Buffer.from('v'));
    expect((await client.get('k')).found).toBe(true);
    expect((await Array.fromAsync(client.scan(''))).length).toBe(1);
  });

  it.each<[string, () => { ca: string; serverName?: string }, string]>([
    ['an authority that is not trusted', () => ({ ca: new Authority().cert }), 'not trusted here'],
    ['another name', () => ({ ca: AUTHORITY.cert, serverName: 'other.example' }), 'is for another name'],
    ['the past', () => ({ ca: AUTHORITY.cert }), 'has expired'],
  ])('says at once of a certificate that is of %s, and that of which node', async (what, tls, why) => {
    const { server } = await start();
    const names = { dns: ['localhost'], ip: ['127.0.0.1'] };
    const past = what === 'the past' ? { from: new Date(0), to: new Date(1) } : {};
    const front = await startTlsFront(server.port, AUTHORITY.issue({ ...names, ...past }));
    onCleanup(() => front.close());
    const told: unknown[] = [];
    const address = `https://${front.address}`;
    const { client } = openHurried({ address, tls: tls(), onRetry: (retry) => told.push(retry) });
    onCleanup(() => client.close());
    for (const call of [() => client.get('k'), () => client.set('k', Buffer.from('v'))])
      await expect(call()).rejects.toMatchObject({
        ...{ code: Code.Unavailable, outcome: 'not_done', address },
        rawMessage: expect.stringMatching(new RegExp(`^${address}: its certificate .*${why}`)),
      });
    await expect(client.watch({ key: 'k' }).next()).rejects.toThrow(why);
    expect(told).toEqual([]);
  });

  it('says at once of a node that it speaks no TLS', async () => {
    const { server } = await start();
    const address = `https://127.0.0.1:${server.port}`;
    const { client } = openHurried({ address, tls: { ca: AUTHORITY.cert } });
    onCleanup(() => client.close());
    await expect(client.get('k')).rejects.toMatchObject({
      ...{ code: Code.Unavailable, outcome: 'not_done', attempts: 1 },
      rawMessage: `${address}: it does not speak TLS on this port`,
    });
  });

  it('goes on at another node where one shows a certificate that does not count', async () => {
    const { server } = await start();
    const fronts = [];
    for (const authority of [new Authority(), AUTHORITY])
      fronts.push(await startTlsFront(server.port, authority.issue()));
    for (const front of fronts) onCleanup(() => front.close());
    const addresses = fronts.map(({ address }) => `https://${address}`);
    const client = open({ addresses, tls: { ca: AUTHORITY.cert }, readFrom: 'replica' });
    for (let i = 0; i < 4; i++) expect((await client.get('k')).found).toBe(false);
  });
});

it('is opened with options that the manual names, every one', () => {
  const manual = readText('client/README.md');
  const files = ['client-options', 'batch-queue', 'load-plan', 'near-cache', 'watch'];
  const names = files.flatMap((file) =>
    [...readText(`client/${file}.ts`).matchAll(/^export interface \w+(?:Options|Limits)\b.*?^}$/gms)].flatMap(
      ([body]) => [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name = '']) => name),
    ),
  );
  expect(names.length).toBeGreaterThan(30);
  expect(names.filter((name) => !new RegExp(`[\`.{ ]${name}\\b`).test(manual))).toEqual([]);
});

describe('a token', () => {
  it.each<[Partial<WalnutClientOptions>, string]>([
    [
      { address: '192.0.2.1:8080', token: 'walnut_a' },
      'expected https://192.0.2.1:8080, or allowClearText: true',
    ],
    [{ token: 'a b' }, 'token is ill-formed'],
    [{ token: 1 as never }, 'token is 1: expected a string, or a function that gives one'],
    [{ address: '192.0.2.1:8080', token: () => 'walnut_a' }, 'expected https://192.0.2.1:8080'],
    [{ token: 'a', transport: createRouterTransport(() => {}) }, 'token goes with address'],
  ])('is refused with %o', (options, why) => {
    expect(() => connect({ address: '127.0.0.1:1', ...options })).toThrow(why);
  });

  it('is sent with each call', async () => {
    const { address, seen } = await credentialsServer();
    const client = open({ address, token: 'walnut_a' });
    await expect(client.get('k')).rejects.toMatchObject({ code: Code.NotFound });
    expect(seen).toEqual(['Bearer walnut_a']);
  });

  it('is asked for with each call where it is a function, which may have none', async () => {
    const { address, seen } = await credentialsServer();
    const tokens: unknown[] = ['walnut_a', 'walnut_b', 'a b', undefined];
    const token = (): string => {
      if (tokens.length === 0) throw new Error('the vault is closed');
      return tokens.shift() as string;
    };
    const client = open({ address, token });
    for (const code of [Code.NotFound, Code.NotFound, Code.InvalidArgument, Code.InvalidArgument])
      await expect(client.get('k')).rejects.toMatchObject({ code, outcome: 'not_done' });
    const missing = { code: Code.Unauthenticated, outcome: 'not_done' };
    await expect(client.get('k')).rejects.toMatchObject(missing);
    await expect(client.get('k')).rejects.toThrow('the vault is closed');
    await expect(client.watch({ key: 'k' }).next()).rejects.toMatchObject(missing);
    expect(seen).toEqual(['Bearer walnut_a', 'Bearer walnut_b']);
  });

  it('is given by no promise: the error says so, and no rejection is left unheard', async () => {
    const { address, seen } = await credentialsServer();
    const token = async (): Promise<string> => {
      throw new Error('the vault is closed');
    };
    const client = open({ address, token: token as never });
    const why = 'token gives a promise: expected a function that gives the token itself';
    await expect(client.get('k')).rejects.toThrow(why);
    expect(seen).toEqual([]);
  });
});
