/** Every command's help has examples, and the tool takes each of them as it is written. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { CommandHost } from '../../cmd/walnut/command-host.ts';
import { loadCommands } from '../../cmd/walnut/command-table.ts';
import { createProgram } from '../../cmd/walnut/program.ts';
import { memoryIo, runCli } from './memory-io.ts';

/** Parses commands and carries none out: it keeps the name of the one that would run. */
class ParsingHost extends CommandHost {
  ran: string | undefined;

  override action() {
    return this.#record();
  }

  override offline() {
    return this.#record();
  }

  #record() {
    return async (...args: unknown[]): Promise<void> => {
      this.ran = nameOf(args.at(-1) as Command);
    };
  }
}

function nameOf(command: Command): string {
  const { parent } = command;
  return parent?.parent == null ? command.name() : `${nameOf(parent)} ${command.name()}`;
}

const program = new Command('walnut');
for (const add of await loadCommands([])) add(program, new ParsingHost(memoryIo().io));
const leavesOf = (command: Command): Command[] => {
  const inner = command.commands.filter((one) => one.name() !== 'help');
  return inner.length === 0 ? [command] : inner.flatMap(leavesOf);
};
const NAMES = leavesOf(program).map(nameOf);

/** Variables of the shell in examples, which earlier commands set. */
const VARIABLES: Readonly<Record<string, string>> = { $p: '4294967303-12', $TOKEN: 'token' };

async function examplesOf(name: string): Promise<string> {
  const { out } = await runCli([...name.split(' '), '--help']);
  return out.split('\nExamples:\n')[1]?.split('\n\n')[0] ?? '';
}

/** The arguments of each `walnut …` in the text, up to what means something to the shell. */
function callsIn(text: string): string[][] {
  const lines = text.replaceAll(/\\\n +/g, '').split('\n');
  return lines
    .filter((line) => !line.trimStart().startsWith('#'))
    .flatMap((line) => [...line.matchAll(/(?<![\w./-])walnut (?:'[^']*'|"[^"]*"|[^'"|&;<>)])*/g)])
    .map(([call]) => [...call.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => plain(word)))
    .map((words) => words.slice(1, words.includes('#') ? words.indexOf('#') : undefined));
}

function plain(word: string): string {
  const text = word.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, one = '', other = '') => `${one}${other}`);
  return VARIABLES[text] ?? text;
}

describe('the examples in the help', () => {
  it('are looked at for every command', () => {
    expect(NAMES.length).toBeGreaterThan(70);
  });

  it.each(NAMES)('of walnut %s can be pasted, and are taken', async (name) => {
    const examples = await examplesOf(name);
    expect(examples).not.toMatch(/^ {2}\S.* {3,}[^\s#]/m);
    const ran: (string | undefined)[] = [];
    for (const args of callsIn(examples)) {
      const host = new ParsingHost(memoryIo().io);
      const parsed = await createProgram(args, host, [], memoryIo().io);
      await expect(parsed.parseAsync(args, { from: 'user' }), args.join(' ')).resolves.toBeDefined();
      ran.push(host.ran);
    }
    expect(ran, 'an example of another command only').toContain(name);
    expect(ran).not.toContain(undefined);
  });
});
