/** `walnut` without a command: lines on stdin, and at a terminal. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandWords } from '../../cmd/walnut/completion/command-tree.ts';
import { complete, hintFor } from '../../cmd/walnut/repl/complete.ts';
import { History, historyFile, isKept, LINES_MAX } from '../../cmd/walnut/repl/history.ts';
import { parseShellLine } from '../../cmd/walnut/repl/shell-line.ts';
import { quoteWord, splitWords } from '../../cmd/walnut/repl/split-words.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

let node: FakeNode;
let directory = '';
beforeEach(async () => {
  node = await new FakeNode().start();
  directory = await mkdtemp(join(tmpdir(), 'walnut-shell-'));
});
afterEach(async () => {
  await node.stop();
  await rm(directory, { recursive: true });
});

describe('the words of a line', () => {
  const textsOf = (line: string) => {
    const split = splitWords(line);
    return 'problem' in split ? split.problem : split.words.map(({ text }) => text);
  };

  it.each<[string, unknown]>([
    ['', []],
    ['  get\tkey  ', ['get', 'key']],
    [`set 'a b' "c d" e\\ f`, ['set', 'a b', 'c d', 'e f']],
    [`set '' "" a'b'"c"`, ['set', '', '', 'abc']],
    [`"a\\"b" 'a\\b'`, ['a"b', 'a\\b']],
    [String.raw`"C:\dir\n" C\:\d "\$x \` \\ \'"`, [String.raw`C:\dir\n`, 'C:d', "$x ` \\ \\'"]],
    ['get key # a comment', ['get', 'key']],
    ['get key#1', ['get', 'key#1']],
    [`set 'k`, 'the quote at column 5 is not closed'],
    ['set k \\', 'a backslash ends the line'],
    ['scan | sort', '| at column 6 means something to a shell only'],
    ['get k > file', '> at column 7'],
    ['get a; get b', '; at column 6'],
  ])('%j', (line, expected) => {
    const found = textsOf(line);
    if (typeof expected === 'string') expect(found).toContain(expected);
    else expect(found).toEqual(expected);
  });

  it('come back as they were quoted', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !/[\n\r]/.test(text));
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(textsOf(words.map(quoteWord).join(' '))).toEqual(words);
      }),
    );
  });

  it.each<[string, unknown]>([
    ['   ', { kind: 'nothing' }],
    ['# only a comment', { kind: 'nothing' }],
    ['walnut get k', { kind: 'command', args: ['get', 'k'] }],
    ['get walnut', { kind: 'command', args: ['get', 'walnut'] }],
    ['\\json', { kind: 'own', name: 'json', args: [] }],
    ['\\help set', { kind: 'own', name: 'help', args: ['set'] }],
    ["get 'k", { kind: 'bad', problem: expect.stringContaining('not closed') }],
  ])('ask for: %j', (line, expected) => {
    expect(parseShellLine(line)).toEqual(expected);
  });
});

describe('commands on stdin', () => {
  const run = (lines: string, ...args: string[]) =>
    runCli([...args, '--address', node.address], { stdin: Buffer.from(lines) });

  it('run one after another over one connection, those on a replica over one to its master', async () => {
    const replica = await new FakeNode({ master: node.address, data: node.data }).start();
    const lines = ['set a 1', 'set b 2 # two', '', 'get a', 'walnut get b'].join('\n');
    const ran = await runCli(['--address', replica.address], { stdin: Buffer.from(lines) });
    expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^OK .*\nOK .*\n1\n2$/) });
    expect([node.connections, replica.connections]).toEqual([1, 1]);
    await replica.stop();
  });

  it('explain a long example by one comment', async () => {
    const { out } = await run('get --help');
    expect(out).toContain('\n  # read your own write on a replica\n');
    expect(out).not.toContain('# #');
  });

  it('are answered on lines of their own, an empty value too, and the last as it is', async () => {
    const { out } = await run("set a ''\nget a\nget none\nget a\nset b x\nget b\nget b");
    expect(out).toMatch(/^OK .*\n\n\nOK .*\nx\nx$/);
  });

  it('go on after an answer that is no, whose exit code is the one in the end', async () => {
    const { code, out, err } = await run('get none\nset a 1\nset a 2 --if-absent\nget a\n');
    expect([code, out]).toEqual([1, expect.stringMatching(/^OK .*\n1$/)]);
    expect(err).toContain('line 3: not written');
  });

  it.each<[string, number, string]>([
    ['set a 1\nget --nope\nset b 2\n', 2, "line 2: error: unknown option '--nope'"],
    ["set a 1\nget 'a\nset b 2\n", 2, 'line 2: the quote at column 5 is not closed'],
    ['set a 1\n\\json\nset b 2\n', 2, 'line 2: \\json is for a terminal'],
    ['set a 1\nset b -\n', 2, 'line 2: stdin carries the commands'],
    ['set a 1\nget a --address 127.0.0.1:1\nset b 2', 5, 'line 2: no answer from 127.0.0.1:1'],
  ])('end with the first that fails: %j', async (lines, code, message) => {
    const ran = await run(lines);
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(message)]);
    expect([...node.data.keys()]).toEqual(['a']);
  });

  it('name the line of a key that is missing', async () => {
    expect((await run('set a b\nget nobody\n')).err).toContain('walnut: line 2: key "nobody" not found');
  });

  it('take the options of the shell, and tell failures as JSON with --json', async () => {
    const { code, out, err } = await run('set a 1\nget a\nset a 2 --if-absent', '--json');
    expect(code).toBe(1);
    expect(out).toContain('"value": "1"');
    expect(JSON.parse(err.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      error: { exitCode: 1, message: expect.stringMatching(/^line 3: not written/) },
    });
  });

  it('are missing where there is none, and are UTF-8', async () => {
    expect(await run('\n# nothing\n')).toMatchObject({
      code: 2,
      err: expect.stringContaining('a command is missing'),
    });
    const bytes = await runCli(['--address', node.address], { stdin: Buffer.from([0x67, 0xff, 0x0a]) });
    expect(bytes).toMatchObject({ code: 2, err: expect.stringContaining('not UTF-8') });
  });
});

describe('the history', () => {
  const path = () => join(directory, 'deep', 'history');
  const written = () => readFile(path(), 'utf8');

  it.each<[string, boolean]>([
    ['get k', true],
    [' get k', false],
    ['', false],
    [`auth check walnut_${'a'.repeat(43)}`, false],
    ['config auth.users=scrypt:14:8:5:x', false],
    ['x'.repeat(5_000), false],
  ])('keeps %j: %s', (line, expected) => {
    expect(isKept(line)).toBe(expected);
  });

  it('is a file for its owner only, also where it was there for others', async () => {
    for (const line of ['get a', ' set secret x', 'get b']) {
      const history = await History.open(path());
      await history.add(line);
      await history.close();
    }
    expect(await written()).toBe('get a\nget b\n');
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    await writeFile(path(), 'get c\n', { mode: 0o644 });
    const history = await History.open(path());
    await history.close();
    expect([history.lines, (await stat(path())).mode & 0o777]).toEqual([['get c'], 0o600]);
  });

  it('keeps a line that is typed again at once only once, and an older one again', async () => {
    const file = join(directory, 'again');
    await writeFile(file, 'get a\n');
    const history = await History.open(file);
    for (const line of ['get a', 'get b', 'get b', 'get a']) await history.add(line);
    await history.close();
    expect(await readFile(file, 'utf8')).toBe('get a\nget b\nget a\n');
  });

  it.each([50_000, LINES_MAX + 1])('is cut where it has %i lines', async (length) => {
    const file = join(directory, 'long');
    const lines = Array.from({ length }, (_, i) => `get key-number-${i}`);
    await writeFile(file, `${lines.join('\n')}\n`);
    const history = await History.open(file);
    await history.add('get last');
    await history.close();
    expect(history.lines).toEqual(lines.slice(-LINES_MAX));
    const now = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(now).toEqual([...lines.slice(-LINES_MAX), 'get last']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('costs nothing but itself where there can be none', async () => {
    const history = await History.open('/dev/null/history');
    await history.add('get k');
    await history.close();
    expect([history.lines, history.problem]).toEqual([[], expect.stringContaining('/dev/null')]);
    expect(historyFile({ WALNUT_HISTORY_FILE: '' })).toBeUndefined();
    expect(historyFile({ HOME: '/h' })).toBe('/h/.local/state/walnut/history');
  });
});

describe('Tab and hints', () => {
  const word = (text: string, hasValue = false) => ({ text, about: '', hasValue, choices: [] });
  const of = (path: string, names: readonly string[], words: CommandWords['words']) => ({
    path,
    arguments: names,
    words,
    choices: [],
  });
  const durability = { ...word('--durability', true), choices: ['accepted', 'local', 'quorum'] };
  const TREE: CommandWords[] = [
    of('walnut', [], [word('get'), word('set'), word('wal'), word('--json')]),
    of('walnut get', ['<keys...>'], [word('--wait', true), word('--raw')]),
    of('walnut set', ['<key>', '[value]'], [word('--ttl', true), durability]),
    { ...of('walnut completion', ['<shell>'], []), choices: ['bash', 'fish', 'zsh'] },
    of('walnut wal', [], [word('verify')]),
    of('walnut wal verify', ['<dir>'], []),
  ];
  const KEYS = ['user:1', 'user:2 b', 'user:\u001b[31m', 'ätna'];
  const find = async (prefix: string) => KEYS.filter((key) => key.startsWith(prefix));

  it.each<[string, readonly string[], string]>([
    ['', ['get', 'set', 'wal'], ''],
    ['g', ['get '], 'g'],
    ['wal ', ['verify '], ''],
    ['get --r', ['--raw '], '--r'],
    ['get us', ['user:1', 'user:2\\ b'], 'us'],
    ['walnut get us', ['user:1', 'user:2\\ b'], 'us'],
    ['get a user:1 us', ['user:1', 'user:2\\ b'], 'us'],
    ['get --wait us', [], 'us'],
    ['set k v --durability q', ['quorum '], 'q'],
    ['completion ', ['bash', 'fish', 'zsh'], ''],
    ['get --wait 5s ä', ['ätna '], 'ä'],
    ['set k us', [], ''],
    ["get 'us", [], ''],
    ['wal verify us', [], ''],
    ['gte ', [], ''],
    ['wal nosuch ver', [], ''],
    ['\\h', ['\\help '], '\\h'],
  ])('after %j offer %j', async (line, offers, typed) => {
    expect(await complete(line, TREE, ['\\help', '\\quit'], find)).toEqual({ offers, typed });
  });

  it.each<[string, string]>([
    ['', ''],
    ['g', ''],
    ['set', ' <key> [value]'],
    ['set ', '<key> [value]'],
    ['set k', ' [value]'],
    ['set k --ttl 5s ', '[value]'],
    ['set k v', ''],
    ['wal', ''],
    ["set 'k", ''],
  ])('after %j show %j', (line, hint) => {
    expect(hintFor(line, TREE)).toBe(hint);
  });
});

describe('at a terminal', () => {
  let input: PassThrough;
  beforeEach(() => {
    input = new PassThrough();
  });

  /** Types each text when the prompt is there, or what it names; resolves when the shell ends. */
  async function converse(
    typed: readonly (string | { after: string; type: string })[],
    { isTerminal = false, NO_COLOR = '1', TERM = 'xterm' } = {},
  ) {
    const output = new PassThrough();
    const left = typed.map((each) => (typeof each === 'string' ? { after: '> ', type: each } : each));
    let shown = '';
    let looked = 0;
    output.on('data', (bytes: Buffer) => {
      shown += bytes.toString();
      const at = shown.indexOf(left[0]?.after ?? 'nothing more', looked);
      if (at < 0) return;
      looked = shown.length;
      const { type = '' } = left.shift() ?? {};
      setImmediate(() => input.write(type));
    });
    const ran = await runCli(['--address', node.address], {
      terminal: { input, output },
      isTerminal,
      columns: 100,
      env: { NO_COLOR, TERM, WALNUT_HISTORY_FILE: join(directory, 'history') },
    });
    return { ...ran, shown };
  }

  it('commands run until \\quit, and the lines are remembered', async () => {
    const { code, out, err, shown } = await converse([
      'set k hello\r',
      'get k\r',
      '\\json\r',
      'get k\r',
      '\\quit\r',
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^OK .*\nhello\{\n/);
    expect(shown).toContain(`${node.address}> `);
    expect(err).toContain('Answers are JSON now.');
    expect(node.connections).toBe(1);
    expect(await readFile(join(directory, 'history'), 'utf8')).toBe(
      'set k hello\nget k\n\\json\nget k\n\\quit\n',
    );
  });

  it('the colours of a command are the tool’s own, once', async () => {
    await runCli(['set', 'k', 'v', '--address', node.address]);
    const { out } = await converse(['scan\r', '\\quit\r'], { isTerminal: true, NO_COLOR: '' });
    expect(out).toContain('\u001b[1mKEY');
    expect(out).not.toContain('\\u001b');
  });

  it('a failure ends nothing, Ctrl-C empties the line, Ctrl-D ends the shell', async () => {
    const { code, err, out } = await converse([
      'get none\r',
      'get\r',
      "get 'x\r",
      '\\nope\r',
      'set k a\ufffdb\r',
      'set k\u0003',
      'set k 1\r',
      '\u0004',
    ]);
    expect(code).toBe(0);
    expect(err).toContain('key "none" not found');
    expect(err).toContain("missing required argument 'keys'");
    expect(err).toContain('is not closed');
    expect(err).toContain('bytes that are not UTF-8');
    expect(node.calls['Set']).toBe(1);
    expect(err).toContain('\\nope is not known: expected \\help, \\json, \\quit');
    expect(err).toContain('to leave: \\quit or Ctrl-D');
    expect(out).toMatch(/^OK /);
  });

  it('lines come from the system of a terminal that is dumb, which has shown them already', async () => {
    const { code, out, err, shown } = await converse(['set k 1\n', 'get k\n', '\\quit\n'], { TERM: 'dumb' });
    expect([code, out]).toEqual([0, expect.stringMatching(/^OK .*\n1$/)]);
    expect(shown).toBe(`${node.address}> `.repeat(3));
    expect(err).not.toContain('Tab');
  });

  it('Ctrl-C ends a command and not the shell', async () => {
    node.metrics = [''];
    node.fault = (method) => {
      if (method === 'Status') input.write('\u0003');
      return 'serve';
    };
    const { code, out } = await converse(['top --interval 1h\r', 'set k 1\r', '\\quit\r']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^OK /m)]);
  });

  it('Tab completes commands, and keys that the node has', async () => {
    await runCli(['set', 'user:77', 'seven', '--address', node.address]);
    const { out } = await converse([
      'ge\t',
      { after: 'get ', type: 'use\t' },
      { after: 'user:77 ', type: '\r' },
      '\\quit\r',
    ]);
    expect(out).toBe('seven');
  });
});
