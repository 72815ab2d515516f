import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { replayTrace, valueFor } from '../../cmd/walnut/replay/replay-driver.ts';
import { ReplayCounters, type ReplayReport } from '../../cmd/walnut/replay/replay-report.ts';
import { TraceQueue } from '../../cmd/walnut/replay/trace-queue.ts';
import { FakeNode } from './fake-node.ts';
import { type RunOptions, runCli } from './memory-io.ts';

const ENTRIES_MAX = 50;
let directory = '';
let node: FakeNode;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-replay-'));
});
afterAll(() => rm(directory, { recursive: true }));
beforeEach(async () => {
  node = await new FakeNode({ entriesMax: ENTRIES_MAX }).start();
});
afterEach(() => node.stop());

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

/** Skewed keys from a fixed sequence: small numbers are frequent. */
function makeKeys(count: number): number[] {
  let state = 12_345;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) ** 3 * 400);
  });
}

function writeInt32(name: string, keys: readonly number[]): Promise<string> {
  const bytes = Buffer.alloc(4 * keys.length);
  keys.forEach((key, index) => void bytes.writeInt32LE(key, 4 * index));
  return write(name, bytes);
}

/** The expected hits: those of a read-through cache with an exact LRU. */
function lruHits(keys: readonly number[], entriesMax: number): number {
  const order: number[] = [];
  let hits = 0;
  for (const key of keys) {
    const at = order.indexOf(key);
    if (at >= 0) {
      hits++;
      order.splice(at, 1);
    }
    order.push(key);
    if (order.length > entriesMax) order.shift();
  }
  return hits;
}

async function replay(file: string, options: string[] = [], io: RunOptions = {}) {
  const ran = await runCli(['replay', file, '--json', '--address', node.address, ...options], io);
  return { ...ran, report: (ran.out === '' ? undefined : JSON.parse(ran.out)) as ReplayReport };
}

const STRICT = ['--concurrency', '1'];

describe('replay', () => {
  it('has exactly the hits of the LRU, with one worker', async () => {
    const keys = makeKeys(2_000);
    const { code, report } = await replay(await writeInt32('lru', keys), STRICT);
    const hits = lruHits(keys, ENTRIES_MAX);
    expect(report).toMatchObject({
      hits,
      misses: 2_000 - hits,
      operations: 2_000,
      errors: 0,
      retries: 0,
      isComplete: true,
    });
    expect(code).toBe(0);
    expect(hits).toBeGreaterThan(200);
    for (const [key, entry] of node.data) {
      expect(Buffer.from(entry.value).equals(valueFor(key, 40 + (Number(key) % 1_000)))).toBe(true);
    }
  });

  it('has the same hits where connections break and answers are lost on the way', async () => {
    const keys = makeKeys(500);
    const faults = {
      50: 'cut',
      101: 'cut after',
      102: 'cut after',
      203: 'unavailable',
      304: 'cut after',
    } as const;
    node.fault = (_method, call) => faults[call as keyof typeof faults] ?? 'serve';
    const { code, report } = await replay(await writeInt32('faults', keys), STRICT);
    // One of the faults may affect the poll of Status, which is not an operation.
    expect(report.retries).toBeGreaterThanOrEqual(3);
    expect(report).toMatchObject({ hits: lruHits(keys, ENTRIES_MAX), operations: 500, errors: 0 });
    expect(code).toBe(0);
  });

  it('carries out every operation once with many workers', async () => {
    const keys = makeKeys(1_000);
    const { report } = await replay(await writeInt32('many', keys), ['--concurrency', '8']);
    expect(report.operations).toBe(1_000);
    expect(report.hits + report.misses).toBe(1_000);
    expect(node.calls.Get).toBe(1_000);
    expect(node.calls.Set).toBe(report.misses);
  });

  it('stops at the limit', async () => {
    const { report } = await replay(await writeInt32('limit', makeKeys(500)), [...STRICT, '--limit', '123']);
    expect(report.operations).toBe(123);
    expect(node.calls.Get).toBe(123);
  });

  it('counts a key that missed earlier in a batch as a hit, and fills it once', async () => {
    const file = await writeInt32('batch', [1, 2, 1, 1, 3, 2, 1]);
    const { report } = await replay(file, [...STRICT, '--batch', '4']);
    // [1 2 1 1] → 2 misses, 2 hits; [3 2 1] → 1 miss, 2 hits.
    expect(report).toMatchObject({ hits: 4, misses: 3, operations: 7 });
    expect(node.calls).toMatchObject({ Batch: 4 });
    expect(node.setRequests.map(({ key }) => key)).toEqual(['1', '2', '3']);
  });

  it('honours sets, deletes, sizes and deadlines of a CSV trace, in order', async () => {
    const file = await write(
      'ops.csv',
      'time,key,op,size,ttl\n1,a,get,10,\n2,a,get,,\n3,a,delete\n4,a,get,5,2\n5,b,set,7\n6,b,get',
    );
    for (const batch of ['1', '10']) {
      node.keys.length = 0;
      node.setRequests.length = 0;
      node.data.clear();
      const { report } = await replay(file, [...STRICT, '--batch', batch]);
      expect(report).toMatchObject({ hits: 2, misses: 2, operations: 6 });
      expect(node.setRequests.map(({ key, value }) => [key, value.length])).toEqual([
        ['a', 10],
        ['a', 5],
        ['b', 7],
      ]);
      expect(node.setRequests[1]?.expiry).toEqual({ case: 'ttlMs', value: 2_000n });
    }
  });

  it('counts what the server refuses, goes on, and exits 1', async () => {
    const file = await write('refused.csv', '1,a,set,666\n2,b,set,5\n3,c,get,666');
    for (const batch of ['1', '3']) {
      const { code, report } = await replay(file, [...STRICT, '--batch', batch]);
      expect(code).toBe(1);
      expect(report).toMatchObject({ operations: 3, errors: 2 });
      expect(report.errorsByCode.resource_exhausted).toMatchObject({ count: 2, first: 'full by bytes' });
      expect(node.data.has('b')).toBe(true);
    }
  });

  it('stops at the first damage of the trace, with the summary until there', async () => {
    const file = await write('damaged', Buffer.concat([Buffer.alloc(400, 1), Buffer.alloc(3)]));
    const { code, report, err } = await replay(file, STRICT);
    expect(code).toBe(2);
    expect(report).toMatchObject({ operations: 100, isComplete: false });
    expect(err).toContain('3 bytes after the last whole key');
  });

  it('stops when interrupted, with the summary until there', async () => {
    const interruption = new AbortController();
    node.fault = (_method, call) => {
      if (call === 200) interruption.abort();
      return 'serve';
    };
    const file = await writeInt32('interrupted', makeKeys(5_000));
    const { code, report } = await replay(file, ['--concurrency', '4'], { interrupted: interruption.signal });
    expect(code).toBe(130);
    expect(report.isComplete).toBe(false);
    expect(report.operations).toBeGreaterThan(50);
    expect(report.operations).toBeLessThan(250);
  });

  it('stops waiting for a node that is gone when interrupted', async () => {
    const interruption = new AbortController();
    node.fault = (method, call) => {
      if (call === 30) interruption.abort();
      return method === 'Status' ? 'serve' : 'unavailable';
    };
    const file = await writeInt32('gone', makeKeys(100));
    const { code, report } = await replay(file, ['--concurrency', '16'], {
      interrupted: interruption.signal,
    });
    expect(code).toBe(130);
    expect(report).toMatchObject({ operations: 0, isComplete: false });
    expect(report.retries).toBeGreaterThan(0);
  });

  it('stops where patience ends, leaving the rest of the trace', async () => {
    node.fault = (method) => (method === 'Set' ? 'unavailable' : 'serve');
    const operations = Array.from(
      { length: 20 },
      (_, key) => ({ kind: 'get', key: `${key}`, valueBytes: 1, ttlMs: 0 }) as const,
    );
    const counters = new ReplayCounters();
    const master = tryEndpoint(node.address) as Endpoint;
    const policy = { patienceMs: 40, interrupted: new AbortController().signal };
    const plan = { master, readers: [master], concurrency: 2, batch: 1, policy };
    async function* chunks() {
      yield operations;
    }
    await expect(replayTrace(plan, new TraceQueue(chunks()), counters)).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(counters.report(false)).toMatchObject({ operations: 0, misses: 2 });
    expect(counters.retries).toBeGreaterThan(0);
    expect(node.calls.Get).toBe(2);
  });

  it('prints a table without --json', async () => {
    const file = await writeInt32('table', [1, 1]);
    const { out } = await runCli(['replay', file, '--address', node.address, ...STRICT]);
    expect(out).toMatch(/hits +1 \(50\.00 % of gets\)/);
    expect(out).toMatch(/latency +p50 [\d.]+ ms, p99/);
  });
});

describe('replay with replicas', () => {
  it('reads from the replicas in turn, writes to the master, and reports the lag', async () => {
    const group = await startGroup(2);
    try {
      const file = await writeInt32('replicas', makeKeys(300));
      for (const batch of ['1', '10']) {
        const { report, code } = await replay(file, [...STRICT, '--reads', 'replicas', '--batch', batch]);
        expect(code).toBe(0);
        expect(report).toMatchObject({ operations: 300, errors: 0, maxLagRecords: 7, maxLagMs: 40 });
      }
      const [first, second] = group;
      expect([first?.calls.Get, second?.calls.Get]).toEqual([150, 150]);
      expect(node.calls.Get).toBeUndefined();
      expect(node.calls.Set).toBeGreaterThan(0);
      expect(first?.calls.Set).toBeUndefined();
    } finally {
      await Promise.all(group.map((replica) => replica.stop()));
    }
  });

  it('goes on with the other replica where one is gone', async () => {
    const group = await startGroup(2);
    try {
      await group[0]?.stop();
      const file = await writeInt32('one-gone', [1, 1, 1, 2, 2, 2]);
      const { report, code } = await replay(file, [...STRICT, '--reads', 'replicas']);
      expect(code).toBe(0);
      expect(report).toMatchObject({ hits: 4, misses: 2, errors: 0 });
      expect(report.retries).toBeGreaterThan(0);
    } finally {
      await group[1]?.stop();
    }
  });

  it('is refused where there is nothing to do it with', async () => {
    const file = await writeInt32('refused', [1]);
    expect(await replay(file, ['--reads', 'replicas'])).toMatchObject({
      code: 5,
      err: expect.stringContaining('no replica'),
    });
    const replica = await new FakeNode({ master: node.address }).start();
    const onReplica = await replay(file, ['--address', replica.address]);
    expect(onReplica).toMatchObject({ code: 5, err: expect.stringContaining(`--address ${node.address}`) });
    await replica.stop();
    expect(await replay(join(directory, 'none'))).toMatchObject({ code: 6 });
  });

  /** Starts replicas that share the master's data, and restarts the master, which then knows them. */
  async function startGroup(count: number): Promise<FakeNode[]> {
    const data: FakeNode['data'] = new Map();
    const group = await Promise.all(
      Array.from({ length: count }, () => new FakeNode({ master: 'm:1', data }).start()),
    );
    await node.stop();
    const replicas = group.map(({ address }) => ({ address, state: 3, lagRecords: 7n, lagMs: 40n }) as const);
    node = await new FakeNode({ data, replicas }).start();
    return group;
  }
});
