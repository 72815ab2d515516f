/** `walnut bench` against nodes: its keys, its figures and how it ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RunningGateway } from '#test/server/running-gateway.ts';
import { FakeNode, type FakeNodeOptions } from '../fake-node.ts';
import { type RunOptions, runCli } from '../memory-io.ts';
import { RunningMaster } from '../running-node.ts';

const SHORT = ['bench', '--clients', '4', '--keys', '50', '--duration', '30ms', '--warm-up', '5ms'];

describe('a node', () => {
  let directory: string;
  let master: RunningMaster;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
    master = await RunningMaster.start(directory);
    await master.set('walnut-bench:mine', 'stays');
  });
  afterAll(async () => {
    await master.stop();
    rmSync(directory, { recursive: true });
  });
  const run = (args: readonly string[], options?: RunOptions) =>
    runCli([...SHORT, ...args, '--address', master.address], options);

  it.each<[string, string[], string[], number]>([
    ['gets and sets', ['--mix', '1:1'], ['get', 'set'], 15],
    ['batches over HTTP/2', ['--batch', '20', '--protocol', 'http2', '--connections', '2'], ['get'], 300],
    ['increments', ['--operation', 'increment', '--durability', 'local'], ['increment'], 15],
    ['touches', ['--operation', 'touch', '--distribution', 'zipf'], ['touch'], 15],
  ])('is measured by %s, and keeps its other keys', async (_, args, kinds, operations) => {
    const { code, out, err } = await run([...args, '--rate', '500', '--json']);
    const told = JSON.parse(out);
    expect([code, told.errors, told.notFound, told.isComplete]).toEqual([0, 0, 0, true]);
    expect(Object.keys(told.operationKinds)).toEqual(expect.arrayContaining(kinds));
    expect(told.operations).toBe(operations);
    expect(err).toMatch(/begin with walnut-bench:[0-9a-f]{16}:; .*\n50 keys deleted\n$/);
    expect(master.contents()).toEqual({ 'walnut-bench:mine': 'stays' });
  });

  it('is shown with its figures, when its keys are deleted: where nobody reads them, the process ends there', async () => {
    const left: object[] = [];
    const { code, out } = await run(['--prefix', 'walnut-bench:mine', '--operation', 'get'], {
      onWrite: () => left.push(master.contents()),
    });
    expect(left).toEqual([{ 'walnut-bench:mine': 'stays' }]);
    expect(code).toBe(0);
    expect(out).toMatch(/^load +4 clients over 4 connections of HTTP\/1\.1, as fast as answers come$/m);
    expect(out).toMatch(/^get +[\d,]+ +[\d,]+( +\d+\.\d{3}){5}$/m);
    expect(master.contents()).toEqual({ 'walnut-bench:mine': 'stays' });
  });
});

it('measures a gateway, whose groups keep none of its keys', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-gateway-'));
  const gateway = await RunningGateway.start(directory);
  try {
    const address = `127.0.0.1:${gateway.server.port}`;
    const args = [...SHORT, '--mix', '1:1', '--batch', '5', '--rate', '500', '--json', '--address', address];
    const refused = await runCli(args);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('--allow-eviction')]);
    expect(refused.err).not.toContain('keys of this run');
    const { code, out, err } = await runCli([...args, '--allow-eviction']);
    const told = JSON.parse(out);
    expect([code, told.errorsByCode, told.notFound, told.operations]).toEqual([0, {}, 0, 75]);
    expect(err).toContain('\n50 keys deleted\n');
    for (const master of gateway.masters.values()) expect(master.contents()).toEqual({});
  } finally {
    await gateway.stop();
    rmSync(directory, { recursive: true });
  }
});

describe('the command', () => {
  const nodes: FakeNode[] = [];
  const start = async (options?: FakeNodeOptions): Promise<FakeNode> => {
    const node = await new FakeNode(options).start();
    nodes.push(node);
    return node;
  };
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  it('reads from a replica what it wrote to its master', async () => {
    const master = await start();
    const replica = await start({ master: master.address, data: master.data });
    const { code, out } = await runCli([
      ...SHORT,
      '--mix',
      '1:1',
      '--rate',
      '500',
      '--json',
      '--address',
      replica.address,
    ]);
    expect([code, JSON.parse(out).errors]).toEqual([0, 0]);
    expect([replica.calls['Set'], replica.calls['Batch']]).toEqual([undefined, undefined]);
    expect(master.calls['Get']).toBeUndefined();
    expect([replica.calls['Get'], master.calls['Set']]).toEqual([expect.any(Number), expect.any(Number)]);
  });

  it('ends at Ctrl-C while its keys are not taken', async () => {
    const node = await start();
    const ctrlC = new AbortController();
    node.fault = (method) => {
      if (method !== 'Batch') return 'serve';
      setImmediate(() => ctrlC.abort());
      return 'unavailable';
    };
    const ran = await runCli([...SHORT, '--address', node.address], { interrupted: ctrlC.signal });
    expect([ran.code, ran.out, node.calls['Get']]).toEqual([130, '', undefined]);
    expect(ran.err).toContain('interrupted while keys were written: nothing was measured');
  });

  it('keeps the figures so far and loses the keys at Ctrl-C', async () => {
    const node = await start();
    const ctrlC = new AbortController();
    let gets = 0;
    node.fault = (method) => {
      if (method === 'Get' && ++gets === 20) ctrlC.abort();
      return 'serve';
    };
    const args = [...SHORT, '--operation', 'get', '--duration', '1h', '--warm-up', '0s', '--json'];
    const ran = await runCli([...args, '--address', node.address], { interrupted: ctrlC.signal });
    expect([ran.code, JSON.parse(ran.out).isComplete]).toEqual([130, false]);
    expect(JSON.parse(ran.err.trimEnd().split('\n').at(-1) ?? '').error.message).toContain(
      'a part of the time',
    );
    expect(node.calls['DeletePrefix']).toBe(1);
  });

  it('shows no figures at Ctrl-C before there are some, and loses its keys', async () => {
    const node = await start();
    const ctrlC = new AbortController();
    node.fault = (method) => {
      if (method === 'Get') ctrlC.abort();
      return 'serve';
    };
    const args = [...SHORT, '--operation', 'get', '--rate', '500', '--warm-up', '1h'];
    const { code, out, err } = await runCli([...args, '--address', node.address], {
      interrupted: ctrlC.signal,
    });
    expect([code, out]).toEqual([130, '']);
    expect(err).toContain('interrupted during the warm-up: nothing was measured');
    expect(node.calls['DeletePrefix']).toBe(1);
  });

  it('exits 1 with the codes of what failed, and says where keys were left', async () => {
    const node = await start();
    let gets = 0;
    node.fault = (method) => (method === 'Get' && ++gets > 4 ? 'unavailable' : 'serve');
    const args = [...SHORT, '--operation', 'get', '--prefix', "it's mine:", '--address', node.address];
    const { code, out, err } = await runCli(args);
    expect([code, out]).toEqual([1, expect.stringMatching(/^ +unavailable +\d+, first: loading$/m)]);
    expect(err).toContain(`walnut delete-prefix --address ${node.address} 'it'\\''s mine:`);
    expect(err).toMatch(/could not be deleted: .*\n.*mine:[0-9a-f]{16}:'\n/);
  });

  it('ends where every call would be refused, after it has shown what it found', async () => {
    const node = await start();
    let gets = 0;
    node.fault = (method) => {
      if (method === 'Get' && ++gets === 20) node.options.owner = '127.0.0.1:9';
      return 'serve';
    };
    const { code, out, err } = await runCli([...SHORT, '--duration', '1h', '--address', node.address]);
    expect([code, out]).toEqual([5, expect.stringContaining('(partial)')]);
    expect(err).toContain('Name a gateway, which serves all of them: --address GATEWAY --allow-eviction\n');
  });

  it('refuses more keys than there is room for, and says how many there is', async () => {
    const node = await start();
    node.store = { entries: 40n, maxEntries: 60n, bytes: 0n, maxBytes: 0n };
    const { code, err } = await runCli([...SHORT, '--address', node.address]);
    expect([code, err]).toEqual([2, expect.stringContaining('Type at most: --keys 20')]);
    node.store = { entries: 0n, maxEntries: 0n, bytes: 990_000n, maxBytes: 1_000_000n };
    const full = await runCli([...SHORT, '--value-size', '1MiB', '--address', node.address]);
    expect([full.code, full.err]).toEqual([2, expect.stringContaining('a node that has room')]);
    // 50 keys of 419 bytes in UTF-8, with values of 100 and an overhead of 80, need 29,950.
    node.store = { entries: 0n, maxEntries: 0n, bytes: 0n, maxBytes: 25_000n };
    const wide = await runCli([...SHORT, '--prefix', 'ä'.repeat(200), '--address', node.address]);
    expect([wide.code, wide.err]).toEqual([2, expect.stringContaining('Type at most')]);
    expect(node.calls).toEqual({ Status: 3 });
  });

  it.each([
    [['--rate', '0'], 'from 1 to 1000000'],
    [['--value-size', '9MiB'], 'of at most 8MiB'],
    [['--operation', 'get', '--mix', '1:1'], 'cannot be used with'],
    [['--connections', '2'], 'each client has a connection of its own'],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await runCli([...SHORT, ...args, '--address', '127.0.0.1:1']);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });
});
