/**
 * A log of two small segments, cut at every byte and with every single bit
 * flipped. What must happen is predicted from the layout, which the test knows
 * from what it wrote: not from the code that recovers.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import type { Log } from '#wal/log.ts';
import { appendAll, DIR, frameAfter, open } from './harness.ts';

const HEADER = 96;
const NOTE = 28;
const RECORD_OVERHEAD = 56;

interface Item {
  readonly kind: 'record' | 'mark' | 'seal';
  readonly offset: number;
  readonly end: number;
  /** The record, or the last one before. */
  readonly lsn: number;
  /** What was durable when it was written. */
  readonly durableLsn: number;
}

interface Built {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly first: string;
  readonly second: string;
  /** Of the second segment. */
  readonly items: readonly Item[];
  readonly payloads: readonly string[];
}

/** Payloads of different lengths, with bytes that look like kinds and LSNs. */
const BATCHES = [
  ['one', 'two\u0001\u0000\u0000\u0000'],
  ['three'],
  ['four', '\u0002\u0000\u0000\u0000 five', ''],
  ['seven'],
  ['8', '9'],
];

let built: Built;

async function appendBatch(log: Log, clock: VirtualClock, payloads: readonly string[]): Promise<void> {
  for (const payload of payloads) log.append(frameAfter(log.tail, payload));
  await clock.settle();
}

async function build(): Promise<Built> {
  const clock = new VirtualClock();
  const fileSystem = new MemoryFileSystem();
  const { log } = await open(fileSystem, { clock });
  const items: Item[] = [];
  let offset = HEADER;
  const note = (kind: Item['kind'], bytes: number, lsn: number, durableLsn: number): void => {
    items.push({ kind, offset, end: offset + bytes, lsn, durableLsn });
    offset += bytes;
  };
  await appendBatch(log, clock, BATCHES[0] as string[]);
  await log.rotate();
  let lsn = 2;
  for (const [i, batch] of BATCHES.slice(1).entries()) {
    const durableLsn = lsn;
    for (const payload of batch)
      note('record', RECORD_OVERHEAD + Buffer.byteLength(payload), ++lsn, durableLsn);
    await appendBatch(log, clock, batch);
    if (i !== 1) continue;
    await clock.advance(150);
    note('mark', NOTE, lsn, lsn);
  }
  const paths = fileSystem.paths(DIR).filter((path) => !path.endsWith('LOCK'));
  const files = new Map(paths.map((path) => [path, fileSystem.content(path)]));
  const [first, second] = paths.filter((path) => path.endsWith('.wal')) as [string, string];
  expect(files.get(second)?.length).toBe(offset);
  return { files, first, second, items, payloads: BATCHES.flat() };
}

beforeAll(async () => {
  built = await build();
});

/** `corrupt`, or the number of records left and whether something was cut off. */
async function outcome(change: (files: Map<string, Buffer>) => void): Promise<string> {
  const files = new Map([...built.files].map(([path, bytes]) => [path, Buffer.from(bytes)]));
  change(files);
  const fileSystem = new MemoryFileSystem();
  for (const [path, bytes] of files) fileSystem.put(path, bytes);
  const opened = await open(fileSystem).catch((error: { kind?: string; message: string }) => error);
  if (!('log' in opened)) {
    expect(opened.message).toContain('walnut wal inspect');
    return opened.kind ?? opened.message;
  }
  const count = opened.replayed.length;
  expect(opened.replayed).toEqual(built.payloads.slice(0, count));
  expect(opened.log.tail.lsn).toBe(count);
  return opened.tornTail === undefined ? `${count} records` : `${count} records, torn`;
}

function recordsBefore(offset: number): number {
  return 2 + built.items.filter((item) => item.kind === 'record' && item.end <= offset).length;
}

function predictCut(size: number): string {
  if (size <= HEADER) return '2 records';
  const isBoundary = size === HEADER || built.items.some((item) => item.end === size);
  return `${recordsBefore(size)} records${isBoundary ? '' : ', torn'}`;
}

function predictFlip(byte: number): string {
  if (byte < HEADER) return 'corrupt';
  const hit = built.items.find((item) => byte < item.end) as Item;
  const neededLsn = recordsBefore(hit.offset) + 1;
  const later = built.items.filter((item) => item.offset > hit.offset);
  if (later.some((item) => item.durableLsn >= neededLsn)) return 'corrupt';
  return `${neededLsn - 1} records, torn`;
}

describe('the last segment', () => {
  it('cut at every byte leaves the whole records before the cut', async () => {
    const size = (built.files.get(built.second) as Buffer).length;
    for (let bytes = 0; bytes <= size; bytes++) {
      const actual = await outcome((files) =>
        files.set(built.second, (files.get(built.second) as Buffer).subarray(0, bytes)),
      );
      expect(actual, `cut to ${bytes}`).toBe(predictCut(bytes));
    }
  });

  it('followed by garbage of any length loses only the garbage', async () => {
    const size = (built.files.get(built.second) as Buffer).length;
    for (const filler of [0x00, 0x01, 0xff, 0x5a]) {
      for (const bytes of [1, 11, 27, 28, 56, 57, 4_096]) {
        const actual = await outcome((files) => {
          files.set(
            built.second,
            Buffer.concat([files.get(built.second) as Buffer, Buffer.alloc(bytes, filler)]),
          );
        });
        expect(actual, `${bytes} times ${filler} behind byte ${size}`).toBe('9 records, torn');
      }
    }
  });

  it('with any bit flipped is refused, or ends before a record not yet vouched for', async () => {
    const size = (built.files.get(built.second) as Buffer).length;
    const seen = new Set<string>();
    for (let bit = 0; bit < size * 8; bit++) {
      const byte = bit >> 3;
      const actual = await outcome((files) => flip(files.get(built.second) as Buffer, bit));
      expect(actual, `bit ${bit & 7} of byte ${byte}`).toBe(predictFlip(byte));
      seen.add(actual);
    }
    // Both verdicts were exercised: the mark and records 8 and 9 are all that nothing later vouches for.
    expect([...seen].sort()).toEqual(['7 records, torn', '8 records, torn', 'corrupt']);
  });
});

describe('a segment that is not the last', () => {
  it('is durable: cut at any byte it is corruption', async () => {
    const size = (built.files.get(built.first) as Buffer).length;
    for (let bytes = 0; bytes < size; bytes++) {
      const actual = await outcome((files) =>
        files.set(built.first, (files.get(built.first) as Buffer).subarray(0, bytes)),
      );
      expect(actual, `cut to ${bytes}`).toBe('corrupt');
    }
  });

  it('is durable: with any bit flipped it is corruption', async () => {
    const size = (built.files.get(built.first) as Buffer).length;
    for (let bit = 0; bit < size * 8; bit++) {
      const actual = await outcome((files) => flip(files.get(built.first) as Buffer, bit));
      expect(actual, `bit ${bit & 7} of byte ${bit >> 3}`).toBe('corrupt');
    }
  });

  it('must not be missing, nor longer than its seal', async () => {
    expect(await outcome((files) => files.delete(built.first))).toBe('corrupt');
    const longer = (files: Map<string, Buffer>): void => {
      files.set(built.first, Buffer.concat([files.get(built.first) as Buffer, Buffer.alloc(1)]));
    };
    expect(await outcome(longer)).toBe('corrupt');
  });
});

describe('pages of a last batch that reached the disk out of order', () => {
  it('are a torn tail, whatever is missing', async () => {
    const clock = new VirtualClock();
    const fileSystem = new MemoryFileSystem();
    const { log } = await open(fileSystem, { clock });
    await appendAll(log, ['durable']);
    const before = fileSystem.content(
      fileSystem.paths(DIR).find((path) => path.endsWith('.wal')) as string,
    ).length;
    for (let i = 0; i < 40; i++) log.append(frameAfter(log.tail, 'x'.repeat(i)));
    await clock.settle();
    const path = fileSystem.paths(DIR).find((name) => name.endsWith('.wal')) as string;
    const whole = fileSystem.content(path);
    for (let page = before; page < whole.length; page += 128) {
      const damaged = new MemoryFileSystem();
      damaged.put(`${DIR}/MANIFEST`, fileSystem.content(`${DIR}/MANIFEST`));
      damaged.put(path, Buffer.from(whole).fill(0, page, Math.min(page + 128, whole.length)));
      const opened = await open(damaged);
      expect(opened.tornTail?.asidePath).toBeDefined();
      expect(opened.log.tail.lsn).toBeGreaterThanOrEqual(1);
      expect(opened.log.tail.lsn).toBeLessThan(41);
      const { asidePath, offset } = opened.tornTail as { asidePath: string; offset: number };
      const kept = Buffer.concat([
        damaged.content(path).subarray(0, offset),
        damaged.content(`${DIR}/${asidePath}`),
      ]);
      expect(kept.equals(Buffer.from(whole).fill(0, page, Math.min(page + 128, whole.length)))).toBe(true);
    }
  });
});

function flip(bytes: Buffer, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
}
