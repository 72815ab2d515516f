/** The example of capacity planning is what its formulas come to. */
import { expect, it } from 'vitest';
import { ENTRY_OVERHEAD_BYTES } from '#storage/entry-cost.ts';
import { readText } from '#test/house/source-files.ts';

const manual = readText('docs/operations.md');
const [section = ''] = /^### Capacity by formula$[\s\S]*?(?=^### )/m.exec(manual) ?? [];
const example = /^Example: .*$/m.exec(section)?.[0] ?? '';

/** The numbers that stand where the parentheses of `pattern` are. */
function numbers(text: string, pattern: RegExp): number[] {
  const [, ...found] = pattern.exec(text) ?? [];
  expect(found.length, String(pattern)).toBeGreaterThan(0);
  return found.map((one) => Number(one?.replaceAll(',', '')));
}

it('comes to memory, log, cores and seconds', () => {
  const [entries = 0, key = 0, value = 0, reads = 0, writes = 0] = numbers(
    example,
    /([\d,]+) entries, keys of (\d+) and values of (\d+) bytes, ([\d,]+) reads and ([\d,]+) writes/,
  );
  const [overhead = 0] = numbers(section, /\(\*k\* \+ \*v\* \+ (\d+)\) bytes \|/);
  expect(overhead).toBe(ENTRY_OVERHEAD_BYTES);
  const memory = entries * (key + value + overhead);
  const [payload = 0, record = 0] = numbers(section, /Sets: (\d+) of payload and (\d+) of record/);
  const stated = numbers(manual, /A record takes (\d+) bytes.* takes (\d+) bytes in addition to key/);
  expect([record, payload]).toEqual(stated);
  const log = writes * (key + value + payload + record);
  const [get = 0, set = 0] = numbers(section, /over HTTP\/1\.1 (\d+) and (\d+)/);
  const master = (writes * set * (1 + 0.05 * 2)) / 1e6;
  const [applied = 0] = numbers(section, /\*w\* × ([\d.]+) µs; with/);
  const replica = (reads * get + writes * applied) / 1e6;
  expect(
    numbers(
      example,
      /is ([\d.]+) GB, .* use ([\d.]+) GB; .* is ([\d.]+) MB\/s, .* ([\d.]+) MB\/s; .* ([\d.]+) cores, .* alone ([\d.]+); .* takes ([\d.]+) s/,
    ),
  ).toEqual([
    memory / 1e9,
    Number((memory / 0.6 / 1e9).toFixed(1)),
    Number((log / 1e6).toFixed(1)),
    Number(((2 * log) / 1e6).toFixed(1)),
    Number(master.toFixed(2)),
    Number(replica.toFixed(2)),
    0.5 + (1.3 * entries) / 1e6,
  ]);
});
