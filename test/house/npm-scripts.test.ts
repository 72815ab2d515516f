/** What npm swallows of the command lines of the other scripts, by npm itself. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';

describe('npm run', () => {
  it.each([
    ['master', ['--config', 'none.yaml', '--set=server.port=0'], '--config --set=server.port=0'],
    ['slave', ['--check-config'], '--check-config'],
    ['bench', ['unary', '--json', 'x.json'], '--json'],
    ['test:torture', ['--seconds', '1'], '--seconds'],
    ['test:mutants', ['--parallel', '1'], '--parallel'],
    ['test', ['-t', 'nothing'], '-t'],
  ])(
    '%s %j is refused, and nothing is done',
    (script, args, options) => {
      const outside = Object.entries(process.env).filter(([name]) => !/^(npm_|FORCE_COLOR$)/i.test(name));
      const env = { ...Object.fromEntries(outside), WALNUT_ADDRESS: '127.0.0.1:1' };
      const { status, stderr, stdout } = spawnSync('npm', ['run', '-s', script, ...args], { cwd: ROOT, env });
      const said = `${stdout}${stderr}`;
      expect(said).toContain(`npm kept ${options} for itself: nothing was done`);
      expect(said).toContain('Put -- before the arguments:');
      expect(status).toBe(script === 'test' ? 1 : 2);
    },
    60_000,
  );
});
