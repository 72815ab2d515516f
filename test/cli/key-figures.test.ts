/** `walnut bigkeys` and `walnut hotkeys`. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeySizes, prefixOf } from '../../cmd/walnut/figures/key-sizes.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

let node: FakeNode;
beforeEach(async () => {
  node = await new FakeNode().start();
});
afterEach(() => node.stop());

const run = (...args: string[]) => runCli([...args, '--address', node.address]);

describe('the prefix of a key', () => {
  it.each<[string, string, number, string | undefined]>([
    ['user:1:name', ':', 1, 'user:'],
    ['user:1:name', ':', 2, 'user:1:'],
    ['user:1:name', ':', 9, 'user:1:'],
    ['user', ':', 1, undefined],
    [':a', ':', 1, ':'],
    ['a::b', '::', 1, 'a::'],
    ['a/b:c', '/', 1, 'a/'],
  ])('%j by %j, %i deep, is %j', (key, separator, depth, expected) => {
    expect(prefixOf(key, { separator, depth })).toBe(expected);
  });
});

describe('sums over entries', () => {
  const add = (sizes: KeySizes, count: number, keyOf: (i: number) => string): void => {
    for (let i = 0; i < count; i++) sizes.add({ key: keyOf(i), valueBytes: i, memoryBytes: i });
  };

  it('keep the largest in their order', () => {
    const sizes = new KeySizes({ top: 3, separator: ':', depth: 1 });
    // Every number below 101 once, in no order.
    add(sizes, 101, (i) => `k${i}`);
    for (const i of [50, 500, 7]) sizes.add({ key: `late${i}`, valueBytes: i, memoryBytes: i });
    expect(sizes.largest.map(({ key }) => key)).toEqual(['late500', 'k100', 'k99']);
    expect([sizes.entries, sizes.memoryBytes]).toEqual([104, 5_050 + 557]);
  });

  it('count keys of more prefixes than are told apart together', () => {
    const sizes = new KeySizes({ top: 100_000, separator: ':', depth: 1 });
    add(sizes, 12_000, (i) => `p${i}:x`);
    expect(sizes.prefixes).toHaveLength(10_001);
    const others = sizes.prefixes.find(({ prefix }) => prefix === undefined);
    expect(others?.entries).toBe(2_000);
    expect(sizes.prefixes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)).toBe(sizes.memoryBytes);
  });
});

describe('bigkeys', () => {
  beforeEach(async () => {
    for (let i = 0; i < 20; i++) await run('set', `user:${i}`, 'x'.repeat(10 * i));
    await run('set', 'alone', 'x'.repeat(95));
  });

  it('shows the largest entries and prefixes, over all pages, without values', async () => {
    const { code, out } = await run('bigkeys', '--top', '3', '--json');
    expect(code).toBe(0);
    const told = JSON.parse(out);
    expect(told.largest.map(({ key }: { key: string }) => key)).toEqual(['user:19', 'user:18', 'user:17']);
    expect(told).toMatchObject({ entries: 21, complete: true, largest: [{ valueBytes: 190 }, {}, {}] });
    expect(told.prefixes).toMatchObject([
      { prefix: 'user:', entries: 20 },
      { prefix: null, entries: 1 },
    ]);
    const sum = told.prefixes.reduce(
      (all: number, each: { memoryBytes: number }) => all + each.memoryBytes,
      0,
    );
    expect(sum).toBe(told.memoryBytes);
    expect(told.memoryBytes).toBeGreaterThan(1_995 + 135);
    expect(node.calls['Scan']).toBe(3);
  });

  it('pauses between pages, also where nobody asks for it', async () => {
    const ctrlC = new AbortController();
    node.fault = () => {
      setTimeout(() => ctrlC.abort(), 50);
      return 'serve';
    };
    const args = ['bigkeys', '--pause', '1h', '--address', node.address];
    expect((await runCli(args, { interrupted: ctrlC.signal })).code).toBe(130);
    expect(node.calls['Scan']).toBe(1);
    expect((await run('bigkeys', '--help')).out).toContain('(default: 5ms)');
  });

  it('stops at --limit, and says so', async () => {
    const { code, out, err } = await run('bigkeys', 'user:', '--limit', '5');
    expect([code, err]).toEqual([0, 'There is more: these are the first 5 entries.\n']);
    expect(out).toMatch(/^MEMORY +VALUE +KEY\n/);
    expect(out).toContain('5 entries');
  });

  it('is refused by a node that does not say lengths', async () => {
    node.saysLengths = false;
    const { code, err } = await run('bigkeys');
    expect([code, err]).toEqual([5, expect.stringContaining('older than this tool')]);
  });
});

describe('hotkeys', () => {
  it('shows parts and rates', async () => {
    node.hotKeys = new Map([
      ['a', 75],
      ['b\u001b[31m', 25],
    ]);
    const { code, out } = await run('hotkeys', '--for', '2s');
    expect(code).toBe(0);
    expect(out).toContain('75.0 %  750       75     a\n');
    expect(out).toContain('25.0 %  250       25     "b\\u001b[31m"\n');
    expect(out).toContain('1,000 accesses a second for 2.0s; 100 looks saw 2 different keys');
    const json = JSON.parse((await run('hotkeys', '--top', '1', '--for', '2s', '--json')).out);
    expect(json).toMatchObject({ looks: 100, distinct: 2, keys: [{ key: 'a', part: 0.75 }] });
  });

  it('says where nothing was used', async () => {
    const { out } = await run('hotkeys', '--for', '1s');
    expect(out).toContain('0 looks saw 0 different keys');
  });
});
