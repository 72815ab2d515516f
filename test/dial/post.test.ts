/** A POST to a server that is no node. */
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createPost } from '#dial/post.ts';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import { Authority } from '#test/doubles/certificates.ts';

const { signal } = new AbortController();
let close: (() => void) | undefined;
afterEach(() => close?.());

/** The port of a server in clear text, or by TLS with the certificate of `authority`. */
async function serve(listener: RequestListener, authority?: Authority): Promise<number> {
  const server =
    authority === undefined ? createServer(listener) : createTlsServer(authority.issue(), listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => server.close();
  return (server.address() as AddressInfo).port;
}

const at = (port: number, authority?: Authority) => ({
  ...{ text: `127.0.0.1:${port}`, host: '127.0.0.1', port },
  tls: authority && createTlsDialer({ material: () => ({ ca: authority.cert }), serverName: undefined }),
});

describe('a post', () => {
  it('brings path, headers and body, and the answer back', async () => {
    const port = await serve(async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      response.writeHead(429, { 'retry-after': '3' });
      response.end(JSON.stringify([request.method, request.url, request.headers, body.toString()]));
    });
    const answer = await createPost(at(port), '/v1/metrics?a=1')(Buffer.from('abc'), { 'x-a': 'b' }, signal);
    const [method, url, headers, body] = JSON.parse(Buffer.from(answer.body).toString()) as unknown[];
    expect([answer.status, answer.headers['retry-after'], method, url, body]).toEqual([
      ...[429, '3', 'POST', '/v1/metrics?a=1', 'abc'],
    ]);
    expect(headers).toEqual({
      ...{ 'x-a': 'b', host: `127.0.0.1:${port}`, 'content-length': '3', connection: 'close' },
    });
  });

  it('reads no more of an answer than it may be', async () => {
    const port = await serve((_, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(16_384)));
      };
      response.on('drain', more);
      more();
    });
    const { body } = await createPost(at(port), '/')(new Uint8Array(), {}, signal);
    expect(body.length).toBeLessThan(200_000);
  });

  it('follows no redirection', async () => {
    const port = await serve((_, response) => response.writeHead(307, { location: '/other' }).end());
    expect((await createPost(at(port), '/')(new Uint8Array(), {}, signal)).status).toBe(307);
  });

  it('reaches a server by TLS whose authority is trusted, and no other', async () => {
    const authority = new Authority();
    const port = await serve((_, response) => void response.end('secret'), authority);
    const { status } = await createPost(at(port, authority), '/')(new Uint8Array(), {}, signal);
    expect(status).toBe(200);
    const foreign = createPost(at(port, new Authority()), '/')(new Uint8Array(), {}, signal);
    await expect(foreign).rejects.toThrow(/certificate/);
  });

  it('rejects where nobody answers, and when it is given up', async () => {
    const port = await serve((request) => void request.resume());
    const given = createPost(at(port), '/')(new Uint8Array(), {}, AbortSignal.timeout(20));
    await expect(given).rejects.toThrow(/abort/);
    close?.();
    const free = createPost(at(port), '/')(new Uint8Array(), {}, signal);
    await expect(free).rejects.toThrow();
  });
});
