/** More clients than descriptors: they are told so, and the ones that are served stay served. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { limitConnections } from '#rpc/connection-limit.ts';
import { http1, onCleanup, start, tcp, until } from '#test/server/running.ts';

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
    if (openFilesMax > 2) {
      expect(limit.connectionsMax + limit.reservedFiles + limit.toldMax).toBeLessThanOrEqual(openFilesMax);
    }
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
