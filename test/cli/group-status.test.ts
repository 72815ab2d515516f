/** `walnut status --all`. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STATUS_MS_MAX } from '../../cmd/walnut/group/group-status.ts';
import { showLag } from '../../cmd/walnut/output/output.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

const GONE = '127.0.0.1:1';
let master: FakeNode;
let one: FakeNode;
let two: FakeNode;

beforeEach(async () => {
  const follows = { master: '' };
  one = await new FakeNode(follows).start();
  two = await new FakeNode({ ...follows, reasons: ['5 ms behind'] }).start();
  master = await new FakeNode({ replicas: [one, two].map(({ address }) => ({ address, state: 3 })) }).start();
  for (const replica of [one, two]) replica.options.master = master.address;
});
afterEach(() => Promise.all([master, one, two].map((node) => node.stop())));

const run = (node: FakeNode, ...args: string[]) =>
  runCli(['status', '--all', ...args, '--address', node.address]);
const addressesIn = (out: string): unknown[] =>
  (JSON.parse(out) as { nodes: { address: string }[] }).nodes.map(({ address }) => address);

describe('status --all', () => {
  it('shows every node of the group, whichever is asked, each once and the master first', async () => {
    for (const [asked, expected] of [
      [master, [master, one, two]],
      [two, [master, two, one]],
    ] as const) {
      const { code, out } = await run(asked, '--json');
      expect([code, addressesIn(out)]).toEqual([0, expected.map(({ address }) => address)]);
    }
    const { out } = await run(one);
    expect(out).toMatch(new RegExp(`^${master.address} +master +serving +yes `, 'm'));
    expect(out).toMatch(new RegExp(`^${two.address} +5 ms behind$`, 'm'));
  });

  it('shows no time for data whose age is not known', () => {
    expect([showLag(2n ** 53n - 1n), showLag(1_500n)]).toEqual(['?', '1.5s']);
  });

  it('says which node does not answer, and exits 1', async () => {
    const lonely = await new FakeNode({ replicas: [{ address: GONE, state: 3 }] }).start();
    const { code, out, err } = await run(lonely);
    await lonely.stop();
    expect(code).toBe(1);
    expect(out).toMatch(/^127\.0\.0\.1:1 +- +no answer$/m);
    expect(err).toContain(`no answer, or not ready: ${GONE}`);
    one.options.master = GONE;
    const without = await run(one, '--json');
    expect(JSON.parse(without.out)).toMatchObject({
      nodes: [
        { address: GONE, error: expect.any(String) },
        { address: one.address, status: { role: 'replica' } },
      ],
      whole: false,
    });
  });

  it('says that the replicas are not known without the master', async () => {
    one.options.master = GONE;
    const { code, out, err } = await run(one);
    expect(code).toBe(1);
    expect(out).toMatch(/^other nodes +not known without the master$/m);
    expect(err).toContain(`${GONE}; other nodes are not known without the master`);
    one.options.master = master.address;
    expect((await run(one)).out).not.toContain('not known');
    expect(STATUS_MS_MAX).toBeLessThanOrEqual(3_000);
  });
});
