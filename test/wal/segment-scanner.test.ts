import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import {
  encodeMark,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  writeRecordPrefix,
} from '#wal/segment-format.ts';
import { type ScanRange, SegmentScanner } from '#wal/segment-scanner.ts';
import { EPOCH, frameAfter, LOG_ID, ORIGIN } from './harness.ts';

const SALT = 0x12345678;
const PREFIX_BYTES = 12;

/** A segment of records with payloads of these sizes, a mark after each tenth. */
function segmentOf(sizes: readonly number[]): Buffer {
  const header = {
    logId: LOG_ID,
    seq: 1,
    firstLsn: frameAfter(ORIGIN, '').lsn,
    epoch: 0,
    lastCrc: 0,
    salt: SALT,
  };
  const parts = [encodeSegmentHeader(header)];
  let chain = ORIGIN;
  for (const [i, size] of sizes.entries()) {
    const frame = frameAfter(chain, Buffer.alloc(size, i), EPOCH);
    const record = Buffer.concat([Buffer.alloc(PREFIX_BYTES), frame.bytes]);
    writeRecordPrefix(record, 0, SALT, 1);
    parts.push(record);
    if (i % 10 === 9) parts.push(encodeMark(SALT, { lastLsn: frame.lsn, durLag: 0, isCleanStop: false }));
    chain = frame;
  }
  return Buffer.concat(parts);
}

/** Every item as text, each taken down before the next is asked for. */
async function scan(bytes: Buffer, options: Partial<ScanRange>): Promise<string[]> {
  const fileSystem = new MemoryFileSystem();
  fileSystem.put('/segment', bytes);
  const file = await fileSystem.open('/segment', 'read');
  const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset: bytes.length, salt: SALT, ...options };
  const scanner = new SegmentScanner(file, range);
  const items: string[] = [];
  for (;;) {
    const item = scanner.tryNext();
    if (item === undefined) {
      await scanner.fill();
      continue;
    }
    const payload = item.kind === 'record' ? Buffer.from(item.frame.payload).toString('hex') : '';
    const whole = item.kind === 'record' ? Buffer.from(item.frame.bytes).toString('hex') : '';
    items.push(`${item.kind} at ${item.offset} ${item.kind === 'bad' ? item.why : ''} ${payload} ${whole}`);
    if (item.kind === 'end' || item.kind === 'bad') return items;
  }
}

const sizes = fc.array(fc.oneof(fc.nat(40), fc.nat(400), fc.constantFrom(0, 1_500)), { maxLength: 60 });

describe('reading ahead', () => {
  it('gives the items that a whole read gives, wherever chunks end', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 900 }), async (payloads, chunkBytes) => {
        const bytes = segmentOf(payloads);
        const whole = await scan(bytes, {});
        expect(whole.filter((item) => item.startsWith('record'))).toHaveLength(payloads.length);
        expect(await scan(bytes, { chunkBytes })).toEqual(whole);
        expect(await scan(bytes, { chunkBytes, readsAhead: true })).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  it('meets the same damage', async () => {
    const damage = fc.tuple(fc.nat(), fc.boolean());
    const chunk = fc.integer({ min: 1, max: 900 });
    await fc.assert(
      fc.asyncProperty(sizes, chunk, damage, async (payloads, chunkBytes, [seed, isCut]) => {
        const bytes = segmentOf([...payloads, 5]);
        const at = SEGMENT_HEADER_BYTES + (seed % (bytes.length - SEGMENT_HEADER_BYTES));
        const damaged = isCut ? bytes.subarray(0, at) : Buffer.from(bytes);
        if (!isCut) damaged.writeUInt8((damaged[at] as number) ^ 0x10, at);
        const whole = await scan(damaged, {});
        expect(await scan(damaged, { chunkBytes, readsAhead: true })).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  it('says that the file shrank, and not before those bytes are wanted', async () => {
    const bytes = segmentOf(Array.from({ length: 30 }, () => 100));
    const fileSystem = new MemoryFileSystem();
    fileSystem.put('/segment', bytes.subarray(0, 2_000));
    const file = await fileSystem.open('/segment', 'read');
    const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset: bytes.length, salt: SALT };
    const scanner = new SegmentScanner(file, { ...range, chunkBytes: 1_000, readsAhead: true });
    await scanner.fill();
    expect(scanner.tryNext()).toMatchObject({ kind: 'record' });
    while (scanner.tryNext() !== undefined);
    await expect(scanner.fill()).rejects.toThrow('the file shrank while it was read, at byte 2000');
  });

  it('reuses two buffers, whatever the length', async () => {
    const bytes = segmentOf(Array.from({ length: 400 }, () => 100));
    const fileSystem = new MemoryFileSystem();
    fileSystem.put('/segment', bytes);
    const file = await fileSystem.open('/segment', 'read');
    const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset: bytes.length, salt: SALT };
    const scanner = new SegmentScanner(file, { ...range, chunkBytes: 2_000, readsAhead: true });
    const buffers = new Set<ArrayBufferLike>();
    for (;;) {
      const item = scanner.tryNext();
      if (item?.kind === 'end') break;
      if (item === undefined) await scanner.fill();
      else if (item.kind === 'record') buffers.add(item.frame.buffer.buffer);
    }
    expect(buffers.size).toBe(2);
  });
});
