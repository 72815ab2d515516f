/** `walnut man`: the manual page says what --help says. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { COMMAND_FILES } from '../../cmd/walnut/command-table.ts';
import { runCli } from './memory-io.ts';

const hasGroff = spawnSync('groff', ['--version']).error === undefined;

/** The page as a terminal shows it, without line breaks. */
function rendered(page: string): { text: string; warnings: string } {
  const run = spawnSync('groff', ['-man', '-Tutf8', '-P-cbou', '-ww', '-rLL=20000n'], {
    input: page,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return { text: run.stdout.replaceAll(/\s+/g, ' '), warnings: run.stderr };
}

describe('the manual page', () => {
  it('has every command and every option that its help has', async () => {
    const { code, out } = await runCli(['man']);
    expect(code).toBe(0);
    const plain = out.replaceAll('\\-', '-').replaceAll('\\(aq', "'");
    for (const { names } of COMMAND_FILES)
      for (const name of names) expect(plain).toMatch(new RegExp(`^\\.SS walnut ${name}\\b`, 'm'));
    const sections = plain.split('\n.SS ').slice(1);
    expect(sections.length).toBeGreaterThan(60);
    for (const name of ['set', 'wal repair', 'context add', 'bigkeys']) {
      const section = sections.find((each) => each.startsWith(`walnut ${name} `)) ?? '';
      const { out: help } = await runCli([...name.split(' '), '--help']);
      const own = help.split('\nGlobal Options:')[0] ?? '';
      for (const [option] of own.matchAll(/--[a-z-]+(?= |$)/gm)) expect(section, name).toContain(option);
    }
  });

  it.skipIf(!hasGroff)('is set by groff without a warning, and shows its examples as they are', async () => {
    const { out } = await runCli(['man']);
    const { text, warnings } = rendered(out);
    expect(warnings).toBe('');
    expect(text).toContain('walnut set -- -key -value');
    expect(text).toContain('jq \'.findings[] | select(.level != "ok")\'');
    expect(text).toContain('Exit codes: 0 done;');
  });
});
