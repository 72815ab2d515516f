/** More clients than descriptors: they are told so, and the ones that are served stay served. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { connectionsIn, describeBound, limitConnections } from '#rpc/connection-limit.ts';
import { http1, onCleanup, type Running, start, tcp, until } from '#test/server/running.ts';

describe('the bound of connections', () => {
  it.each([
    [1_048_576, 20_000],
    [Number.POSITIVE_INFINITY, 20_000],
    [20_000, 19_776],
    [1_024, 800],
    [256, 96],
    [64, 24],
    [2, 1],
  ])('with %i files is %i', (openFilesMax, connectionsMax) => {
    const limit = limitConnections(openFilesMax);
    expect(limit.connectionsMax).toBe(connectionsMax);
    expect(limit.perAddressMax).toBe(Math.min(connectionsMax, Math.max(16, connectionsMax >> 2)));
    expect(limitConnections(openFilesMax, 1).perAddressMax).toBe(1);
    if (openFilesMax > 2) {
      expect(limit.connectionsMax + limit.reservedFiles + limit.toldMax).toBeLessThanOrEqual(openFilesMax);
    }
  });
});

describe('memory for connections', () => {
  const MIB = 1 << 20;
  it.each([
    [48 * MIB, true, 472],
    [48 * MIB, false, 1_024],
    [3_072 * MIB, true, 20_000],
    [1 * MIB, true, 256],
  ])('of %i bytes, by TLS %s, is enough for %i', (bytes, isTls, count) => {
    expect(connectionsIn(bytes, isTls)).toBe(count);
  });

  it('is enough for connections whose peers each delay the end of a head and of a record', () => {
    const KIB = 1_024;
    expect(connectionsIn(64 * MIB, true) * 103 * KIB).toBeLessThanOrEqual(64 * MIB);
    expect(connectionsIn(64 * MIB, false) * 44 * KIB).toBeLessThanOrEqual(64 * MIB);
  });

  it.each([
    [1_024, 1_228, 'ulimit -n is 1024'],
    [20_000, 1_228, 'its memory has room for no more'],
    [100_000, 20_000, 'no node takes more'],
  ])(
    'and %i open files: with %i at most, a caller that is refused learns the bound',
    (files, memoryMax, bound) => {
      expect(describeBound(limitConnections(files, undefined, memoryMax))).toBe(bound);
    },
  );

  it('bounds them where many files may be open', () => {
    expect(limitConnections(20_000, undefined, 1_228)).toMatchObject({
      connectionsMax: 1_228,
      perAddressMax: 307,
    });
    expect(limitConnections(1_024, undefined, 1_228).connectionsMax).toBe(800);
  });
});

describe('a server whose connections are all taken', () => {
  it('tells the next ones why in their own protocol, counts them, and takes more once some have gone', async () => {
    const running = await start({ openFilesMax: 16 });
    const idle = Array.from({ length: 6 }, () => tcp(running));
    for (const { socket, received } of idle) {
      socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
      await until(() => received().startsWith('HTTP/1.1 200'));
    }
    const refused = await http1(running, 'PUT', '/v1/keys/k', { body: 'v' });
    expect(refused.status).toBe(503);
    expect(refused.headers).toMatchObject({ 'retry-after': '1', connection: 'close' });
    expect(JSON.parse(refused.text)).toEqual({
      code: 'unavailable',
      message: expect.stringMatching(/all 6 connections of this node are taken \(ulimit -n is 16\)/),
    });
    const client = connectHttp2(running.baseUrl);
    onCleanup(() => client.destroy());
    client.on('error', () => {});
    const [code, , data] = (await once(client, 'goaway')) as [number, number, Buffer];
    expect(code).toBe(11);
    expect(data.toString()).toContain('all 6 connections');
    await until(() => client.closed || client.destroyed);
    idle.at(-1)?.socket.destroy();
    let metrics = '';
    while (!metrics.includes('walnut_connections_refused_total')) {
      metrics = await http1(running, 'GET', '/metrics').then(
        ({ text }) => text,
        () => '',
      );
    }
    expect(metrics).toContain('\nwalnut_connections_max 6\n');
    expect(metrics).toMatch(/^walnut_connections_refused_total ([2-9]|\d\d)$/m);
    const lines = running.logged.filter(
      ({ message }) => message === 'connections refused: the limit is reached',
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'warn', fields: { connectionsMax: 6, openFilesMax: 16 } });
  });
});

describe('an address that has as many connections as one may', () => {
  it('is told which key says so, while others get one, and other nodes always', async () => {
    const running = await start({ host: '::', openFilesMax: 64, perAddressMax: 2, isIdentityRequired: true });
    const others = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const own = others.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    if (own === undefined) return;
    const ask = (path: string, body?: string) => askFrom(own, running, path, body);
    const held = [await ask('/livez'), await ask('/livez')];
    expect(held.map(({ head }) => head.slice(9, 12))).toEqual(['200', '200']);
    const refused = await ask('/livez');
    expect(refused.head).toMatch(/^HTTP\/1\.1 503 .*server\.max_connections_per_address"\}$/s);
    expect((await http1(running, 'GET', '/livez')).status).toBe(200);
    expect(await running.metrics.render()).toContain('\nwalnut_connections_refused_by_address_total 1\n');
    expect(running.logged.at(-1)).toMatchObject({
      message: 'connections refused: one address has too many',
      fields: { refused: 1, address: own, perAddressMax: 2 },
    });
    held[0]?.socket.destroy();
    await until(() => held[0]?.socket.closed === true);
    // The node may see the end of that connection after it sees the next one begin.
    let registered = '';
    while (!/^HTTP\/1\.1 (?:4|200)/.test(registered))
      registered = (await ask('/walnut.v1.Replication/Register', '{}')).head;
    expect((await ask('/livez')).head.slice(9, 12)).toBe('200');
  });
});

/** One request from an address of this machine that is not loopback; its connection stays open. */
async function askFrom(
  address: string,
  { server }: Running,
  path: string,
  body = '',
): Promise<{ head: string; socket: Socket }> {
  const socket = connect({ port: server.port, host: address, localAddress: address });
  onCleanup(() => void socket.destroy());
  socket.on('error', () => {});
  const verb = body === '' ? 'GET' : 'POST';
  const type = `Content-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.write(`${verb} ${path} HTTP/1.1\r\nHost: a\r\n${type}\r\n\r\n${body}`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  return { head: head.toString(), socket };
}
