/** The page of a node: who gets what of it, with which headers, and its stream of figures. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { VIEWERS_MAX } from '#page/live-feed.ts';
import { pageFiles } from '#page/page-files.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, http2, onCleanup, type Running, rpc, session, start, until } from '#test/server/running.ts';

const BROWSER = { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } };

function guarded(): Promise<Running> {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode: 'required',
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  return start({ identities, isIdentityRequired: true });
}

interface Viewer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly snapshots: unknown[];
  readonly text: () => string;
  readonly isOver: () => boolean;
  readonly leave: () => void;
}

/** Resolves with the head of the answer. */
function look({ server }: Running, headers: Record<string, string> = {}): Promise<Viewer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: server.port, path: '/page/live', headers, agent: false };
    const outgoing = request(options, (response) => {
      let [text, isOver] = ['', false];
      response.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      response.on('end', () => {
        isOver = true;
      });
      response.on('error', () => {});
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        get snapshots() {
          const lines = text.split('\n\n').filter((one) => one.startsWith('data: '));
          return lines.map((line) => JSON.parse(line.slice(6)));
        },
        text: () => text,
        isOver: () => isOver,
        leave: () => void outgoing.destroy(),
      });
    });
    outgoing.on('error', reject);
    onCleanup(() => void outgoing.destroy());
    outgoing.end();
  });
}

describe('/ in a browser', () => {
  it('is a page that loads nothing from elsewhere, runs no text of its own, and is framed by nobody', async () => {
    const { status, headers, text } = await http1(await start(), 'GET', '/', BROWSER);
    expect([status, headers['content-type'], headers.vary]).toEqual([
      200,
      'text/html; charset=utf-8',
      'accept',
    ]);
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect([headers['x-content-type-options'], headers['referrer-policy']]).toEqual([
      'nosniff',
      'no-referrer',
    ]);
    expect(text).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|style=|https?:/);
  });

  it('is text for everyone else, with where to find the page', async () => {
    const running = await start();
    for (const headers of [
      {},
      { accept: '*/*' },
      { accept: 'text/plain' },
      { accept: 'text/html;q=0.1, text/plain' },
    ] as Record<string, string>[])
      expect((await http1(running, 'GET', '/', { headers })).headers['content-type']).toMatch(/^text\/plain/);
  });

  it('has each file that it names, which a browser asks for again by its ETag', async () => {
    const running = await start();
    const { text } = await http1(running, 'GET', '/', BROWSER);
    const named = [...text.matchAll(/(?:src|href)="(page\/[^"]+)"/g)].map(([, path]) => `/${path}`);
    expect(named.length).toBeGreaterThan(4);
    for (const path of named) {
      const { status, headers } = await http1(running, 'GET', path);
      expect([path, status, headers['x-content-type-options']]).toEqual([path, 200, 'nosniff']);
      const again = await http1(running, 'GET', path, { headers: { 'if-none-match': String(headers.etag) } });
      expect([again.status, again.body.length]).toEqual([304, 0]);
    }
  });

  it('has each module that one of its modules imports', () => {
    const files = pageFiles();
    const missing = [...files].flatMap(([name, { bytes }]) =>
      [
        ...Buffer.from(bytes)
          .toString()
          .matchAll(/^import .* from '\.\/([^']+)';$|^\} from '\.\/([^']+)';$/gm),
      ]
        .map(([, one, other]) => one ?? other ?? '')
        .filter((path) => name.endsWith('.js') && !files.has(path)),
    );
    expect(missing).toEqual([]);
  });

  it.each(['/page/', '/page/../package.json', '/page/%2e%2e/package.json', '/page/nothing.js'])(
    'has no file %s',
    async (path) => {
      expect((await http1(await start(), 'GET', path)).status).toBe(404);
    },
  );

  it('is read only', async () => {
    const running = await start();
    for (const path of ['/', '/page/main.js', '/page/live'])
      expect((await http1(running, 'POST', path)).headers.allow).toBe('GET, HEAD');
  });
});

describe('the page where callers must be known', () => {
  it('is open, and tells nothing of the node', async () => {
    const running = await guarded();
    for (const path of ['/', '/page/main.js', '/page/runbooks.json'])
      expect((await http1(running, 'GET', path, BROWSER)).status).toBe(200);
    expect((await http1(running, 'GET', '/')).status).toBe(401);
    expect(running.node.calls).toEqual([]);
  });

  it('has figures only for those who may observe', async () => {
    const running = await guarded();
    expect((await look(running)).status).toBe(401);
    expect((await look(running, { authorization: `Bearer ${tokenOf('reader')}` })).status).toBe(403);
    expect((await look(running, { authorization: `Bearer ${tokenOf('operator')}` })).status).toBe(200);
  });

  it('is not offered Basic, for which the browser would ask by itself', async () => {
    const running = await guarded();
    const { headers } = await look(running, { 'x-requested-with': 'walnut-page' });
    expect(headers['www-authenticate']).toBe('Bearer realm="walnut"');
    expect((await look(running)).headers['www-authenticate']).toContain('Basic');
  });
});

describe('/page/live', () => {
  it('tells Status and figures at once', async () => {
    const running = await start();
    await rpc(running, 'KVStore/Get', { key: 'k' });
    const viewer = await look(running);
    await until(() => viewer.snapshots.length > 0);
    expect([viewer.status, viewer.headers['content-type']]).toEqual([200, 'text/event-stream']);
    const [first] = viewer.snapshots;
    expect(first).toMatchObject({
      kind: 'node',
      version: '0.0.0-test',
      view: { role: 'ROLE_MASTER', ready: true },
    });
    const { walnut_rpc_handled_total: handled, walnut_rpc_duration_seconds: durations } = (
      first as { figures: Record<string, unknown[]> }
    ).figures;
    const labels = { method: 'walnut.v1.KVStore/Get' };
    expect(handled).toContainEqual({ labels: { ...labels, code: 'ok' }, value: 1 });
    expect(durations).toContainEqual({ labels, buckets: [[expect.any(Number), expect.anything(), 1]] });
    viewer.leave();
  });

  it('comes over HTTP/2, as every browser asks by TLS, like the files', async () => {
    const client = session(await start());
    for (const path of ['/', '/page/main.js']) {
      const { headers, text } = await http2(client, { ':path': path, accept: 'text/html' });
      expect([headers[':status'], headers['x-content-type-options']]).toEqual([200, 'nosniff']);
      expect(Buffer.byteLength(text)).toBe(Number(headers['content-length']));
    }
    const stream = client.request({ ':path': '/page/live' });
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    expect(chunk.toString()).toMatch(/^data: \{"kind":"node"/);
    stream.close();
  });

  it('gives one viewer too many the place of the oldest of its address, which is told', async () => {
    const running = await start();
    const oldest = await look(running);
    const others = await Promise.all(Array.from({ length: VIEWERS_MAX - 1 }, () => look(running)));
    const newcomer = await look(running);
    await until(() => oldest.isOver() && newcomer.snapshots.length > 0);
    expect(oldest.text()).toContain('event: end\ndata: {"code":"resource_exhausted","message":"32 pages are');
    for (const viewer of [...others, newcomer]) {
      expect([viewer.status, viewer.isOver()]).toEqual([200, false]);
      viewer.leave();
    }
  });

  it('ends with the node, and says so', async () => {
    const running = await start();
    const viewer = await look(running);
    await until(() => viewer.snapshots.length > 0);
    running.server.beginDrain();
    await until(() => viewer.isOver());
    expect(viewer.text()).toContain(
      'event: end\ndata: {"code":"unavailable","message":"the server is stopping"}\n\n',
    );
  });
});
