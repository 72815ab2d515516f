/** Large bodies that come slowly and at once, where there is room for one of them. */
import { randomBytes } from 'node:crypto';
import type { Http2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import type { Clock } from '#platform/clock.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { http1, type Running, session, start, tcp, until, VALUE_BYTES_MAX } from '#test/server/running.ts';

const HALF = VALUE_BYTES_MAX / 2;

async function startWithRoom(
  bodyBytesMax: number,
  valueBytesMax = VALUE_BYTES_MAX,
): Promise<Running & { readonly counted: () => number }> {
  let bytes = 0;
  const onBodyBytes = (more: number): void => {
    bytes += more;
  };
  return { ...(await start({ bodyBytesMax, valueBytesMax, onBodyBytes })), counted: () => bytes };
}

interface Slow {
  /** The next `bytes` of the body. */
  send(bytes: number): void;
  end(): void;
  answer(): string;
}

function http1Put(running: Running, key: string, header: string, user?: string): Slow {
  const { socket, received } = tcp(running);
  const isChunked = header.startsWith('transfer-encoding');
  const credential = user === undefined ? '' : `authorization: Bearer ${tokenOf(user)}\r\n`;
  socket.write(`PUT /v1/keys/${key} HTTP/1.1\r\nhost: a\r\n${credential}${header}\r\n\r\n`);
  return {
    send: (bytes) => {
      const piece = 'x'.repeat(bytes);
      socket.write(isChunked ? `${bytes.toString(16)}\r\n${piece}\r\n` : piece);
    },
    end: () => {
      if (isChunked) socket.write('0\r\n\r\n');
    },
    answer: received,
  };
}

function http2Put(client: ReturnType<typeof session>, key: string): Slow {
  const stream: Http2Stream = client.request({ ':method': 'PUT', ':path': `/v1/keys/${key}` });
  let answer = '';
  stream.on('response', (headers) => {
    answer += `HTTP/2 ${headers[':status']} \r\nretry-after: ${headers['retry-after']}\r\n`;
  });
  stream.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  stream.on('error', () => {});
  return {
    send: (bytes) => void stream.write('x'.repeat(bytes)),
    end: () => void stream.end(),
    answer: () => answer,
  };
}

function expectPassingShortage(answer: string, status: number): void {
  expect(answer).toMatch(new RegExp(`^HTTP/[\\d.]+ ${status} `));
  expect(answer).toContain('retry-after: 1\r\n');
  expect(answer).toContain('"code":"resource_exhausted"');
  expect(answer).toContain('try again');
}

it('a body of known length takes its room before it comes, and is received to its end', async () => {
  const running = await startWithRoom(1.5 * VALUE_BYTES_MAX);
  const first = http1Put(running, 'first', `content-length: ${VALUE_BYTES_MAX}`);
  first.send(HALF);
  await until(() => running.counted() > 0);
  expect(running.counted()).toBe(VALUE_BYTES_MAX);
  const second = http1Put(running, 'second', `content-length: ${VALUE_BYTES_MAX}`);
  await until(() => second.answer().includes('try again'));
  expectPassingShortage(second.answer(), 507);
  first.send(HALF);
  await until(() => first.answer() !== '');
  expect(first.answer()).toContain('HTTP/1.1 201 ');
  expect([...running.node.entries.keys()]).toEqual(['first']);
  expect((await http1(running, 'PUT', '/v1/keys/second', { body: 'x'.repeat(VALUE_BYTES_MAX) })).status).toBe(
    201,
  );
});

it.each(['HTTP/1.1, in chunks', 'HTTP/2'])(
  'of bodies of unknown length the oldest is received to its end: %s',
  async (kind) => {
    const running = await startWithRoom(1.25 * VALUE_BYTES_MAX);
    const client = session(running);
    const put = (key: string): Slow =>
      kind === 'HTTP/2' ? http2Put(client, key) : http1Put(running, key, 'transfer-encoding: chunked');
    const first = put('first');
    first.send(HALF);
    await until(() => running.counted() === HALF);
    const second = put('second');
    second.send(HALF);
    await until(() => running.counted() === 2 * HALF);
    first.send(HALF - 1);
    await until(() => running.counted() > 2 * HALF || first.answer() !== '');
    second.send(1);
    await until(() => second.answer().includes('try again'));
    expectPassingShortage(second.answer(), 507);
    first.send(1);
    first.end();
    await until(() => first.answer() !== '');
    expect(first.answer()).toContain(' 201 ');
    expect([...running.node.entries.keys()]).toEqual(['first']);
  },
);

it('a large rpc body of known length is refused before it comes', async () => {
  const body = JSON.stringify({ key: 'k', value: 'A'.repeat(66_000) });
  const running = await startWithRoom(100_000, 66_000);
  const set = (): ReturnType<typeof tcp> => {
    const one = tcp(running);
    const head = ['POST /walnut.v1.KVStore/Set HTTP/1.1', 'host: a', 'content-type: application/json'];
    one.socket.write(`${[...head, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n`);
    return one;
  };
  const first = set();
  await until(() => running.counted() > 0);
  expect(running.counted()).toBe(body.length);
  const second = set();
  await until(() => second.received().includes('try again'));
  expectPassingShortage(second.received(), 429);
  first.socket.write(body);
  await until(() => first.received() !== '');
  expect(first.received()).toContain('HTTP/1.1 200 ');
});

it('bodies of one user that never end leave room for those of others', async () => {
  const identities = new Identities({
    clock: createNodeClock(),
    mode: 'required',
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  const bodyBytesMax = 20 * VALUE_BYTES_MAX;
  const running = await start({ identities, isIdentityRequired: true, bodyBytesMax });
  const length = `content-length: ${VALUE_BYTES_MAX}`;
  const slow = Array.from({ length: 20 }, (_, i) => http1Put(running, `slow:${i}`, length, 'writer'));
  const refused = (): Slow[] => slow.filter((one) => one.answer().includes('of this caller'));
  await until(() => refused().length === 3);
  const headers = { authorization: `Bearer ${tokenOf('both')}` };
  const body = 'x'.repeat(VALUE_BYTES_MAX);
  expect((await http1(running, 'PUT', '/v1/keys/own', { headers, body })).status).toBe(201);
  let shown = '';
  while (!shown.includes(`walnut_request_body_bytes ${17 * VALUE_BYTES_MAX}\n`))
    shown = await running.metrics.render();
  expect(shown).toContain('walnut_bodies_refused_total{room="caller"} 3\n');
  for (const one of slow) one.send(VALUE_BYTES_MAX);
  await until(() => slow.every((one) => one.answer() !== ''));
});

it('a gzipped body is not refused because of itself', async () => {
  const value = randomBytes(132_000).toString('base64');
  const body = gzipSync(JSON.stringify({ key: 'k', value }));
  const running = await startWithRoom(200_000, 132_000);
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const set = await http1(running, 'POST', '/walnut.v1.KVStore/Set', { headers, body });
  expect(set.status).toBe(200);
  expect(running.counted()).toBeGreaterThan(200_000);
});

it.each([
  ['PUT', (i: number) => `PUT /v1/keys/k${i}`, 'application/octet-stream', 507],
  ['rpc', () => 'POST /walnut.v1.KVStore/Set', 'application/proto', 429],
])(
  'a writer by %s that is refused and sends again at once is not read before its time',
  async (_, line, type, status) => {
    const bytes = 100_000;
    const rests: (() => void)[] = [];
    const clock = createNodeClock();
    const after: Clock['after'] = (ms, callback) => {
      if (ms !== 1_000) return clock.after(ms, callback);
      rests.push(callback);
      return { cancel: () => {} };
    };
    let counted = 0;
    const onBodyBytes = (more: number): void => {
      counted += more;
    };
    const limits = { bodyBytesMax: bytes, valueBytesMax: bytes };
    const running = await start({ ...limits, onBodyBytes, clock: { ...clock, after } });
    const holder = http1Put(running, 'holder', `content-length: ${bytes}`);
    holder.send(1);
    await until(() => counted === bytes);
    const { socket, received } = tcp(running);
    for (let i = 0; i < 5; i++) {
      const head = `${line(i)} HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: ${bytes}\r\n\r\n`;
      socket.write(head + 'x'.repeat(bytes));
    }
    for (let refusals = 1; refusals <= 5; refusals++) {
      await until(() => rests.length > 0);
      for (let turn = 0; turn < 20; turn++) await clock.yield();
      expect(received().split(`HTTP/1.1 ${status} `)).toHaveLength(refusals + 1);
      expect(rests).toHaveLength(1);
      rests.pop()?.();
    }
  },
);
