import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCsvTrace } from '../../cmd/walnut/replay/csv-trace.ts';
import { readInt32Trace } from '../../cmd/walnut/replay/int32-trace.ts';
import { defaultValueBytes, type TraceOperation } from '../../cmd/walnut/replay/trace-operation.ts';
import { TraceQueue } from '../../cmd/walnut/replay/trace-queue.ts';
import { openTrace } from '../../cmd/walnut/replay/trace-source.ts';

/** Cuts `bytes` at the given places (modulo its length). */
async function* cutAt(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const place of [...places, bytes.length]) {
    yield bytes.subarray(from, place);
    from = place;
  }
}

async function gather(source: AsyncIterable<readonly TraceOperation[]>): Promise<TraceOperation[]> {
  const all: TraceOperation[] = [];
  for await (const chunk of source) all.push(...chunk);
  return all;
}

function int32Bytes(keys: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * keys.length);
  keys.forEach((key, index) => void bytes.writeInt32LE(key, 4 * index));
  return bytes;
}

const csv = (text: string, cuts: readonly number[] = []) =>
  gather(readCsvTrace(cutAt(Buffer.from(text), cuts)));

describe('a binary trace', () => {
  it('gives every key in order, wherever the bytes are cut', async () => {
    const cuts = fc.array(fc.nat());
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
        cuts,
        async (keys, places) => {
          const operations = await gather(readInt32Trace(cutAt(int32Bytes(keys), places)));
          expect(operations.map(({ key }) => key)).toEqual(keys.map(String));
          for (const { valueBytes } of operations) expect(valueBytes >= 40 && valueBytes < 1_040).toBe(true);
        },
      ),
    );
  });

  it('takes the size from the key', () => {
    expect([0, 999, 1_000, 76_349, -1].map(defaultValueBytes)).toEqual([40, 1_039, 40, 389, 1_039]);
  });

  it('is refused where it ends inside a key', async () => {
    await expect(gather(readInt32Trace(cutAt(Buffer.alloc(7), [])))).rejects.toThrow(
      '3 bytes after the last whole key',
    );
  });
});

describe('a CSV trace', () => {
  it('has its columns in order, later ones optional', async () => {
    expect(await csv('1,a,get,10,5\n2,b,SET,,500ms\n3,c\n\n4,d,delete,,\r\n5,"x,""y""\nz",set,7')).toEqual([
      { kind: 'get', key: 'a', valueBytes: 10, ttlMs: 5_000 },
      { kind: 'set', key: 'b', valueBytes: expect.any(Number), ttlMs: 500 },
      { kind: 'get', key: 'c', valueBytes: expect.any(Number), ttlMs: 0 },
      { kind: 'delete', key: 'd', valueBytes: expect.any(Number), ttlMs: 0 },
      { kind: 'set', key: 'x,"y"\nz', valueBytes: 7, ttlMs: 0 },
    ]);
  });

  it('follows a header in any order', async () => {
    expect(await csv('Op,client,Key\nset,7,a\n,8,1234\n')).toEqual([
      { kind: 'set', key: 'a', valueBytes: expect.any(Number), ttlMs: 0 },
      { kind: 'get', key: '1234', valueBytes: 274, ttlMs: 0 },
    ]);
  });

  it('is the same wherever the bytes are cut', async () => {
    const text = 'time,key,op\n1,"é,\n""",set\r\n2,日本,\n3,"",\n'.replace('3,"",\n', '3,🥜,delete');
    const whole = await csv(text);
    expect(whole.map(({ key }) => key)).toEqual(['é,\n"', '日本', '🥜']);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat()), async (cuts) => {
        expect(await csv(text, cuts)).toEqual(whole);
      }),
    );
  });

  it.each([
    ['1,a\n2,b,touch', 'line 2: op "touch": expected get, set or delete'],
    ['1,a,get,-5', 'line 1: size "-5": expected bytes'],
    ['1,a,get,1,soon', 'line 1: ttl "soon": expected seconds'],
    ['1,"a\nb"\n7', 'line 3: no key'],
    ['1,,get', 'line 1: key is empty'],
    ['1,"a"b', 'line 1: a quote that does not fit'],
    [`1,"${'x'.repeat(70_000)}`, 'line 1: a row of more than'],
  ])('is refused with line and reason: %j', async (text, message) => {
    await expect(csv(text)).rejects.toThrow(message);
  });
});

describe('a trace file', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'walnut-trace-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const open = async (name: string, bytes: Uint8Array) => {
    await writeFile(join(directory, name), bytes);
    return openTrace(join(directory, name));
  };

  it('is understood by content, whatever its name', async () => {
    const keys = Array.from({ length: 50_000 }, (_, index) => index * 7);
    const text = 'time,key\n1,a\n2,b\n';
    for (const [name, bytes] of [
      ['a.csv', int32Bytes(keys)],
      ['b.txt', gzipSync(int32Bytes(keys))],
    ] as const) {
      const trace = await open(name, bytes);
      expect(trace.format).toBe('int32');
      expect((await gather(trace.chunks)).map(({ key }) => key)).toEqual(keys.map(String));
    }
    for (const [name, bytes] of [
      ['c.trace', Buffer.from(text)],
      ['d', gzipSync(text)],
    ] as const) {
      const trace = await open(name, bytes);
      expect(trace.format).toBe('csv');
      expect((await gather(trace.chunks)).map(({ key }) => key)).toEqual(['a', 'b']);
    }
    expect(await gather((await open('empty', Buffer.alloc(0))).chunks)).toEqual([]);
  });

  it('is refused, naming it, where it is missing or cut short', async () => {
    await expect(openTrace(join(directory, 'none'))).rejects.toThrow(/no such file: .*none/);
    const whole = gzipSync(int32Bytes(Array.from({ length: 50_000 }, (_, index) => index * 7_777)));
    const cut = await open('cut.gz', whole.subarray(0, whole.length / 2));
    await expect(gather(cut.chunks)).rejects.toThrow(/cut\.gz: unexpected end of file/);
  });
});

describe('the queue of a trace', () => {
  const operation = (kind: TraceOperation['kind'], key: string) => ({ kind, key, valueBytes: 1, ttlMs: 0 });
  async function* chunksOf(...chunks: TraceOperation[][]) {
    yield* chunks;
  }
  async function drain(queue: TraceQueue, count: number): Promise<string[]> {
    const taken: string[] = [];
    for (;;) {
      const operations = queue.take(count);
      if (operations !== undefined) taken.push(operations.map(({ key }) => key).join(''));
      else if (!(await queue.refill())) return taken;
    }
  }

  it('never mixes gets with writes, and stops at the limit', async () => {
    const chunk = ['get:a', 'get:b', 'get:c', 'set:d', 'delete:e', 'get:f'].map((text) => {
      const [kind, key] = text.split(':') as [TraceOperation['kind'], string];
      return operation(kind, key);
    });
    expect(await drain(new TraceQueue(chunksOf(chunk, [], chunk)), 2)).toEqual([
      'ab',
      'c',
      'de',
      'f',
      'ab',
      'c',
      'de',
      'f',
    ]);
    expect(await drain(new TraceQueue(chunksOf(chunk, chunk), 8), 100)).toEqual(['abc', 'de', 'f', 'ab']);
  });
});
