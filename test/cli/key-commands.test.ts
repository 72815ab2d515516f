import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EPOCH, FakeNode } from './fake-node.ts';
import { type RunOptions, runCli } from './memory-io.ts';

let node: FakeNode;
const run = (args: string[], options?: RunOptions) => runCli([...args, '--address', node.address], options);

beforeEach(async () => {
  node = await new FakeNode().start();
});
afterEach(() => node.stop());

describe('get', () => {
  it('prints the bytes of a value as they are', async () => {
    const value = Buffer.from([0, 255, 10, 13, 128]);
    await run(['set', 'k', '-'], { stdin: value });
    const { code, outBytes, err } = await run(['get', 'k']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(outBytes.equals(value)).toBe(true);
  });

  it('asks the master for a linearizable answer, and waits for it as long as it is told to', async () => {
    await run(['set', 'k', 'v']);
    const replica = await new FakeNode({ master: node.address, data: new Map() }).start();
    try {
      const get = (...args: string[]) => runCli(['get', 'k', ...args, '--address', replica.address]);
      expect((await get()).code).toBe(1);
      expect(await get('--linearizable', '--wait', '2s')).toMatchObject({ code: 0, out: 'v' });
      expect(node.calls['Get']).toBe(1);
    } finally {
      await replica.stop();
    }
  });

  it('adds a newline on a terminal only', async () => {
    await run(['set', 'k', 'v']);
    expect((await run(['get', 'k'])).out).toBe('v');
    expect((await run(['get', 'k'], { isTerminal: true })).out).toBe('v\n');
  });

  it('exits 1 for a missing key and says so on stderr', async () => {
    const { code, out, err } = await run(['get', 'none']);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('"none" not found');
    const json = await run(['get', 'none', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ key: 'none', found: false });
    const message = expect.stringMatching(/^key "none" not found \(as of \d+-\d+\)$/);
    expect(JSON.parse(json.err)).toEqual({ error: { exitCode: 1, message } });
  });

  it('tells value, version and freshness as JSON, binary in base64', async () => {
    await run(['set', 'k', 'wörd', '--expire-at', '4000000000000']);
    expect(JSON.parse((await run(['get', 'k', '--json'])).out)).toEqual({
      key: 'k',
      found: true,
      value: 'wörd',
      bytes: 5,
      version: `${EPOCH}-1`,
      expireAtMs: 4_000_000_000_000,
      modifiedMs: 1_700_000_000_000,
      asOf: `${EPOCH}-1`,
      stalenessMs: 0,
    });
    await run(['set', 'b', '-'], { stdin: Buffer.from([0xff]) });
    expect(JSON.parse((await run(['get', 'b', '--json'])).out)).toMatchObject({ valueBase64: '/w==' });
    const missing = await run(['get', 'none', '--json']);
    expect(missing.code).toBe(1);
    expect(JSON.parse(missing.out)).toMatchObject({ key: 'none', found: false });
  });

  it('takes a content type, and tells it with the value, in a scan and of the entry before', async () => {
    await run(['set', 'p', '<p>', '--content-type', 'text/html; charset=utf-8']);
    const expected = { contentType: 'text/html; charset=utf-8' };
    expect(JSON.parse((await run(['get', 'p', '--json'])).out)).toMatchObject(expected);
    expect(JSON.parse((await run(['scan', 'p', '--json'])).out)).toMatchObject([expected]);
    expect((await run(['get', 'p', '-v'])).err).toContain('content type "text/html; charset=utf-8"');
    const again = await run(['set', 'p', 'plain', '--return-previous', '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ previous: expected });
    expect(JSON.parse((await run(['get', 'p', '--json'])).out)).not.toHaveProperty('contentType');
    const refused = await run(['set', 'p', 'v', '--content-type', 'täxt']);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('Expected 1 to 255 characters of printable ASCII');
  });

  it('says the metadata on stderr with --verbose', async () => {
    await run(['set', 'k', 'v']);
    const { out, err } = await run(['get', 'k', '--verbose']);
    expect(out).toBe('v');
    expect(err).toContain(
      `1 byte, version ${EPOCH}-1, expires never, modified 2023-11-14T22:13:20.000Z, as of ${EPOCH}-1`,
    );
  });

  it('says no time of an answer whose age is not known', async () => {
    const replica = await new FakeNode({ stalenessMs: 2n ** 53n - 1n }).start();
    const { err } = await runCli(['get', 'k', '--verbose', '--address', replica.address]);
    await replica.stop();
    expect(err).toMatch(/, staleness \?$/m);
  });
});

describe('await', () => {
  it('prints what was reached, and exits 1 where that is less than asked', async () => {
    await run(['set', 'k', 'v']);
    expect(await run(['await', `${EPOCH}-1`, '--min-acks', '1'])).toMatchObject({
      code: 0,
      out: `${EPOCH}-1: local, 1 replica\n`,
    });
    const missed = await run(['await', `${EPOCH}-1`, '--min-acks', '2', '--json']);
    expect(missed.code).toBe(1);
    expect(missed.err).toContain('only 1 of 2 replicas');
    expect(JSON.parse(missed.out)).toEqual({
      position: `${EPOCH}-1`,
      durabilityReached: 'local',
      replicasAcked: 1,
      durable: `${EPOCH}-1`,
    });
  });

  it('waits at the master for what a node that was asked before has left of the time', async () => {
    await run(['set', 'k', 'v']);
    const replica = await new FakeNode({ master: node.address }).start();
    const now = performance.now.bind(performance);
    let aheadMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs);
    const asked: number[] = [];
    replica.onAwait = () => (aheadMs = 1_500);
    node.onAwait = (timeoutMs) => asked.push(timeoutMs);
    try {
      const options = ['--min-acks', '1', '--timeout', '2s', '--address', replica.address];
      expect((await runCli(['await', `${EPOCH}-1`, ...options])).code).toBe(0);
      expect(asked[0]).toBeGreaterThan(0);
      expect(asked[0]).toBeLessThanOrEqual(500);
    } finally {
      clock.mockRestore();
      await replica.stop();
    }
  });

  it('tells a position that is not here from a bad one', async () => {
    expect(await run(['await', `${EPOCH}-9`])).toMatchObject({ code: 5 });
    for (const args of [['12'], ['7-1', '--min-acks', '65'], ['7-1', '--timeout', '61s'], []]) {
      expect((await run(['await', ...args])).code).toBe(2);
    }
  });
});

describe('set and del', () => {
  it('tell the refusal of a node that names no master as it is', async () => {
    const replica = await new FakeNode({ master: '', data: new Map() }).start();
    try {
      const { code, err } = await runCli(['set', 'k', 'v', '--address', replica.address]);
      expect([code, err]).toEqual([
        5,
        `walnut: ${replica.address} answered FAILED_PRECONDITION: a replica takes no writes\n`,
      ]);
    } finally {
      await replica.stop();
    }
  });

  it('reads the value from the command line, stdin or a file, and from exactly one of them', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-cli-'));
    const file = join(directory, 'value');
    await writeFile(file, 'from file');
    try {
      expect((await run(['set', 'a', '--file', file])).code).toBe(0);
      expect((await run(['set', 'b', '-'], { stdin: Buffer.from('from stdin') })).code).toBe(0);
      expect((await run(['set', 'c', ''])).code).toBe(0);
      expect((await run(['get', 'a'])).out + (await run(['get', 'b'])).out).toBe('from filefrom stdin');
      expect((await run(['get', 'c'])).code).toBe(0);
      for (const args of [
        ['set', 'd'],
        ['set', 'd', 'x', '--file', file],
      ]) {
        expect((await run(args)).code).toBe(2);
      }
      expect((await run(['set', 'd', '--file', '/none'])).code).toBe(6);
      await truncate(file, 1 << 30);
      const tooMany = await run(['set', 'd', '--file', file]);
      expect([tooMany.code, tooMany.err]).toEqual([
        2,
        expect.stringMatching(/value has more than \d+ bytes/),
      ]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('sends expiry, condition and options as asked', async () => {
    await run([
      'set',
      'k',
      'v',
      '--ttl',
      '30s',
      '--durability',
      'local',
      '--min-acks',
      '2',
      '--timeout',
      '3s',
      '--if-absent',
    ]);
    expect(node.setRequests.at(-1)).toMatchObject({
      expiry: { case: 'ttlMs', value: 30_000n },
      condition: { case: 'ifAbsent', value: true },
      durability: 2,
      minAcks: 2,
      timeoutMs: 3_000,
    });
    await run(['set', 'k', 'v', '--keep-ttl', '--if-version', '7-1', '--return-previous']);
    expect(node.setRequests.at(-1)).toMatchObject({
      expiry: { case: 'keepTtl', value: true },
      condition: { case: 'ifVersion', value: { epoch: 7n, lsn: 1n } },
      returnPrevious: true,
      durability: 0,
    });
  });

  it('exits 1 with the current version where the condition is not met', async () => {
    await run(['set', 'k', 'v']);
    const { code, out, err } = await run(['set', 'k', 'w', '--if-absent']);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(`has version ${EPOCH}-1`);
    const json = await run(['set', 'k', 'w', '--if-absent', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({
      applied: false,
      current: { version: `${EPOCH}-1`, value: 'v' },
    });
    expect((await run(['set', 'none', 'w', '--if-present'])).err).toContain('"none" is missing');
  });

  it('exits 1 where a guarantee was not reached, and says that the write stands', async () => {
    const { code, out, err } = await run(['set', 'k', 'v', '--min-acks', '1']);
    expect(code).toBe(1);
    expect(out).toBe(`OK ${EPOCH}-1\n`);
    expect(err).toContain('only 0 of 1 replicas');
    expect((await run(['set', 'k', 'v', '--durability', 'local'])).err).toContain('on the disk of the node');
  });

  it('deletes, and exits 1 where there is nothing to delete', async () => {
    await run(['set', 'k', 'v']);
    expect(await run(['del', 'k', '--if-version', `${EPOCH}-9`])).toMatchObject({ code: 1 });
    const done = await run(['del', 'k', '--return-previous']);
    expect(done).toMatchObject({ code: 0, out: `OK ${EPOCH}-2\nprevious ${EPOCH}-1 "v"\n` });
    expect(await run(['del', 'k'])).toMatchObject({ code: 1, err: expect.stringContaining('not deleted') });
  });

  it.each([
    ['--ttl', '1s', '--keep-ttl'],
    ['--ttl', '1s', '--expire-at', '5'],
    ['--if-absent', '--if-present'],
    ['--if-absent', '--if-version', '1-1'],
    ['--ttl', '1'],
    ['--durability', 'full'],
    ['--colour'],
  ])('refuses %s %s %s as usage', async (...options) => {
    expect((await run(['set', 'k', 'v', ...options])).code).toBe(2);
    expect(node.setRequests).toEqual([]);
  });

  it('takes keys and values that look like options after --', async () => {
    expect((await runCli(['set', '--address', node.address, '--', '-k', '--json'])).code).toBe(0);
    expect((await runCli(['get', '--address', node.address, '--', '-k'])).out).toBe('--json');
  });
});

describe('a replica', () => {
  it('is left for the master it names, once and with a notice', async () => {
    const replica = await new FakeNode({ master: node.address }).start();
    try {
      const done = await runCli(['set', 'k', 'v', '--address', replica.address]);
      expect(done).toMatchObject({ code: 0, err: expect.stringContaining(`master at ${node.address}`) });
      expect(node.data.has('k')).toBe(true);
      const refused = await runCli(['del', 'k', '--no-follow', '--address', replica.address]);
      expect(refused).toMatchObject({ code: 5, err: expect.stringContaining(`--address ${node.address}`) });
    } finally {
      await replica.stop();
    }
  });

  it('is not followed in a circle', async () => {
    const other = await new FakeNode({ master: node.address }).start();
    const replica = await new FakeNode({ master: other.address }).start();
    try {
      const done = await runCli(['set', 'k', 'v', '--address', replica.address]);
      expect(done).toMatchObject({ code: 5, err: expect.stringContaining('FAILED_PRECONDITION') });
      expect(node.setRequests).toEqual([]);
    } finally {
      await Promise.all([other.stop(), replica.stop()]);
    }
  });
});

describe('a node of another group', () => {
  it('is left for the owner of the key that it names, for reads too, and after its replica', async () => {
    const other = await new FakeNode({ owner: node.address }).start();
    const replica = await new FakeNode({ master: other.address }).start();
    try {
      const done = await runCli(['set', 'k', 'v', '--address', replica.address]);
      expect(done).toMatchObject({ code: 0, err: expect.stringContaining(`its owner at ${node.address}`) });
      expect(node.data.has('k')).toBe(true);
      expect(await runCli(['get', 'k', '--address', other.address])).toMatchObject({ code: 0, out: 'v' });
      const refused = await runCli(['set', 'k', 'w', '--no-follow', '--address', other.address]);
      expect(refused).toMatchObject({ code: 5, err: expect.stringContaining(`--address ${node.address}`) });
    } finally {
      await Promise.all([other.stop(), replica.stop()]);
    }
  });

  it('is not followed in a circle', async () => {
    const one = await new FakeNode({ owner: node.address }).start();
    node.options.owner = one.address;
    try {
      const done = await runCli(['set', 'k', 'v', '--address', one.address]);
      expect(done).toMatchObject({ code: 5, err: expect.stringContaining('FAILED_PRECONDITION') });
      expect(node.setRequests).toEqual([]);
    } finally {
      node.options.owner = undefined;
      await one.stop();
    }
  });
});

describe('scan', () => {
  beforeEach(async () => {
    for (let i = 0; i < 20; i++) await run(['set', `p:${i}`, `v${i}`]);
    await run(['set', 'q\n\u009b31m', 'v']);
  });

  it('lists what has the prefix, up to the limit, and says that there is more', async () => {
    const all = await run(['scan', 'p:', '--keys-only']);
    expect(all.out.trim().split('\n')).toEqual(Array.from({ length: 20 }, (_, i) => `p:${i}`));
    const some = await run(['scan', 'p:', '--limit', '9', '--json']);
    expect(JSON.parse(some.out)).toHaveLength(9);
    expect(some.err).toContain('--all');
    expect(JSON.parse((await run(['scan', '--all', '--json'])).out)).toHaveLength(21);
    expect(JSON.parse((await run(['scan', 'none', '--json'])).out)).toEqual([]);
  });

  it('never shows control characters of keys', async () => {
    for (const args of [
      ['scan', 'q'],
      ['scan', 'q', '--keys-only'],
      ['scan', 'q', '--all'],
    ]) {
      const { out } = await run(args);
      expect(out).toContain('"q\\n\\u009b31m"');
    }
  });
});
