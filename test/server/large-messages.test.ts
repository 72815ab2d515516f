/** Large messages, which are decoded and encoded in slices, beside everything else. */
import { create, equals, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchRequestSchema,
  type BatchResponse,
  BatchResponseSchema,
  type BatchResult,
  BatchResultSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { positionOf } from '#test/server/fake-node.ts';
import { http1, type Running, session, start, tcp, until } from '#test/server/running.ts';

const LIMITS = { valueBytesMax: 8 << 20, batchBytesMax: 32 << 20 };
const LARGE = Buffer.alloc(6 << 20, 0x5a);
const SLICES_MIN = 20;

/** Counts the turns that work in slices lets pass, and does something in one of them. */
function watchedClock(onTurn: (turn: number) => void = () => {}): { clock: Clock; turns: () => number } {
  const clock = createNodeClock();
  let turns = 0;
  const yieldTo = async (): Promise<void> => {
    turns++;
    onTurn(turns);
    await clock.yield();
  };
  return { clock: { ...clock, yield: yieldTo }, turns: () => turns };
}

function post(path: string, json: unknown): string {
  const body = JSON.stringify(json);
  return (
    `POST /walnut.v1.KVStore/${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`
  );
}

const setsOf = ({ node }: Running): unknown[] =>
  node.calls.filter(({ port }) => port.endsWith('set')).map(({ argument }) => argument);

describe('a large JSON Set', () => {
  it('lets others have their turns, and is carried out as a small one is', async () => {
    const { clock, turns } = watchedClock();
    const running = await start({ ...LIMITS, clock });
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Set', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: 'k', value: LARGE.toString('base64'), requestId: 'r' }),
    });
    expect(answer.status).toBe(200);
    expect(setsOf(running)).toMatchObject([{ key: 'k', id: { name: { kind: 'request', requestId: 'r' } } }]);
    expect(LARGE.equals((setsOf(running)[0] as { value: Uint8Array }).value)).toBe(true);
    expect(turns()).toBeGreaterThan(SLICES_MIN);
  });

  it('keeps its place before what follows on its connection', async () => {
    const running = await start(LIMITS);
    const { socket, received } = tcp(running);
    socket.write(post('Set', { key: 'large', value: LARGE.toString('base64') }));
    socket.write(post('Set', { key: 'small', requestId: 'r' }));
    await until(() => received().split('HTTP/1.1 200').length > 2);
    expect(setsOf(running).map((set) => (set as { key: string }).key)).toEqual(['large', 'small']);
  });

  it('is given up where the connection of its caller is reset', async () => {
    let client: { resetAndDestroy(): void } | undefined;
    const { clock, turns } = watchedClock((turn) => {
      if (turn === 3) client?.resetAndDestroy();
    });
    const running = await start({ ...LIMITS, clock });
    const { socket } = tcp(running);
    client = socket;
    socket.write(post('Set', { key: 'k', value: LARGE.toString('base64') }));
    await until(() => turns() >= 3);
    const before = turns();
    const counted = /walnut_rpc\w*total\{[^}]*code="canceled"[^}]*\} 1/;
    while (!counted.test(await running.metrics.render())) await createNodeClock().yield();
    expect(turns()).toBeLessThan(before + SLICES_MIN);
    expect(setsOf(running)).toEqual([]);
  });

  it('is refused as a whole for what is wrong at its end', async () => {
    const running = await start(LIMITS);
    const value = LARGE.toString('base64');
    const operations = [{ set: { key: 'a', value } }, { set: { key: 'b', ttlMs: 'soon' } }];
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Batch', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ operations }),
    });
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'invalid_argument' });
    expect(running.node.calls).toEqual([]);
  });
});

describe('a large JSON answer', () => {
  it('is written in many turns', async () => {
    const { clock, turns } = watchedClock();
    const running = await start({ ...LIMITS, clock });
    running.node.entries.set('k', { key: 'k', value: LARGE, expireAtMs: 0, version: positionOf(1) });
    const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Get', {
      headers: { 'content-type': 'application/json' },
      body: '{"key":"k"}',
    });
    expect(Buffer.from(JSON.parse(answer.text).value, 'base64').equals(LARGE)).toBe(true);
    expect(turns()).toBeGreaterThan(SLICES_MIN);
  });
});

describe('a large binary answer', () => {
  const ENTRIES = 40;

  it('of a batch of Gets is the same as in small ones, within the limit of an answer', async () => {
    const { clock, turns } = watchedClock();
    const running = await start({ ...LIMITS, clock });
    const { entries } = running.node;
    for (let i = 0; i < ENTRIES; i++) {
      const value = Buffer.alloc(900_000, i);
      entries.set(`${i}`, { key: `${i}`, value, expireAtMs: 0, version: positionOf(i + 1) });
    }
    const ask = async (keys: readonly string[]): Promise<BatchResponse> => {
      const operations = keys.map((key) => ({ operation: { case: 'get' as const, value: { key } } }));
      const request = create(BatchRequestSchema, { operations });
      const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Batch', {
        headers: { 'content-type': 'application/proto' },
        body: toBinary(BatchRequestSchema, request),
      });
      return fromBinary(BatchResponseSchema, answer.body);
    };
    const keys = Array.from({ length: ENTRIES }, (_, i) => `${i}`);
    const { results } = await ask(keys);
    expect(turns()).toBeGreaterThan(SLICES_MIN);
    const fits = Math.floor(LIMITS.batchBytesMax / 900_000);
    expect(results.map(({ result }) => result.case)).toEqual(
      keys.map((_, i) => (i < fits ? 'get' : 'error')),
    );
    for (const i of [0, 1, 2, fits - 1]) {
      const [alone] = (await ask([`${i}`])).results;
      expect(equals(BatchResultSchema, results[i] as BatchResult, alone as BatchResult)).toBe(true);
    }
  });
});

describe('large answers on one connection of our own HTTP/2', () => {
  const operations = Array.from({ length: 3 }, () => ({
    operation: { case: 'get' as const, value: { key: 'k' } },
  }));
  it.each([
    ['JSON', 'Get', 'application/json', '{"key":"k"}', 1],
    [
      'binary Batches',
      'Batch',
      'application/proto',
      toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations })),
      3,
    ],
  ])('are made one after another: %s', async (_name, path, type, body, reads) => {
    const running = await start({ ...LIMITS, http2: 'own' });
    running.node.entries.set('k', { key: 'k', value: LARGE, expireAtMs: 0, version: positionOf(1) });
    const client = session(running);
    const answered = Array.from({ length: 8 }, () => {
      const stream = client.request({
        ':method': 'POST',
        ':path': `/walnut.v1.KVStore/${path}`,
        'content-type': type,
      });
      stream.on('error', () => {});
      stream.end(body);
      // What it has room for is not read.
      return new Promise((resolve) => stream.on('response', resolve));
    });
    await Promise.race(answered);
    // The first is there, and waits to be read; another may have begun before it was.
    expect(running.node.calls.length).toBeLessThanOrEqual(2 * reads);
  });
});
