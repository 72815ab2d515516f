/** What npm swallows of the command lines of the other scripts, by npm itself, and what scripts say of arguments that are wrong. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ROOT, readText } from '#test/house/source-files.ts';

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

/** Scripts whose arguments other tests try, or another program than ours. */
const TRIED_ELSEWHERE =
  /^(start|cluster|cluster:ha|walnut|master|slave|node|coordinator|gateway|test|test:interop|lint|format|typecheck|generate|lint:proto|check)$/;

/** Exit code 0: help, which names the script; 2: what is wrong. */
const ARGUMENTS: readonly (readonly [script: string, args: readonly string[], code: 0 | 2, says: RegExp])[] =
  [
    ['test:torture', ['--help'], 0, /^usage: npm run test:torture[\s\S]*cluster-processes[\s\S]*--seed N/],
    ['test:mutants', ['--only', ''], 2, /--only: expected a part of the names/],
    ['bench', ['unary', '--only', ''], 2, /--only: expected a part of the names/],
    ['bench', ['pace', '--beside', ''], 2, /--beside: expected the directory/],
    ['bench', ['unary', '--json', ''], 2, /--json: expected a file/],
    ['bench', ['unary', '--json', 'no-such-directory/a.json'], 2, /--json: expected a file/],
    ['test:conformance', ['--help'], 0, /^usage: npm run test:conformance/],
    ['test:h2spec', ['--help'], 0, /^usage: npm run test:h2spec/],
    ['build:package', ['-h'], 0, /^usage: npm run build:package/],
    ['build:package', ['--watch'], 2, /unexpected "--watch"/],
    ['build:executable', ['--help'], 0, /^usage: npm run build:executable/],
    ['build:executable', [''], 2, /unexpected ""/],
    ['check:package', ['--help'], 0, /^usage: npm run check:package/],
    ['check:package', ['--only'], 2, /unexpected "--only"/],
    ['check:generated', ['--help'], 0, /^usage: check-proto/],
    ['check:breaking', ['--agianst'], 2, /^usage: check-proto/],
  ];

describe('a script', () => {
  const { scripts } = JSON.parse(readText('package.json')) as { scripts: Record<string, string> };

  it.each(ARGUMENTS)(
    '%s %j ends with code %d',
    async (script, args, code, says) => {
      const [, ...command] = (scripts[script] ?? '').replace(/^exec /, '').split(' ');
      const child = spawn(process.execPath, [...command, ...args], { cwd: ROOT });
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (text) => {
          said += text;
        });
      const [status] = await once(child, 'close');
      expect([status, said]).toEqual([code, expect.stringMatching(says)]);
    },
    60_000,
  );

  it('that is added has its arguments tried', () => {
    const tried = new Set(ARGUMENTS.map(([script]) => script));
    const others = Object.keys(scripts).filter((script) => !TRIED_ELSEWHERE.test(script));
    expect(others.filter((script) => !tried.has(script))).toEqual([]);
  });
});
