/** `walnut import` and `walnut export` against a real node. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CallError } from '../../../cmd/walnut/call/call-error.ts';
import { isRetryable, pauseAfter } from '../../../cmd/walnut/call/persist.ts';
import { CliError, EXIT } from '../../../cmd/walnut/cli-error.ts';
import { FakeNode } from '../fake-node.ts';
import { type RunOptions, runCli } from '../memory-io.ts';
import { RunningMaster } from '../running-node.ts';
import { bytes, expiresMs, key, rdb, select, string } from './rdb-bytes.ts';

const LATER_MS = 4_000_000_000_000;
let directory = '';
let master: RunningMaster;
const run = (args: string[], options?: RunOptions) => runCli([...args, '--address', master.address], options);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-move-'));
  master = await RunningMaster.start(join(directory, 'data'), { defaultTtlMs: 60_000 });
});
afterAll(async () => {
  await master.stop();
  await rm(directory, { recursive: true });
});
beforeEach(async () => {
  await run(['delete-prefix', '--all', '--yes']);
});

async function file(content: Uint8Array | string): Promise<string> {
  const path = join(directory, 'file');
  await writeFile(path, content);
  return path;
}

async function exported(...args: string[]): Promise<unknown[]> {
  const { code, out } = await run(['export', ...args]);
  expect(code).toBe(0);
  const lines = out.trimEnd().split('\n');
  return lines
    .filter((line) => line !== '')
    .sort()
    .map((line) => JSON.parse(line) as unknown);
}

describe('import of an RDB file', () => {
  const DUMP = rdb([
    select(0),
    key('a', 'text'),
    bytes(expiresMs(LATER_MS), key('b', Buffer.of(0xff, 0))),
    bytes(expiresMs(1), key('gone', 'x')),
    bytes(1, string('queue'), 1, string('x')),
    key(Buffer.of(0xfe), 'x'),
    key('', 'x'),
    key('long'.repeat(300), 'x'),
  ]);

  it('writes strings with their deadlines, and names what it leaves', async () => {
    const { code, out } = await run(['import', await file(DUMP)]);
    expect(out).toBe(
      'imported 2 keys, 1 had expired\n' +
        'not imported: 1 list: "queue"\n' +
        `not imported: 3 key that is not 1 to 1024 bytes of UTF-8: 0xfe, "", "${'long'.repeat(16)}…"\n`,
    );
    expect(code).toBe(1);
    expect(await exported()).toEqual([
      { key: 'a', value: 'text' },
      { key: 'b', valueBase64: '/wA=', expireAtMs: LATER_MS },
    ]);
  });

  it('writes nothing of a damaged one, and says where it is', async () => {
    const { code, err } = await run(['import', await file(DUMP.subarray(0, -1))]);
    expect([code, err]).toEqual([2, expect.stringContaining('it ends too early')]);
    expect(await exported()).toEqual([]);
  });

  it('says what is in it, by --check', async () => {
    const { code, out } = await run(['import', await file(DUMP), '--check', '--json']);
    expect([code, JSON.parse(out)]).toEqual([
      0,
      {
        keys: 7,
        databases: { 0: 7 },
        importable: 3,
        withDeadline: 2,
        left: { list: 1, 'key that is not 1 to 1024 bytes of UTF-8': 3 },
      },
    ]);
    expect(await exported()).toEqual([]);
  });

  it('writes nothing where it is interrupted while it checks the file', async () => {
    const interrupted = new AbortController();
    interrupted.abort();
    const { code, err } = await run(['import', await file(DUMP)], { interrupted: interrupted.signal });
    expect([code, err]).toEqual([130, expect.stringContaining('nothing was written')]);
    expect(await exported()).toEqual([]);
  });

  it('writes a key whose deadline is beyond what a node takes with the latest that it takes', async () => {
    const last = bytes(expiresMs(0x7fff_ffff_ffff_ffffn), key('a', '1'));
    const { code, out } = await run([
      'import',
      await file(rdb([select(0), last, expiresMs(0), key('b', '2')])),
    ]);
    expect([code, out]).toEqual([0, 'imported 1 key, 1 had expired\n']);
    expect(await exported()).toEqual([{ key: 'a', value: '1', expireAtMs: Number.MAX_SAFE_INTEGER }]);
  });

  it('takes one database of several, when it is named', async () => {
    const path = await file(rdb([select(0), key('a', '0'), select(3), key('a', '3')]));
    const refused = await run(['import', path]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('keys in databases 0, 3')]);
    expect((await run(['import', path, '--db', '7'])).err).toContain('database 7 is empty');
    expect((await run(['import', path, '--db', '0', '--prefix', 'zero:'])).code).toBe(0);
    expect(await exported()).toEqual([{ key: 'zero:a', value: '0' }]);
  });
});

describe('import while the group changes', () => {
  it('goes on at the new master, when the one that it was sent to is a replica by now', async () => {
    const isOver = (): boolean => first.data.size >= 1_000;
    const second = await new FakeNode().start();
    const first: FakeNode = await new FakeNode({
      get master() {
        return isOver() ? second.address : undefined;
      },
    }).start();
    const replica = await new FakeNode({
      data: new Map(),
      get master() {
        return isOver() ? second.address : first.address;
      },
    }).start();
    const lines = Array.from({ length: 1_500 }, (_, i) => JSON.stringify({ key: `k${i}`, value: '' }));
    const path = await file(lines.join('\n'));
    const { code, out } = await runCli(['import', path, '--address', replica.address]);
    expect([code, out, first.data.size, second.data.size]).toEqual([0, 'imported 1,500 keys\n', 1_000, 500]);
    await Promise.all([first.stop(), second.stop(), replica.stop()]);
  });

  it('counts the failure of a master that a replica named among those that pass', () => {
    const lost = new CallError('lost', 'no answer');
    expect(isRetryable(new CliError(EXIT.server, 'no answer', undefined, lost))).toBe(true);
    expect(isRetryable(new CliError(EXIT.usage, 'no such file'))).toBe(false);
  });

  it('repeats what a node refuses for overload, but not for its limits', async () => {
    const node = await new FakeNode().start();
    node.fault = (_method, call) => (call === 1 ? 'overloaded' : 'serve');
    const lines = ['a', 'b'].map((key) => JSON.stringify({ key, value: '' }));
    const { code, out } = await runCli(['import', await file(lines.join('\n')), '--address', node.address]);
    expect([code, out, node.calls['Batch']]).toEqual([0, 'imported 2 keys\n', 2]);
    await node.stop();
    expect(isRetryable(new CallError('resource_exhausted', 'storage.max_memory'))).toBe(false);
  });

  it.each([
    ['2', 10, 60_000, 2_000],
    ['2', 10, 500, 500],
    ['0', 10, 60_000, 10],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 10, 60_000, 10],
    [undefined, 10, 5, 5],
  ])('waits as long as the node asks, %s, within its time', (retryAfter, pauseMs, leftMs, expected) => {
    const refusal = new CallError('resource_exhausted', 'no room', { retryAfter });
    const of = new CliError(EXIT.server, 'no room', undefined, refusal);
    expect([pauseAfter(refusal, pauseMs, leftMs), pauseAfter(of, pauseMs, leftMs)]).toEqual([
      expected,
      expected,
    ]);
  });
});

describe('import of NDJSON', () => {
  it('takes what export prints, from stdin, with content types and deadlines', async () => {
    await run(['set', 'a', 'text', '--content-type', 'text/plain', '--ttl', '1h']);
    await run(['set', 'b', '', '--expire-at', 'never']);
    const { out } = await run(['export']);
    const before = await exported();
    expect(before).toMatchObject([
      { contentType: 'text/plain', expireAtMs: expect.any(Number) },
      { value: '' },
    ]);
    await run(['delete-prefix', '--all', '--yes']);
    const imported = await run(['import', '-'], { stdin: Buffer.from(`\n${out}`) });
    expect([imported.code, imported.out]).toEqual([0, 'imported 2 keys\n']);
    expect(await exported()).toEqual(before);
    expect(await exported('b')).toEqual([{ key: 'b', value: '' }]);
  });

  it('takes bytes of several MiB back, as export prints them', async () => {
    const entry = { key: 'a', valueBase64: Buffer.alloc(7 << 20, 0xff).toString('base64') };
    const { code, out } = await run(['import', '-'], { stdin: Buffer.from(JSON.stringify(entry)) });
    expect([code, out]).toEqual([0, 'imported 1 key\n']);
    expect((await run(['export'])).out === `${JSON.stringify(entry)}\n`).toBe(true);
  });

  it('leaves keys that are there by --if-absent, and passes over what was done by --skip', async () => {
    await run(['set', 'b', 'old', '--expire-at', 'never']);
    const path = await file(['a', 'b', 'c'].map((key) => JSON.stringify({ key, value: 'new' })).join('\r\n'));
    const { code, out } = await run(['import', path, '--if-absent', '--skip', '1', '--json']);
    expect([code, JSON.parse(out)]).toEqual([0, { done: 3, written: 1, kept: 1, expired: 0, left: [] }]);
    expect(await exported()).toEqual([
      { key: 'b', value: 'old' },
      { key: 'c', value: 'new' },
    ]);
  });

  it('writes a value that is larger than a batch alone, and passes over one that no node takes', async () => {
    const small = await RunningMaster.start(join(directory, 'small'), {}, { batchBytesMax: 256 << 10 });
    const sizes = { a: 1, large: 4 << 20, tooLarge: 12 << 20, half: 200 << 10, b: 1, rest: 150 << 10 };
    const lines = Object.entries(sizes).map(([key, size]) =>
      JSON.stringify({ key, value: 'x'.repeat(size) }),
    );
    const { code, out } = await runCli([
      ...['import', await file(lines.join('\n')), '--address', small.address],
    ]);
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(/^imported 5 keys\nnot imported: 1 .*server\.max_value_bytes.*: "tooLarge"\n$/),
    ]);
    const stored = Object.keys(sizes).map((key) => [key, small.contents(key)[key]?.length]);
    expect(Object.fromEntries(stored)).toEqual({ ...sizes, tooLarge: undefined });
    await small.stop();
  });

  it('names keys that the node refuses', async () => {
    const long = JSON.stringify({ key: 'k'.repeat(1_025), value: '' });
    const { code, out } = await run(['import', await file(`${long}\n{"key":"b","value":"1"}\n`)]);
    expect([code, out]).toEqual([
      1,
      `imported 1 key\nnot imported: 1 key has … bytes: expected at most …: "${'k'.repeat(64)}…"\n`,
    ]);
  });

  it('names a key with which no request can be read, and writes the others', async () => {
    const lines = ['a', 'k'.repeat(9_000), 'b', 'c'].map((key) => JSON.stringify({ key, value: '1' }));
    const { code, out } = await run(['import', await file(lines.join('\n'))]);
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(
        /^imported 3 keys\nnot imported: 1 a text of the message is longer .*: "k{64}…"\n$/,
      ),
    ]);
    expect(await exported()).toHaveLength(3);
  });

  it('says where it stopped, and how to go on', async () => {
    const lines = Array.from({ length: 1_500 }, (_, i) => JSON.stringify({ key: `k${i}`, value: '' }));
    const stopped = await run(['import', await file(`${lines.join('\n')}\nnot json\n`)]);
    expect(stopped.code).toBe(2);
    expect(stopped.err).toContain('line 1501: ');
    expect(stopped.err).toContain('(after 1,000 keys of the file)');
    expect(stopped.err).toContain('run the same command with --skip 1000');
  });

  it('gives up the write under way when it is interrupted, and says how to go on', async () => {
    const lines = Array.from({ length: 1_500 }, (_, i) => JSON.stringify({ key: `k${i}`, value: '' }));
    const interrupted = new AbortController();
    const silent = await new FakeNode().start();
    silent.fault = () => {
      if (silent.calls['Batch'] !== 2) return 'serve';
      setImmediate(() => interrupted.abort());
      return 'silent';
    };
    const args = ['import', await file(lines.join('\n')), '--address', silent.address];
    const left = await runCli(args, { interrupted: interrupted.signal });
    await silent.stop();
    expect([left.code, left.err]).toEqual([130, expect.stringContaining('--skip 1000')]);
  });

  it('advises to begin anew where stdin stopped, since it may have another order', async () => {
    const lines = Array.from({ length: 1_500 }, (_, i) => JSON.stringify({ key: `k${i}`, value: '' }));
    const stdin = Buffer.from(`${lines.join('\n')}\nnot json\n`);
    const stopped = await run(['import', '-'], { stdin });
    expect([stopped.code, stopped.err]).toEqual([
      2,
      expect.stringContaining('Run it again from the start, which writes the same'),
    ]);
    expect(stopped.err).not.toContain('--skip');
    const skipping = await run(['import', '-', '--skip', '1000'], { stdin });
    expect([skipping.code, skipping.err]).toEqual([2, expect.stringContaining('--skip is for files')]);
  });

  it.each([
    ['[1]', 'expected an object such as'],
    ['{"value":"x"}', 'expected key as a string'],
    ['{"key":"a"}', 'expected either value'],
    ['{"key":"a","value":"x","valueBase64":"eA=="}', 'expected either value'],
    ['{"key":"a","valueBase64":"e"}', 'expected either value, a string, or valueBase64, standard base64'],
    ['{"key":"a","valueBase64":"e==="}', 'expected either value, a string, or valueBase64, standard base64'],
    ['{"key":"a","valueBase64":"=="}', 'expected either value, a string, or valueBase64, standard base64'],
    ['{"key":"a","valueBase64":"e-=="}', 'expected either value, a string, or valueBase64, standard base64'],
    [
      '{"key":"a","valueBase64":"ee==ee=="}',
      'expected either value, a string, or valueBase64, standard base64',
    ],
    ['{"key":"a","value":"x","ttl":5}', 'unknown field "ttl": expected key, value, valueBase64, expireAtMs'],
    ['{"key":"a","value":"x","expireAtMs":1.5}', 'expected expireAtMs as whole milliseconds'],
    ['{"key":"a","value":"x","contentType":1}', 'expected contentType as a string'],
  ])('refuses %s', async (line, why) => {
    const { code, err } = await run(['import', await file(line)]);
    expect([code, err]).toEqual([2, expect.stringContaining(`line 1: ${why}`)]);
  });

  it.each([
    [['none.ndjson'], 6, 'cannot read none.ndjson'],
    [['-', '--format', 'rdb'], 2, 'an RDB file is read twice'],
    [['-', '--db', '1'], 2, '--db is for RDB files'],
  ])('does not take %j', async (args, code, why) => {
    expect(await run(['import', ...args])).toMatchObject({ code, err: expect.stringContaining(why) });
  });
});
