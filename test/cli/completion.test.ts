/** `walnut completion`: the scripts, run by the shells that are there. */
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { COMMAND_FILES } from '../../cmd/walnut/command-table.ts';
import { runCli } from './memory-io.ts';

const script = async (shell: string): Promise<string> => {
  const { code, out } = await runCli(['completion', shell]);
  expect(code).toBe(0);
  return out;
};

/** What bash offers for the words, of which the last is being typed. */
function offered(source: string, words: readonly string[]): string[] {
  const typed = words.map((word) => `'${word}'`).join(' ');
  const program = `${source}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length - 1}; _walnut; echo "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', program], { encoding: 'utf8' }).trim().split(/\s+/);
}

describe('the script for bash', () => {
  it.each([
    [['walnut', 'slo'], ['slowlog']],
    [['walnut', 'wal', 'ver'], ['verify']],
    [['walnut', '--json', 'cluster', 'failo'], ['failover']],
    [['walnut', 'set', 'get', '--tt'], ['--ttl']],
    [['walnut', 'get', 'key', '--linear'], ['--linearizable']],
    [['walnut', 'get', 'key', '--addr'], ['--address']],
    [
      ['walnut', 'set', 'k', 'v', '--durability', ''],
      ['accepted', 'local', 'quorum'],
    ],
    [['walnut', 'set', 'k', 'v', '--durability', '=', 'q'], ['quorum']],
    [['walnut', 'completion', 'z'], ['zsh']],
    [['walnut', '--address', ''], ['']],
    [['walnut', 'set', '--ttl', ''], ['']],
    [['walnut', '--context', 'status', 'slo'], ['slowlog']],
    [['walnut', '--address', '127.0.0.1', ':', '8080', 'slo'], ['slowlog']],
    [['walnut', 'slowlog', 'nosuch'], ['']],
    [['walnut', 'set', '--lin'], ['']],
  ])('offers for %j: %j', async (words, expected) => {
    expect(offered(await script('bash'), words)).toEqual(expected);
  });

  it('offers every command', async () => {
    const names = COMMAND_FILES.flatMap((file) => file.names);
    expect(
      offered(await script('bash'), ['walnut', ''])
        .filter((word) => !word.startsWith('-'))
        .sort(),
    ).toEqual([...names].sort());
  });
});

describe('the scripts for other shells', () => {
  it.each(['zsh', 'fish'])('can be read by %s, where it is installed', async (shell) => {
    const source = await script(shell);
    const run = spawnSync(shell, ['-n'], { input: source, encoding: 'utf8' });
    if (run.error === undefined) expect([run.status, run.stderr]).toEqual([0, '']);
    expect(source).toContain('slowlog');
  });

  it('describe each word to fish, and leave nothing open that quotes', async () => {
    const lines = (await script('fish')).split('\n').filter((line) => line.startsWith('complete'));
    expect(lines.length).toBeGreaterThan(300);
    for (const line of lines) {
      expect(line).toMatch(
        /^complete -c walnut( -f)? -n 'test \(__walnut_place\) = "walnut[a-z -]*"' -a '[a-z0-9-]+' -d '[^']*'$/,
      );
    }
  });
});

it('refuses another shell by naming those that there are', async () => {
  const { code, err } = await runCli(['completion', 'tcsh']);
  expect(code).toBe(2);
  expect(err).toContain('Allowed choices are bash, zsh, fish');
});
