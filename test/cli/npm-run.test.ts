/** Options that npm takes for itself, tested with npm. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';

describe('npm run', () => {
  it.each([
    ['walnut', ['set', 'k', 'v', '--if-absent'], '--if-absent'],
    ['walnut', ['set', 'k', 'v', '--address=127.0.0.1:1'], '--address=127.0.0.1:1'],
    ['walnut', ['promote', '--address=127.0.0.1:1'], '--address=127.0.0.1:1'],
    ['walnut', ['promote', '--force'], '--force'],
    ['walnut', ['failover', '--to', '127.0.0.1:1'], '--to=127.0.0.1:1'],
    ['walnut', ['wal', 'repair', 'data', '--apply'], '--apply'],
    ['walnut', ['del', 'k', '--no-follow'], '--no-follow'],
  ])(
    '%s %j is refused, and nothing is done',
    (script, args, options) => {
      const outside = Object.entries(process.env).filter(([name]) => !/^(npm_|FORCE_COLOR$)/i.test(name));
      const env = { ...Object.fromEntries(outside), WALNUT_ADDRESS: '127.0.0.1:1' };
      const { status, stderr, stdout } = spawnSync('npm', ['run', '-s', script, ...args], { cwd: ROOT, env });
      const said = `${stdout}${stderr}`;
      expect(said).toContain(`npm kept ${options} for itself: nothing was done`);
      expect(said).toContain('Put -- before the arguments:');
      expect(status).toBe(2);
    },
    60_000,
  );
});
