import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { EPOCH, FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

let node: FakeNode;
let replica: FakeNode;

beforeEach(async () => {
  replica = await new FakeNode({ master: '127.0.0.1:1' }).start();
  node = await new FakeNode({
    replicas: [{ address: replica.address, state: 3, lagRecords: 5n, lagMs: 1_500n, fullResyncs: 1 }],
  }).start();
});
afterEach(() => Promise.all([node.stop(), replica.stop()]));

const run = (...args: string[]) => runCli([...args, '--address', node.address]);

describe('status', () => {
  it('shows node and replicas as a table and as JSON', async () => {
    const { code, out } = await run('status');
    expect(code).toBe(0);
    expect(out).toMatch(/role +master/);
    expect(out).toMatch(/log +.*, format level \d, id /);
    expect(out).toMatch(new RegExp(`${replica.address} +streaming +- +5 +1\\.5s +1 +0`));
    expect(JSON.parse((await run('status', '--json')).out)).toMatchObject({
      role: 'master',
      state: 'serving',
      ready: true,
      position: `${EPOCH}-0`,
      replicas: [{ address: replica.address, state: 'streaming', lagRecords: 5, lagMs: 1_500 }],
    });
  });

  it.each([
    [0, [], 0, '0'],
    [2, [1, 0], 0, '2, at most 1 record behind'],
    [70, [1_500, 3], 1, '70, at most 1,500 records behind, 1 different'],
  ])('shows %i observers of a master', async (count, lags, different, line) => {
    const furthest = lags.map((lag) => ({ lagRecords: BigInt(lag) }));
    const master = await new FakeNode({ observers: { count, furthest, different } }).start();
    onTestFinished(() => master.stop());
    const { out } = await runCli(['status', '--address', master.address]);
    expect(/^observers +(.*)$/m.exec(out)?.[1]).toBe(line);
    const { out: json } = await runCli(['status', '--json', '--address', master.address]);
    expect(JSON.parse(json).observers).toMatchObject({
      count,
      furthest: lags.map((lagRecords) => ({ lagRecords })),
      different,
    });
    expect((await run('status')).out).not.toContain('observers');
  });

  it('uses colours on a terminal only, and never with NO_COLOR', async () => {
    const args = ['status', '--address', node.address];
    const colour = '\u001b[';
    expect((await runCli(args, { isTerminal: true })).out).toContain(colour);
    expect((await runCli(args, { isTerminal: true, env: { NO_COLOR: '1' } })).out).not.toContain(colour);
    expect((await runCli(args)).out).not.toContain(colour);
  });

  it('shows again and again with --watch, until interrupted', async () => {
    const interruption = new AbortController();
    const running = runCli(['status', '--watch', '100ms', '--json', '--address', node.address], {
      interrupted: interruption.signal,
    });
    node.fault = (_method, call) => {
      if (call === 3) interruption.abort();
      return 'serve';
    };
    const { code, out } = await running;
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toHaveLength(2);
  });
});

describe('slowlog', () => {
  const call = {
    id: 7n,
    endedAtMs: 1_700_000_000_000n,
    operation: '/walnut.v1.KVStore/Set',
    key: '"user:\\u001b[31m"',
    code: 'ok',
    durationUs: 1_234_000n,
    user: 'app',
    from: '10.0.0.7',
  };

  it('shows the calls as a table and as JSON', async () => {
    node.slowCalls = [call, { ...call, id: 6n, key: '' }];
    const { code, out } = await run('slowlog');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^7 +2023-11-14T22:13:20.000Z +1\.2s +KVStore\/Set +ok +app +10\.0\.0\.7 +"user:\\u001b\[31m"$/m,
    );
    expect(out).toContain('since the start 7 slow calls; now 100ms counts as slow');
    const { calls, ...rest } = JSON.parse((await run('slowlog', '--limit', '1', '--json')).out) as {
      calls: object[];
    };
    expect(rest).toEqual({ thresholdMs: 100, maxEntries: 0, total: 7 });
    expect(calls).toEqual([
      expect.objectContaining({ id: 7, key: 'user:\u001b[31m', durationMs: 1_234, from: '10.0.0.7' }),
    ]);
    expect(JSON.parse((await run('slowlog', '--after', '6', '--json')).out)).toMatchObject({
      calls: [{ id: 7 }],
    });
  });

  it('says so where none are kept', async () => {
    node.slowThresholdMs = 0n;
    expect((await run('slowlog')).out).toContain('now none counts, because server.slow_log.threshold is 0s');
  });
});

describe('config', () => {
  it('shows and changes keys', async () => {
    expect((await run('config')).out).toMatch(/^log\.level +info +default$/m);
    // A user who may only look has no right to the other rpc.
    expect(node.calls).toMatchObject({ GetConfig: 1 });
    expect(node.calls).not.toHaveProperty('SetConfig');
    const changed = await run('config', 'log.level=debug', '--json');
    expect(JSON.parse(changed.out)).toEqual({
      settings: [{ key: 'log.level', value: 'debug', origin: 'default' }],
    });
  });

  it.each([
    [['log.level'], 2, '"log.level": expected SECTION.KEY=VALUE'],
    [['log.level=debug', 'log.level=info'], 2, 'log.level is given twice'],
    [['wal.fsync=never'], 5, 'wal.fsync needs a restart'],
  ])('refuses %j', async (changes, code, message) => {
    const refused = await run('config', ...changes);
    expect([refused.code, refused.err]).toEqual([code, expect.stringContaining(message)]);
  });
});

describe('digest', () => {
  const compare = (...args: string[]) => run('digest', '--compare', ...args);

  it('compares with the replicas that the node knows, from either side', async () => {
    const same = await compare('--json');
    expect(same.code).toBe(0);
    expect(JSON.parse(same.out)).toMatchObject({
      verdict: 'same',
      position: `${EPOCH}-0`,
      nodes: [
        { address: node.address, role: 'master', verdict: 'same' },
        { address: replica.address, role: 'replica', verdict: 'same' },
      ],
    });
    replica.options.master = node.address;
    const fromReplica = await runCli(['digest', '--compare', '--address', replica.address]);
    expect(fromReplica).toMatchObject({ code: 0, out: expect.stringContaining('all 2 the same') });
  });

  it('says that a replica knows no master, rather than nothing', async () => {
    const alone = await new FakeNode({ master: '' }).start();
    const { code, err } = await runCli(['digest', '--compare', '--address', alone.address]);
    expect({ code, err }).toEqual({ code: 5, err: expect.stringContaining('knows no master of its group') });
    await alone.stop();
  });

  it('names the node that differs, and exits 1', async () => {
    replica.digest = 'e'.repeat(32);
    const { code, out, err } = await compare(replica.address);
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`${replica.address} +replica .* different`));
    expect(err).toContain(`differs from that of ${node.address}: ${replica.address} (different)`);
    const json = JSON.parse((await compare('--json')).out);
    expect(json).toMatchObject({
      verdict: 'different',
      nodes: [{ verdict: 'same' }, { verdict: 'different' }],
    });
  });

  it('asks every node for one position, the furthest, although they go on', async () => {
    node.lsn = 3n;
    node.fault = (method) => {
      // This node is written to continuously.
      if (method === 'Digest') node.lsn++;
      return 'serve';
    };
    replica.lsn = 1n;
    replica.fault = (method, call) => {
      if (method === 'Digest' && call === 4) replica.lsn = 9n;
      return 'serve';
    };
    const { code, out } = await compare('--json');
    expect(code).toBe(0);
    const { position, nodes } = JSON.parse(out);
    expect(new Set(nodes.map((one: { position: string }) => one.position))).toEqual(new Set([position]));
  });

  it('does not compare digests of different positions', async () => {
    node.lsn = 3n;
    const behind = await compare(replica.address, '--wait', '0');
    expect(behind.code).toBe(1);
    expect(behind.err).toContain(`did not meet at one position in time: ${replica.address} (not reached)`);
    replica.lsn = 3n;
    replica.digestsFromLsn = 4n;
    const ahead = await compare(replica.address, '--wait', '0');
    expect(ahead).toMatchObject({ code: 1, err: expect.stringContaining('too far ahead') });
  });

  it('says which node does not answer, and exits 5', async () => {
    const { address } = replica;
    await replica.stop();
    const { code, err } = await compare();
    expect(code).toBe(5);
    expect(err).toContain(`not compared: ${address} (no answer)`);
  });

  it('gives the digest at a position', async () => {
    node.lsn = 7n;
    const { code, out } = await run('digest', '--at', `${EPOCH}-5`, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ position: `${EPOCH}-5` });
    expect((await run('digest', '--at', `${EPOCH}-9`)).code).toBe(5);
    expect((await run('digest', '--at', `${EPOCH}-5`, '--compare')).code).toBe(2);
  });
});

describe('scrub', () => {
  const whole = { entries: 1_000n, entriesTotal: 1_000n, bytes: 9_000n, elapsedMs: 12n, done: true };

  it('tells how far it is, and that nothing was found', async () => {
    node.scrubAnswers.push({ ...whole, entries: 500n, done: false }, whole);
    const { code, out, err } = await run('scrub');
    expect(code).toBe(0);
    expect(err).toContain('scrubbing: 50 %, 500 entries');
    expect(out).toMatch(/looked at +1,000 entries, 9\.0 kB of values, in 12ms\naltered +none/);
    expect(JSON.parse((await run('scrub', '--json')).out)).toEqual({
      ...{ entries: 1_000, valueBytes: 9_000, elapsedMs: 12, altered: 0, findings: [] },
    });
  });

  it('names what was altered, and exits 1', async () => {
    node.scrubAnswers.push({
      ...whole,
      altered: 1n,
      findings: ['"k" of version 1-2: its value has the CRC …'],
    });
    const { code, out, err } = await run('scrub');
    expect(code).toBe(1);
    expect(out).toContain('"k" of version 1-2');
    expect(err).toContain('recovers its state from its disk');
    expect(JSON.parse((await run('scrub', '--json')).out)).toMatchObject({ altered: 1 });
  });

  it('is no success where the node gave it up', async () => {
    node.scrubAnswers.push({ ...whole, done: false });
    expect(await run('scrub')).toMatchObject({ code: 5, err: expect.stringContaining('gave the scrub up') });
  });
});

describe('operation', () => {
  it.each([
    [['checkpoint'], { snapshotBytes: 12_345, deletedSegments: 2 }],
    [['rotate'], { segmentSeq: 3, firstLsn: 1 }],
    [['add-replica', 'a:1'], { address: 'a:1', added: true }],
    [['remove-replica', 'a'], { address: 'a:8080', removed: true }],
    [['quarantine', 'release', '--keep'], { released: true, action: 'keep' }],
    [['delay', 'pause'], { durableLsn: 9, delay: { held: true, waitingRecords: 4, applyDelayMs: 60_000 } }],
    [['delay', 'resume'], { delay: { held: false, nextDueInMs: 1_500 } }],
    [['delay', 'release', '--all'], { delay: { held: false } }],
    [['delay', 'release', '--to-lsn', '7'], { delay: { held: true } }],
    [['delay', 'release', '--to-lsn', '7', '--go-on'], { delay: { held: false } }],
  ])('carries out %j', async (args, answer) => {
    const { code, out } = await run(...args, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject(answer);
    expect((await run(...args)).out).not.toBe('');
  });

  it('warns where no replica is at the address that is added', async () => {
    expect(await run('add-replica', 'a:1')).toMatchObject({ code: 0, err: '' });
    expect(await run('add-replica', 'nowhere:1')).toMatchObject({
      code: 0,
      out: 'nowhere:1 may register\n',
      err: 'warning: nowhere:1: no node answers there\n',
    });
    const { out } = await run('add-replica', 'nowhere:1', '--json');
    expect(JSON.parse(out)).toMatchObject({ added: true, warning: 'no node answers there' });
  });

  it('lists quarantines', async () => {
    expect(JSON.parse((await run('quarantine', 'list', '--json')).out)).toMatchObject([
      { reason: 'foreign log' },
    ]);
    expect((await run('quarantine', 'list')).out).toContain('--discard-local');
  });

  it('tells a delayed replica what it asks for', async () => {
    await run('delay', 'release', '--to-lsn', '41872');
    expect(node.delayRequests.at(-1)?.action).toMatchObject({
      case: 'releaseTo',
      value: { lsn: 41_872n, goOn: false },
    });
    for (const args of [
      [],
      ['--all', '--to-lsn', '7'],
      ['--all', '--go-on'],
      ['--to-lsn', '0'],
      ['--go-on'],
    ]) {
      expect((await run('delay', 'release', ...args)).code, args.join(' ')).toBe(2);
    }
  });

  it('shows the log clock, and mends what it showed by the right wall clock only', async () => {
    const shown = await run('clock');
    expect(shown).toMatchObject({ code: 0, out: expect.stringContaining('the log clock is 10h') });
    expect(shown.out).toContain('--apply');
    expect(node.mended).toEqual([]);
    expect(JSON.parse((await run('clock', '--json')).out)).toMatchObject({
      isApplied: false,
      clock: { aheadMs: 36_000_000 },
      wallOffsetMs: -36_000_000,
    });
    expect(await run('clock', '--apply')).toMatchObject({
      code: 0,
      out: expect.stringContaining('mended at'),
    });
    expect(node.mended).toEqual([36_000_000n]);
    node.wallAheadMs = 60_000;
    const refused = await run('clock', '--apply');
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('--any-wall-clock') });
    expect(refused.err).toContain('ahead of the one here');
    expect(node.mended).toHaveLength(1);
    expect((await run('clock', '--apply', '--any-wall-clock', '--json')).code).toBe(0);
    expect(node.mended).toHaveLength(2);
    node.wallAheadMs = 0;
  });

  it('wants exactly one way to release', async () => {
    expect((await run('quarantine', 'release')).code).toBe(2);
    expect((await run('quarantine', 'release', '--keep', '--discard-local')).code).toBe(2);
    expect(node.calls.QuarantineRelease).toBeUndefined();
  });
});

describe('help and errors', () => {
  const commands = [
    ...[
      'get',
      'set',
      'del',
      'scan',
      'status',
      'digest',
      'scrub',
      'replay',
      'checkpoint',
      'rotate',
      'add-replica',
    ],
    ...['remove-replica', 'quarantine', 'quarantine list', 'quarantine release', 'wal', 'wal inspect'],
    ...['await', 'clock', 'delay', 'delay pause', 'delay resume', 'delay release'],
  ];
  it.each(commands)('%s --help shows examples and the common options', async (command) => {
    const { code, out } = await runCli([...command.split(' '), '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: walnut ${command}`);
    expect(out).toContain('Examples:\n  walnut ');
    expect(out).toContain('--address');
  });

  it('says what to do where nobody answers', async () => {
    const { address } = node;
    await node.stop();
    expect(await runCli(['get', 'k', '--address', address])).toMatchObject({
      code: 5,
      err: expect.stringContaining('npm start'),
    });
    await node.start();
  });

  it('tells an unavailable node from an unreachable one', async () => {
    node.fault = () => 'unavailable';
    const { code, err } = await run('get', 'k');
    expect(code).toBe(5);
    expect(err).toContain('UNAVAILABLE: loading');
    expect(err).toContain('walnut status');
    expect(err).not.toContain('npm start');
  });

  it('takes the address from the environment, and refuses a wrong one', async () => {
    const env = { WALNUT_ADDRESS: node.address };
    expect((await runCli(['rotate'], { env })).code).toBe(0);
    const wrong = await runCli(['rotate'], { env: { WALNUT_ADDRESS: 'a:b' } });
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('WALNUT_ADDRESS') });
  });

  it('refuses a wrong address of the environment only where a command calls the node there', async () => {
    const env = { WALNUT_ADDRESS: 'not an address' };
    expect((await runCli(['rotate', '--address', node.address], { env })).code).toBe(0);
    for (const args of [['--version'], ['--help'], ['completion', 'bash'], ['rotate', '--help']])
      expect(await runCli(args, { env }), args.join(' ')).toMatchObject({ code: 0 });
    const elsewhere = await runCli(['cluster', 'status', '--coordinators', '127.0.0.1:1'], { env });
    expect(elsewhere).toMatchObject({ code: 5, err: expect.not.stringContaining('WALNUT_ADDRESS') });
  });

  it('refuses unknown commands and too many arguments as usage', async () => {
    expect(await run('gett', 'k')).toMatchObject({ code: 2, err: expect.stringContaining('get') });
    expect(await run('explain', 'k', 'l')).toMatchObject({ code: 2 });
    expect(await runCli([])).toMatchObject({ code: 2 });
  });
});
