/** `walnut get` and `walnut del` with several keys. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

let node: FakeNode;
const run = (...args: string[]) => runCli([...args, '--address', node.address]);

beforeEach(async () => {
  node = await new FakeNode().start();
  for (const key of ['a', 'b']) await run('set', key, `value of ${key}`);
});
afterEach(() => node.stop());

describe('get with several keys', () => {
  it('prints each on a line in their order, and exits 1 where one is missing', async () => {
    expect(await run('get', 'b', 'a')).toMatchObject({
      code: 0,
      out: '"b"  "value of b"\n"a"  "value of a"\n',
    });
    const missing = await run('get', 'a', 'none\u001b[31m');
    expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('not found') });
    expect(missing.out).toBe('"a"  "value of a"\n"none\\u001b[31m"  not found\n');
  });

  it('answers in JSON with one element for each', async () => {
    const { code, out } = await run('get', 'a', 'none', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      results: [
        { key: 'a', found: true, value: 'value of a' },
        { key: 'none', found: false },
      ],
    });
  });

  it.each([
    [['get', 'a', 'b', '--raw'], '--raw goes with one key'],
    [['get', 'a', 'b', '--fill-lease', '1s'], '--fill-lease goes with one key'],
    [['del', 'a', 'b', '--if-version', '1-1'], '--if-version goes with one key'],
    [['del', 'a', 'b', '--request-id', 'r'], '--request-id goes with one key'],
    [['get', 'a', ''], 'Expected 1 to 1024 bytes'],
  ])('%j is refused', async (args, message) => {
    const { code, err } = await run(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    expect(node.calls['Get'] ?? 0).toBe(0);
  });
});

describe('del with several keys', () => {
  it('deletes each, says which was missing, and exits 1 then', async () => {
    const { code, out, err } = await run('del', 'a', 'none', 'b');
    expect(code).toBe(1);
    expect(out).toMatch(/^"a" {2}deleted \d+-\d+\n"none" {2}not found\n"b" {2}deleted \d+-\d+\n$/);
    expect(err).toContain('key "none": not found');
    expect(node.data.size).toBe(0);
  });

  it('names all that were missing in its failure', async () => {
    const { err } = await run('del', 'none', 'a', 'neither', '--json');
    const message = 'key "none": not found; key "neither": not found';
    expect(JSON.parse(err)).toEqual({ error: { exitCode: 1, message } });
  });

  it('goes to the master from a replica, and deletes each once', async () => {
    const replica = await new FakeNode({ master: node.address }).start();
    const { code, err } = await runCli(['del', 'a', 'b', '--address', replica.address]);
    await replica.stop();
    expect([code, err.match(/writing to its master/g)?.length, node.calls['Delete']]).toEqual([0, 1, 2]);
  });

  it('shows what was done before a failure', async () => {
    node.fault = (method) => (method === 'Delete' && node.calls['Delete'] === 2 ? 'unavailable' : 'serve');
    const { code, out } = await run('del', 'a', 'b', '--return-previous');
    expect([code, out]).toEqual([5, expect.stringMatching(/^"a" {2}deleted .*, previous "value of a"\n$/)]);
  });
});
