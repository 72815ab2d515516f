import { describe, expect, it } from 'vitest';
import { lruHits, zipf } from '../../bench/eviction/accesses.ts';
import { keptOf } from '../../bench/memory/fill.ts';
import { cutHttp, cutRedis } from '../../bench/wire/pipe.ts';

describe('where an answer ends', () => {
  const answers = {
    http: ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
    redis: ['+OK\r\n', ':12\r\n', '$-1\r\n', '$4\r\na\r\nb\r\n', '*2\r\n$1\r\na\r\n*1\r\n:1\r\n', '*0\r\n'],
  };

  it.each([
    ['http', cutHttp],
    ['redis', cutRedis],
  ] as const)('is found for %s, byte by byte', (name, cut) => {
    for (const answer of answers[name]) {
      const bytes = Buffer.from(`${answer}next`);
      for (let end = 1; end < answer.length; end++) expect(cut(bytes.subarray(0, end))).toBe(0);
      expect(cut(bytes)).toBe(answer.length);
    }
  });

  it('an answer that is an error, or has no length, ends the run', () => {
    expect(() => cutRedis(Buffer.from('-OOM no memory\r\n'))).toThrow('OOM');
    expect(() => cutHttp(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow('without a length');
  });
});

describe('accesses', () => {
  it('hit an exact LRU as often as the model says', () => {
    expect(lruHits(Int32Array.from([1, 2, 1, 3, 2, 1, 3]), 2)).toBe(1);
    expect(lruHits(Int32Array.from([1, 1, 1]), 1)).toBe(2);
  });

  it('that are zipf-like ask for the first key as often as its share', () => {
    const accesses = zipf(1_000, 100_000, 1);
    const first = accesses.filter((key) => key === 0).length / accesses.length;
    const harmonic = Array.from({ length: 1_000 }, (_, i) => 1 / (i + 1)).reduce(
      (sum, each) => sum + each,
      0,
    );
    expect(first * harmonic).toBeGreaterThan(0.95);
    expect(first * harmonic).toBeLessThan(1.05);
    expect(Math.max(...accesses)).toBeLessThan(1_000);
  });
});

it('about a tenth is kept of what is deleted', () => {
  expect(keptOf(100_000) / 100_000).toBeCloseTo(0.1, 2);
});
