/**
 * What a large value takes of a real master's memory on its way through `/v1/keys`, as the
 * kernel counts it: written, one value, which is the one that is stored; read, a few MiB.
 * Linux only.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RealNode, RealNodes } from '#test/cmd/real-node.ts';

const MIB = 1_048_576;
const VALUE_MIB = 48;
/** Garbage, read buffers, and pages of the heap that the first request touches. */
const CONSTANT_MIB = 24;
const PIECE = randomBytes(65_536);
const PIECES = (VALUE_MIB * MIB) / PIECE.length;
const isMeasurable = process.platform === 'linux';

const nodes = new RealNodes();
let master: RealNode;

beforeAll(async () => {
  if (!isMeasurable) return;
  master = await nodes.start({ sets: [`server.max_value_bytes=${VALUE_MIB}MiB`, 'snapshot.every=10GB'] });
  await master.ready();
  // What the first requests of their kind touch is not what a value takes.
  await put('warm', { 'content-length': PIECE.length }, 1);
  await get('warm');
});
afterAll(() => nodes.end());

function statusMib(name: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${master.child.pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1_024;
}

/** By how much the memory grew at its peak while `work` ran, in MiB. */
async function peakOf(work: () => Promise<unknown>): Promise<number> {
  writeFileSync(`/proc/${master.child.pid}/clear_refs`, '5');
  const before = statusMib('VmRSS');
  await work();
  return statusMib('VmHWM') - before;
}

function put(key: string, headers: Record<string, string | number>, pieces = PIECES): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ port: master.port, method: 'PUT', path: `/v1/keys/${key}`, headers });
    call.on('error', reject).on('response', (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    let left = pieces;
    const write = (): void => {
      while (left > 0) {
        left--;
        if (!call.write(PIECE)) return;
      }
      call.end();
    };
    call.on('drain', write);
    write();
  });
}

function get(key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    request({ port: master.port, path: `/v1/keys/${key}` }, (response) => {
      response.on('data', (bytes: Buffer) => hash.update(bytes)).on('end', () => resolve(hash.digest('hex')));
    })
      .on('error', reject)
      .end();
  });
}

function expectedHash(): string {
  const hash = createHash('sha256');
  for (let i = 0; i < PIECES; i++) hash.update(PIECE);
  return hash.digest('hex');
}

it.skipIf(!isMeasurable)('a large value is in memory once, also while it is read', async () => {
  const headers = { 'content-length': VALUE_MIB * MIB };
  const written = await peakOf(async () => expect(await put('known', headers)).toBe(201));
  const read = await peakOf(async () => expect(await get('known')).toBe(expectedHash()));
  expect(written).toBeLessThan(VALUE_MIB + CONSTANT_MIB);
  expect(read).toBeLessThan(CONSTANT_MIB);
});

it.skipIf(!isMeasurable)('one of unknown length is joined once', async () => {
  const headers = { 'transfer-encoding': 'chunked' };
  const written = await peakOf(async () => expect(await put('chunked', headers)).toBe(201));
  const read = await peakOf(async () => expect(await get('chunked')).toBe(expectedHash()));
  // Most often one value, as each of its segments is freed as soon as it is copied; on a busy machine, some of
  // what was there before is freed later.
  expect(written).toBeLessThan(2 * VALUE_MIB + CONSTANT_MIB);
  expect(read).toBeLessThan(CONSTANT_MIB);
});

it.skipIf(!isMeasurable)(
  'a value that is announced as too large is refused before any of it is read',
  async () => {
    const grew = await peakOf(async () => {
      const headers = { 'content-length': (VALUE_MIB + 1) * MIB, expect: '100-continue' };
      const status = await new Promise((resolve, reject) => {
        const call = request({ port: master.port, method: 'PUT', path: '/v1/keys/large', headers });
        call.on('continue', () => reject(new Error('its body was asked for')));
        call.on('response', (response) => {
          resolve(response.statusCode);
          call.destroy();
        });
        call.on('error', reject);
        call.flushHeaders();
      });
      expect(status).toBe(413);
    });
    expect(grew).toBeLessThan(CONSTANT_MIB);
  },
);
