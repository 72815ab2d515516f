/** Named contexts: the choice between them, their file, and `walnut context`. */
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAddress } from '../../cmd/walnut/arguments.ts';
import {
  type AddressSource,
  chooseTarget,
  type GivenOptions,
} from '../../cmd/walnut/context/choose-context.ts';
import { type Contexts, parseContexts, renderContexts } from '../../cmd/walnut/context/contexts.ts';
import { firstAnswering } from '../../cmd/walnut/context/first-answering.ts';
import { userDirectory } from '../../cmd/walnut/context/user-directory.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

const TOKEN = `walnut_${'a'.repeat(43)}`;
const ALL: Contexts = {
  current: 'live',
  contexts: {
    live: { addresses: ['https://a:1', 'https://b:1'], tokenFile: '/live.token', caFile: '/live.ca' },
    test: { addresses: ['t:1'] },
  },
};

describe('the context of a command', () => {
  const choose = (
    given: GivenOptions,
    source: AddressSource,
    env: Record<string, string> = {},
    all = ALL,
  ) => {
    const { addresses, options, context } = chooseTarget(given, source, all, env);
    return [context, addresses.map(({ text }) => text).join(' '), options];
  };
  const address = parseAddress('x:9');
  const live = { tokenFile: '/live.token', caFile: '/live.ca' };

  it.each<[string, GivenOptions, AddressSource, Record<string, string>, unknown]>([
    ['is the one in use', {}, 'default', {}, ['live', 'a:1 b:1', live]],
    ['is that of the environment before', {}, 'default', { WALNUT_CONTEXT: 'test' }, ['test', 't:1', {}]],
    [
      'is the option before both',
      { context: 'live' },
      'default',
      { WALNUT_CONTEXT: 'test' },
      ['live', 'a:1 b:1', live],
    ],
    ['is none where --address names a node', { address }, 'option', {}, [undefined, 'x:9', {}]],
    [
      'is none there for WALNUT_CONTEXT, too',
      { address },
      'option',
      { WALNUT_CONTEXT: 'live' },
      [undefined, 'x:9', {}],
    ],
    [
      'is none where WALNUT_ADDRESS names one',
      {},
      'environment',
      { WALNUT_ADDRESS: 'x:9' },
      [undefined, 'x:9', {}],
    ],
    [
      'gives its settings to an --address beside it',
      { address, context: 'live' },
      'option',
      {},
      ['live', 'x:9', live],
    ],
    [
      'goes before WALNUT_ADDRESS if it is named',
      { context: 'live' },
      'environment',
      { WALNUT_ADDRESS: 'not an address' },
      ['live', 'a:1 b:1', live],
    ],
    [
      'gives way to options',
      { tokenFile: 'own' },
      'default',
      {},
      ['live', 'a:1 b:1', { ...live, tokenFile: 'own' }],
    ],
  ])('%s', (_, given, source, env, expected) => {
    expect(choose(given, source, env)).toEqual(expected);
  });

  it('is refused by name where there is none, and is none where nothing is stored', () => {
    expect(() => choose({ context: 'nope' }, 'default')).toThrow(
      'there is no context "nope": known are live, test',
    );
    expect(() => choose({ context: 'constructor' }, 'default')).toThrow('there is no context');
    expect(choose({}, 'default', {}, { contexts: {} })).toEqual([undefined, '127.0.0.1:8080', {}]);
  });
});

describe('the file of the contexts', () => {
  it('says what was written', () => {
    expect(parseContexts(renderContexts(ALL))).toEqual(ALL);
  });

  it.each<[string, string]>([
    ['{', 'expected JSON'],
    ['[]', 'the file: expected an object'],
    ['{}', 'contexts: expected an object'],
    ['{"contexts":{},"more":1}', 'the file: "more" is not known here'],
    ['{"contexts":{},"current":"x"}', 'current: expected the name'],
    ['{"contexts":{"a b":{"addresses":["x:1"]}}}', 'Expected 1 to 64 letters'],
    ['{"contexts":{"a":{"addresses":[]}}}', 'contexts.a.addresses: Expected 1 to 16 addresses'],
    ['{"contexts":{"a":{"addresses":["http://"]}}}', 'contexts.a.addresses: Expected HOST:PORT'],
    ['{"contexts":{"a":{"addresses":["x:1","https://y:1"]}}}', 'Expected all addresses with https://'],
    ['{"contexts":{"a":{"addresses":["x:1"],"token":"t"}}}', 'contexts.a: "token" is not known here'],
    [
      '{"contexts":{"a":{"addresses":["x:1"],"allowClearText":false}}}',
      'contexts.a.allowClearText: expected true',
    ],
    ['{"contexts":{"a":{"addresses":["x:1"],"caFile":""}}}', 'contexts.a.caFile: expected a text'],
  ])('%s is refused: %s', (text, message) => {
    expect(() => parseContexts(text)).toThrow(message);
  });

  it.each<[Record<string, string>, string | undefined]>([
    [{ XDG_CONFIG_HOME: '/x', HOME: '/h' }, '/x/walnut'],
    [{ XDG_CONFIG_HOME: 'relative', HOME: '/h' }, '/h/.config/walnut'],
    [{ HOME: '/h' }, '/h/.config/walnut'],
    [{}, undefined],
  ])('is found by %j', (env, expected) => {
    expect(userDirectory(env, 'config')).toBe(expected);
  });
});

it('calls the first node that takes a connection, and tells which were passed over', async () => {
  const [a, b, c] = ['a:1', 'b:1', 'c:1'].map(parseAddress) as [never, never, never];
  const passed: string[] = [];
  const first = (open: readonly unknown[]) =>
    firstAnswering(
      [a, b, c],
      (silent, next) => passed.push(`${silent.text}, then ${next.text}`),
      async (address) => open.includes(address),
    );
  expect(await first([b, c])).toBe(b);
  expect(passed).toEqual(['a:1, then b:1']);
  expect(await first([])).toBe(a);
});

describe('walnut context', () => {
  let home = '';
  let node: FakeNode;
  const file = () => join(home, 'walnut', 'contexts.json');
  const run = (args: string[], env = {}) => runCli(args, { env: { XDG_CONFIG_HOME: home, ...env } });

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'walnut-context-'));
    node = await new FakeNode().start();
  });
  afterEach(async () => {
    await node.stop();
    await rm(home, { recursive: true });
  });

  it('stores nodes that later commands call, until it is removed', async () => {
    const added = await run(['context', 'add', 'dev', '127.0.0.1:1', node.address]);
    expect(added).toMatchObject({ code: 0, err: '', out: '1 context; in use: none\n' });
    expect((await run(['--context', 'dev', 'set', 'k', 'v'])).code).toBe(0);
    expect((await run(['context', 'use', 'dev'])).out).toBe('1 context; in use: dev\n');
    const got = await run(['get', 'k']);
    expect([got.code, got.out]).toEqual([0, 'v']);
    expect(got.err).toBe(`127.0.0.1:1 takes no connection; trying ${node.address}\n`);
    expect((await run(['context', 'list'])).out).toContain(`* dev   127.0.0.1:1 ${node.address}  -`);
    expect((await run(['context', 'remove', 'dev'])).out).toBe('0 contexts; in use: none\n');
    expect(JSON.parse((await run(['context', 'list', '--json'])).out)).toEqual({
      file: file(),
      contexts: {},
    });
    expect((await run(['get', 'k', '--context', 'dev'])).err).toContain('none is stored');
  });

  it('stores the path of a token and not the token, for its owner only', async () => {
    const token = join(home, 'token');
    await writeFile(token, TOKEN, { mode: 0o600 });
    const added = await run(['context', 'add', 'dev', node.address, '--token-file', token]);
    expect(added.code).toBe(0);
    expect(await readFile(file(), 'utf8')).not.toContain(TOKEN);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect((await run(['context', 'list'])).out).toContain(`--token-file ${token}`);
    await chmod(file(), 0o644);
    const refused = await run(['--context', 'dev', 'get', 'k']);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('type chmod 600')]);
    // Only what calls a node, or reads the contexts, needs the file.
    expect((await run(['auth', 'new-token'])).code).toBe(0);
  });

  it.each<[string[], string]>([
    [['add', 'dev', '127.0.0.1:1', '--token-file', '/none'], '/none'],
    [['add', 'dev', '127.0.0.1:1', '--address', 'x:1'], 'the addresses follow the name'],
    [['add', 'dev', '127.0.0.1:1', '--ca-file', '/none'], '--ca-file goes with an address by TLS'],
    [['add', 'dev', 'a:1', 'https://b:1'], 'Expected all addresses with https://, or none.'],
    [['add', 'a b', 'a:1'], 'Expected 1 to 64 letters'],
    [['add', 'old', 'a:1'], 'there is a context old already'],
    [['use', 'dev'], 'there is no context "dev": known are old'],
    [['use'], 'give the name of a context, or --none'],
    [['remove', 'dev'], 'there is no context "dev"'],
  ])('%j is refused and changes nothing', async (args, message) => {
    await run(['context', 'add', 'old', '127.0.0.1:1']);
    const before = await readFile(file(), 'utf8');
    const { code, err } = await run(['context', ...args]);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    expect(await readFile(file(), 'utf8')).toBe(before);
  });

  it('needs a directory, and names a file that it cannot read', async () => {
    expect((await runCli(['context', 'list'])).err).toContain('Set HOME, or XDG_CONFIG_HOME');
    await mkdir(join(home, 'walnut'));
    await writeFile(file(), '{"contexts":3}', { mode: 0o600 });
    const { code, err } = await run(['get', 'k']);
    expect([code, err]).toEqual([2, expect.stringContaining(`${file()}: contexts: expected an object`)]);
    // A command that takes no context does not need the file.
    for (const [args, env] of [
      [['set', 'k', 'v', '--address', node.address], {}],
      [['set', 'k', 'v'], { WALNUT_ADDRESS: node.address }],
    ] as const)
      expect(await run([...args], env)).toMatchObject({ code: 0, err: '' });
    expect((await run(['get', 'k', '--address', node.address, '--context', 'dev'])).code).toBe(2);
  });
});
