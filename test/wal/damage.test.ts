/**
 * A log of two small segments, cut at every byte and with every single bit
 * flipped. What must happen is predicted from the layout, which the test knows
 * from what it wrote: not from the code that recovers.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { buildKnownLog, flip, type KnownLog, outcomeOf, predictCut, predictFlip } from './damaged-log.ts';
import { appendAll, DIR, frameAfter, open } from './harness.ts';

let built: KnownLog;

beforeAll(async () => {
  // Payloads of different lengths, with bytes that look like kinds and LSNs.
  built = await buildKnownLog({
    first: [['one', 'two\u0001\u0000\u0000\u0000']],
    second: [['three'], ['four', '\u0002\u0000\u0000\u0000 five', ''], ['seven'], ['8', '9']],
    markAfter: 1,
  });
});

const outcome = (change: (files: Map<string, Buffer>) => void): Promise<string> => outcomeOf(built, change);

describe('the last segment', () => {
  it('cut at every byte leaves the whole records before the cut', async () => {
    const size = (built.files.get(built.second) as Buffer).length;
    for (let bytes = 0; bytes <= size; bytes++) {
      const actual = await outcome((files) =>
        files.set(built.second, (files.get(built.second) as Buffer).subarray(0, bytes)),
      );
      expect(actual, `cut to ${bytes}`).toBe(predictCut(built, bytes));
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
      expect(actual, `bit ${bit & 7} of byte ${byte}`).toBe(predictFlip(built, byte));
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
