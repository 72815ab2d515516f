/** `walnut failover`, `promote` and `diverged` against a scripted node: words, JSON, exit codes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EPOCH, FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

let node: FakeNode;
beforeEach(async () => {
  node = await new FakeNode().start();
});
afterEach(() => node.stop());

const run = (...args: string[]) => runCli([...args, '--address', node.address]);

describe('failover', () => {
  it('says who leads, who follows and how long writes waited', async () => {
    const { code, out } = await run('failover', '--to', '127.0.0.1:8081', '--timeout', '2s');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^127\.0\.0\.1:8081 is the master of term 3; .* follows it from .*; writes waited 42ms\n$/,
    );
    expect(node.failovers).toEqual(['127.0.0.1:8081 2000']);
    expect(JSON.parse((await run('failover', '--to', '127.0.0.1:8081', '--json')).out)).toMatchObject({
      master: '127.0.0.1:8081',
      was: node.address,
      term: 3,
      pausedMs: 42,
    });
    expect(node.failovers[1]).toBe('127.0.0.1:8081 10000');
  });

  it('is a matter of usage without a target, and with times that no node takes', async () => {
    expect(await run('failover')).toMatchObject({ code: 2, err: expect.stringMatching(/--to/) });
    expect((await run('failover', '--to', 'a:b:c')).code).toBe(2);
    for (const timeout of ['61s', '0s']) {
      const { code, err } = await run('failover', '--to', 'a:1', '--timeout', timeout);
      expect([code, err]).toEqual([2, expect.stringMatching(/from 1ms to 60s/)]);
    }
    expect(node.failovers).toEqual([]);
  });
});

describe('promote', () => {
  it('exits 5 with what speaks against it, and 0 where it is forced', async () => {
    const refused = await run('promote');
    expect(refused).toMatchObject({
      code: 5,
      err: expect.stringMatching(/FAILED_PRECONDITION: the master .* answers/),
    });
    const { code, out } = await run('promote', '--force');
    expect([code, out]).toEqual([0, `${node.address} is the master of term 2, from ${EPOCH}-0\n`]);
    expect(JSON.parse((await run('promote', '--force', '--json')).out)).toEqual({
      address: node.address,
      term: 2,
      position: `${EPOCH}-0`,
      promoted: true,
    });
  });
});

describe('diverged', () => {
  it('lists tails as a table and as JSON', async () => {
    const { code, out } = await run('diverged', 'list');
    expect(code).toBe(0);
    expect(out).toMatch(/1 +2 +5 +\d+-6 +2023-11-14T.* 127\.0\.0\.1:9 +90 B +another history/);
    expect(JSON.parse((await run('diverged', 'list', '--json')).out)).toMatchObject([
      { id: 1, fromLsn: 5, last: `${EPOCH}-6`, records: 2, files: ['aside/1/x.wal'] },
    ]);
  });

  it('shows the mutations of one, slice after slice, with values where asked', async () => {
    const { code, out } = await run('diverged', 'show', '1');
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toEqual([
      expect.stringMatching(/-5 .* set +"k5" {2}1 byte$/),
      expect.stringMatching(/-6 .* set +"k6" {2}1 byte$/),
    ]);
    const lines = (await run('diverged', 'show', '1', '--values', '--json')).out.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { value: string }).value)).toEqual(['v', 'v']);
    expect((await run('diverged', 'show', '1', '--limit', '1')).out.trim().split('\n')).toHaveLength(1);
  });

  it('says that a tail was seen, and refuses one that is not there', async () => {
    const { code, out } = await run('diverged', 'seen', '1');
    expect({ code, out }).toEqual({
      code: 0,
      out: expect.stringContaining('else in aside/: for wal.aside_max_age,'),
    });
    expect(JSON.parse((await run('diverged', 'seen', '1', '--json')).out)).toEqual({ id: 1, seen: true });
    expect((await run('diverged', 'seen', '7')).err).toContain('no tail 7 was set aside here');
    expect((await run('diverged', 'seen', 'x')).code).toBe(2);
  });

  it('exits 1 where a tail cannot be read to its end, 2 for what is no number, 6 for what cannot be read', async () => {
    node.divergedDamage = 'byte 96: torn';
    expect(await run('diverged', 'show', '1')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/byte 96: torn/),
    });
    expect((await run('diverged', 'show', 'x')).code).toBe(2);
    expect(await run('diverged', 'list', '/nowhere')).toMatchObject({
      code: 6,
      err: expect.stringMatching(/cannot read \/nowhere/),
    });
  });
});
