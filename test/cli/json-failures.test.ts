/** With --json every failure of every command is one JSON object, the last line of stderr. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../cmd/walnut/cli-error.ts';
import { CommandHost } from '../../cmd/walnut/command-host.ts';
import { COMMAND_FILES } from '../../cmd/walnut/command-table.ts';
import { reportBug } from '../../cmd/walnut/program.ts';
import { memoryIo, runCli } from './memory-io.ts';

/** Nothing can be read there, and nothing made. */
const NOWHERE = '/dev/null/directory';
const NOBODY = '127.0.0.1:1';

/** Arguments with which a command gets as far as its first call or file, and fails there. */
const FAILING: Readonly<Record<string, readonly string[]>> = {
  get: ['k'],
  scan: [],
  set: ['k', 'v'],
  del: ['k'],
  increment: ['n'],
  touch: ['k', '--ttl', '1s'],
  batch: [NOWHERE],
  'delete-prefix': ['p'],
  explain: ['k'],
  watch: [],
  await: ['1-1'],
  status: [],
  digest: [],
  scrub: [],
  bench: [],
  replay: [NOWHERE],
  'wal inspect': [NOWHERE],
  'wal dump': [NOWHERE],
  'wal verify': [NOWHERE],
  'wal repair': [NOWHERE],
  'wal reset-term': [NOWHERE],
  'backup create': ['--from', NOWHERE, '--to', NOWHERE],
  'backup list': [NOWHERE],
  'backup verify': [NOWHERE],
  'backup restore': [NOWHERE, '--to', NOWHERE],
  'restore-to': ['--source', NOWHERE],
  drill: ['--from', NOWHERE],
  checkpoint: [],
  rotate: [],
  'add-replica': [NOBODY],
  'remove-replica': [NOBODY],
  'quarantine list': [],
  'quarantine release': ['--keep'],
  failover: ['--to', NOBODY],
  promote: [],
  'delay pause': [],
  'delay release': ['--all'],
  'delay resume': [],
  clock: [],
  'diverged list': [],
  'diverged show': ['1'],
  'diverged seen': ['1'],
  'cluster init': ['--auto', '2', '--timeout', '0s', '--coordinators', NOBODY],
  'cluster status': ['--coordinators', NOBODY],
  'cluster nodes': ['--coordinators', NOBODY],
  'cluster map': ['--coordinators', NOBODY],
  'cluster slot': ['k', '--coordinators', NOBODY],
  'cluster add-group': ['g1=a,b', '--timeout', '0s', '--coordinators', NOBODY],
  'cluster failover': ['g1', '--timeout', '0s', '--coordinators', NOBODY],
  'cluster drain': ['node-1', '--coordinators', NOBODY],
  'cluster recover': ['--timeout', '0s', '--coordinators', NOBODY],
  'cluster slots': ['--coordinators', NOBODY],
  'cluster backup': ['--from', NOWHERE, '--to', NOWHERE],
  'cluster backups': [NOWHERE],
  'cluster restore': [NOWHERE, '--to', NOWHERE],
  'cluster drill': [NOWHERE],
  completion: ['tcsh'],
  man: ['3'],
  'context add': ['dev', NOBODY],
  'context use': ['dev'],
  'context list': [],
  'context remove': ['dev'],
  bigkeys: [],
  hotkeys: [],
  config: [],
  // It would wait for a node that is away.
  export: ['--token-file', NOWHERE],
  import: [NOWHERE],
  slowlog: [],
  doctor: [],
  info: [],
  top: [],
  latency: [],
  'auth check': [NOWHERE],
  'auth hash-password': [],
  'auth init': [NOWHERE],
  'auth new-token': [],
};

/** It asks for nothing but random numbers. */
const NEVER_FAILS = 'auth new-token';

/** The full names of all commands that do something. */
async function commandNames(): Promise<string[]> {
  const program = new Command('walnut');
  const host = new CommandHost(memoryIo().io, true);
  for (const file of COMMAND_FILES) (await file.load())(program, host);
  const namesOf = (command: Command, before: string): string[] => {
    const name = `${before}${command.name()}`;
    const inner = command.commands.filter((one) => one.name() !== 'help');
    return inner.length === 0 ? [name] : inner.flatMap((one) => namesOf(one, `${name} `));
  };
  return program.commands.filter((one) => one.name() !== 'help').flatMap((one) => namesOf(one, ''));
}

function lastLineOf(text: string): unknown {
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last);
  } catch {
    return last;
  }
}

describe('with --json a failure is JSON on the last line of stderr', () => {
  it('of every command there is', async () => {
    expect(Object.keys(FAILING).sort()).toEqual((await commandNames()).sort());
  });

  const failing = Object.entries(FAILING).filter(([name]) => name !== NEVER_FAILS);
  it.each(failing)('of walnut %s', async (name, args) => {
    const ran = await runCli([...name.split(' '), ...args, '--json', '--address', NOBODY]);
    const error = { exitCode: ran.code, message: expect.stringMatching(/./) };
    expect(lastLineOf(ran.err), ran.err).toMatchObject({ error });
    expect([2, 5, 6]).toContain(ran.code);
    expect(ran.out).toBe('');
  });

  it.each(Object.entries(FAILING))(
    'of walnut %s with an option that it does not have',
    async (name, args) => {
      const ran = await runCli([...name.split(' '), ...args, '--no-such-option', '--json']);
      expect(ran).toMatchObject({ code: 2, out: '' });
      expect(lastLineOf(ran.err), ran.err).toMatchObject({
        error: { exitCode: 2, message: expect.stringContaining('--no-such-option') },
      });
    },
  );
});

it.each([
  ['set', 'k', '--file', NOWHERE],
  ['wal', 'inspect', NOWHERE],
  ['wal', 'dump', NOWHERE],
  ['wal', 'verify', NOWHERE],
  ['wal', 'repair', NOWHERE],
  ['wal', 'reset-term', NOWHERE],
  ['diverged', 'list', NOWHERE],
  ['replay', NOWHERE],
  ['replay', '/nope'],
  ['auth', 'check', NOWHERE],
])('a path that cannot be read ends walnut %s %s with 6', async (...args) => {
  expect((await runCli([...args, '--address', NOBODY])).code).toBe(6);
});

it('a bug outside of a command is reported in the same way', () => {
  const { io, err } = memoryIo();
  expect(reportBug(new Error('unexpected'), ['get', 'k', '--json'], io)).toBe(70);
  expect(lastLineOf(err.join(''))).toMatchObject({
    error: { exitCode: 70, message: expect.stringContaining('Error: unexpected') },
  });
  const text = memoryIo();
  expect(reportBug(new Error('unexpected'), ['get', 'k', '--', '--json'], text.io)).toBe(70);
  expect(text.err.join('')).toMatch(/^walnut: this is a bug of the tool.*Error: unexpected/);
});

describe('a command whose report says what failed', () => {
  it('tells that on stderr too', async () => {
    const { io, err } = memoryIo();
    const host = new CommandHost(io, true);
    const command = new Command().option('--json').exitOverride();
    command.action(host.offline(() => Promise.resolve(EXIT.negative)));
    await command.parseAsync(['--json'], { from: 'user' });
    expect(lastLineOf(err.join(''))).toMatchObject({ error: { exitCode: EXIT.negative } });
  });
});
