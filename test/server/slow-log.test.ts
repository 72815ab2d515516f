/** The slow log: which calls it has, with which facts, and how many. */
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { operationOf } from '#model/methods.ts';
import type { SlowCall } from '#model/slow-call.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { NO_PEER } from '#rpc/peer.ts';
import { anonymousCall } from '#rpc/rpc-call.ts';
import { SlowLog } from '#rpc/slow-log.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, http2, type Running, rpc, session, start } from './running.ts';

/** Longer than any call of a test takes. */
const THRESHOLD_MS = 600_000;
const SECRET = 'c2VjcmV0';

/** A server on whose clock ten minutes pass while it reads `slow:` keys. */
async function startSlow(): Promise<Running> {
  const real = createNodeClock();
  let passedMs = 0;
  const clock = { ...real, monotonicMs: () => real.monotonicMs() + passedMs };
  const slowLog = new SlowLog(clock, { thresholdMs: THRESHOLD_MS, entriesMax: 8 });
  const running = await start({ clock, slowLog });
  // Only Gets that a port carries out come here, such as those with a bound of staleness.
  running.node.hold = async () => {
    passedMs += THRESHOLD_MS;
  };
  return running;
}

async function slowCalls(running: Running, request: object = {}): Promise<Record<string, unknown>[]> {
  const { json } = await rpc(running, 'Admin/GetSlowLog', request);
  return (json['calls'] ?? []) as Record<string, unknown>[];
}

describe('the slow log of a server', () => {
  it('has slow calls of every way in, the newest first, with key and caller and without values', async () => {
    const running = await startSlow();
    await rpc(running, 'KVStore/Set', { key: 'fast', value: SECRET });
    await rpc(running, 'KVStore/Get', { key: 'json "1"' });
    const bytes = Buffer.from(
      toBinary(GetRequestSchema, create(GetRequestSchema, { key: 'binary', maxStalenessMs: 9_000n })),
    );
    const path = '/walnut.v1.KVStore/Get';
    await http1(running, 'POST', path, { headers: { 'content-type': 'application/proto' }, body: bytes });
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/proto' };
    await http2(session(running), headers, bytes);
    await http1(running, 'GET', '/v1/keys/%C3%BC%0A');
    await http1(
      running,
      'GET',
      `${path}?connect=v1&encoding=json&message=%7B%22key%22%3A%22url%22%2C%22maxStalenessMs%22%3A%229000%22%7D`,
    );
    const calls = await slowCalls(running);
    expect(calls.map(({ operation, key, code }) => `${operation} ${key} ${code}`)).toEqual([
      `${path} "url" ok`,
      'GET /v1/keys/ "ü\\n" ok',
      `${path} "binary" ok`,
      `${path} "binary" ok`,
      `${path} "json \\"1\\"" ok`,
    ]);
    for (const [i, call] of calls.entries()) {
      expect(call).toMatchObject({ id: String(5 - i), user: 'anonymous', from: '127.0.0.1' });
      expect(Number(call['durationUs'])).toBeGreaterThanOrEqual(THRESHOLD_MS * 1_000);
    }
    expect(JSON.stringify(calls)).not.toContain(SECRET);
    expect((await http1(running, 'GET', '/metrics')).text).toContain('\nwalnut_slow_calls_total 5\n');
  });

  it('gives as many as asked for, above an id', async () => {
    const running = await startSlow();
    for (let i = 1; i <= 10; i++) await rpc(running, 'KVStore/Get', { key: `${i}`, maxStalenessMs: '9000' });
    const ids = (calls: Record<string, unknown>[]): number[] => calls.map(({ id }) => Number(id));
    expect(ids(await slowCalls(running))).toEqual([10, 9, 8, 7, 6, 5, 4, 3]);
    expect(ids(await slowCalls(running, { limit: 2 }))).toEqual([10, 9]);
    expect(ids(await slowCalls(running, { afterId: '9' }))).toEqual([10]);
    expect((await rpc(running, 'Admin/GetSlowLog', {})).json).toMatchObject({
      thresholdMs: String(THRESHOLD_MS),
      maxEntries: 8,
      total: '10',
    });
  });
});

describe('SlowLog', () => {
  const ended = { call: anonymousCall(NO_PEER), operation: '/x', code: 'ok', durationMs: 7 };

  it('takes nothing for slow with a threshold of 0, and follows a change of it', () => {
    const log = new SlowLog(new VirtualClock(), { thresholdMs: 0, entriesMax: 4 });
    const get = operationOf('/walnut.v1.KVStore/Get');
    expect(log.isSlow(get, 1e9)).toBe(false);
    log.setThreshold(5);
    expect([log.isSlow(get, 4.9), log.isSlow(get, 5)]).toEqual([false, true]);
  });

  it('takes no call for slow that waits until something happens', () => {
    const log = new SlowLog(new VirtualClock(), { thresholdMs: 5, entriesMax: 4 });
    expect(log.isSlow(operationOf('/walnut.v1.Replication/Observe'), 1e9)).toBe(false);
  });

  it('cuts long keys', () => {
    const log = new SlowLog(new VirtualClock(), { thresholdMs: 1, entriesMax: 4 });
    log.note({ ...ended, key: () => 'k'.repeat(1_024) });
    log.note({ ...ended, key: () => undefined });
    const [none, cut] = log.read(10, 0).calls as readonly [SlowCall, SlowCall];
    expect([none.key, cut.key]).toEqual(['', `"${'k'.repeat(64)}…"`]);
  });
});
