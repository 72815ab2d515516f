import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { CommandHost } from '../../cmd/walnut/command-host.ts';
import { COMMAND_FILES, commandNameOf, loadCommands } from '../../cmd/walnut/command-table.ts';
import { memoryIo, runCli } from './memory-io.ts';

const NAMES = COMMAND_FILES.flatMap(({ names }) => names);

describe('the table of commands', () => {
  it.each(COMMAND_FILES)('names what its file adds: $names', async ({ names, load }) => {
    const program = new Command();
    (await load())(program, new CommandHost(memoryIo().io));
    expect(program.commands.map((command) => command.name()).sort()).toEqual([...names].sort());
  });

  it.each([
    [['get', 'k'], 'get'],
    [['--json', 'status'], 'status'],
    [['--address', 'get:1', 'set', 'k', 'v'], 'set'],
    [['--address=get:1', 'set'], 'set'],
    [['--help'], undefined],
    [['--address'], undefined],
    [[], undefined],
  ])('finds the command in %j', (args, name) => {
    expect(commandNameOf(args)).toBe(name);
  });

  it('loads one file for a command, none for the version, and all to help', async () => {
    const counts = [['get', 'k'], ['--version'], ['-V'], ['--help'], ['--version', '--help'], ['gte']].map(
      async (args) => (await loadCommands(args)).length,
    );
    const all = COMMAND_FILES.length;
    expect(await Promise.all(counts)).toEqual([1, 0, 0, all, all, all]);
    expect((await runCli(['-V'])).out).toBe((await runCli(['--version'])).out);
    expect((await runCli(['--version'])).out).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('lists every command in --help, and suggests the one that was meant', async () => {
    const { out } = await runCli(['--help']);
    for (const name of NAMES) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
    const mistyped = await runCli(['stats']);
    expect(mistyped).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean status?') });
  });

  it('states the defaults of durations and sizes with their units', async () => {
    const program = new Command();
    const add = await Promise.all(COMMAND_FILES.map(({ load }) => load()));
    for (const addTo of add) addTo(program, new CommandHost(memoryIo().io));
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    const options = all(program).flatMap((command) => command.options);
    const shown = options
      .filter(({ flags, defaultValue }) => /<(duration|size)>/.test(flags) && defaultValue !== undefined)
      .map(({ defaultValue, defaultValueDescription }) => defaultValueDescription ?? String(defaultValue));
    expect(shown).toContain('10s');
    expect(shown.filter((text) => /^\d+$/.test(text))).toEqual([]);
  });

  it('refuses an empty path, in every option and argument that is one', async () => {
    const program = new Command();
    for (const { load } of COMMAND_FILES) (await load())(program, new CommandHost(memoryIo().io));
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    const isPath = (text: string): boolean =>
      /(^|<)(dir|directory|file|path|repository|backup|scratch)(>|$)/.test(text);
    const read = all(program).flatMap((command) => [
      ...command.options
        .filter(({ flags }) => isPath(flags))
        .map(({ flags, parseArg }) => ({ what: flags, parseArg })),
      ...command.registeredArguments
        .filter((argument) => isPath(argument.name()))
        .map((argument) => ({ what: argument.name(), parseArg: argument.parseArg })),
    ]);
    expect(read.length).toBeGreaterThan(15);
    for (const { what, parseArg } of read) {
      expect(parseArg, `${what} is read without a check`).toBeTypeOf('function');
      for (const empty of ['', ' '])
        expect(() => parseArg?.(empty, undefined as never)).toThrow('Expected the path');
    }
  });

  it('helps within 80 columns, everywhere', async () => {
    const visit = async (path: readonly string[]): Promise<void> => {
      const { code, out } = await runCli([...path, '--help']);
      expect(code).toBe(0);
      for (const line of out.split('\n'))
        expect(line.length, `${path.join(' ')}: ${line}`).toBeLessThanOrEqual(80);
      const commands = out.split('\nCommands:\n')[1]?.split('\n\n')[0] ?? '';
      for (const [, name = ''] of commands.matchAll(/^ {2}([a-z][a-z-]+) /gm))
        if (name !== 'help') await visit([...path, name]);
    };
    await visit([]);
  });
});

describe('a failure', () => {
  it('is JSON where the answer would be, on the last line of stderr', async () => {
    const failed = await runCli(['get', 'k', '--json', '--address', '127.0.0.1:1']);
    expect(failed).toMatchObject({ code: 5, out: '' });
    expect(JSON.parse(failed.err)).toEqual({
      error: {
        exitCode: 5,
        message: 'no answer from 127.0.0.1:1 (ECONNREFUSED)',
        advice: expect.stringContaining('npm start'),
      },
    });
    for (const args of [
      ['get', '--json'],
      ['wal', '--json'],
      ['set', 'k', '--json'],
      ['--json', 'nonsense'],
    ]) {
      const usage = await runCli(args);
      expect(usage.code).toBe(2);
      expect(JSON.parse(usage.err)).toMatchObject({ error: { exitCode: 2, message: expect.any(String) } });
    }
  });

  it.each([
    ['', 'Expected 1 to 1024 bytes'],
    ['k'.repeat(1_025), 'not 1025'],
    ['é'.repeat(513), 'not 1026'],
  ])('of the key %j is usage, without asking a node', async (key, message) => {
    for (const args of [
      ['get', key],
      ['set', key, 'v'],
      ['del', key],
    ]) {
      const { code, err } = await runCli([...args, '--address', '127.0.0.1:1']);
      expect(code).toBe(2);
      expect(err).toContain(message);
    }
  });

  it('is told as a bug where nobody foresaw it, and never by a code that is an answer', async () => {
    const env = new Proxy<Record<string, string>>(
      {},
      {
        get: (_target, name) => {
          if (name === 'WALNUT_ADDRESS') throw new RangeError('boom');
          return undefined;
        },
      },
    );
    const { code, err } = await runCli(['status'], { env });
    expect(code).toBe(70);
    expect(err).toContain('this is a bug of the tool; please report it: RangeError: boom');
  });
});
