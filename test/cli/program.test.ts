import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { CommandHost } from '../../cmd/walnut/command-host.ts';
import { COMMAND_FILES, commandNameOf } from '../../cmd/walnut/command-table.ts';
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

  it('lists every command in --help, and suggests the one that was meant', async () => {
    const { out } = await runCli(['--help']);
    for (const name of NAMES) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
    const mistyped = await runCli(['stats']);
    expect(mistyped).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean status?') });
  });
});
