import { describe, expect, it } from 'vitest';
import { nodeUsage, parseNodeFlags } from '#config/node-flags.ts';

const DEFAULTS = {
  kind: 'run',
  configFile: undefined,
  sets: [],
  shouldPrintConfig: false,
  shouldCheckConfig: false,
  forceRole: undefined,
};

describe('parseNodeFlags', () => {
  it.each([
    [[], DEFAULTS],
    [['--config', 'a.yaml'], { ...DEFAULTS, configFile: 'a.yaml' }],
    [['-config', 'a.yaml'], { ...DEFAULTS, configFile: 'a.yaml' }],
    [['--config=a=b.yaml'], { ...DEFAULTS, configFile: 'a=b.yaml' }],
    [['-config=a.yaml'], { ...DEFAULTS, configFile: 'a.yaml' }],
    [['--set', 'a.b=1', '--set=c.d=-2'], { ...DEFAULTS, sets: ['a.b=1', 'c.d=-2'] }],
    [['--print-config'], { ...DEFAULTS, shouldPrintConfig: true }],
    [['--check-config'], { ...DEFAULTS, shouldCheckConfig: true }],
    [['--force-role', 'replica'], { ...DEFAULTS, forceRole: 'replica' }],
    [['--force-role=master'], { ...DEFAULTS, forceRole: 'master' }],
    [['--help', '--nonsense'], { kind: 'help' }],
    [['-h'], { kind: 'help' }],
    [['--version'], { kind: 'version' }],
  ])('%j', (argv, expected) => {
    expect(parseNodeFlags(argv)).toEqual(expected);
  });

  it.each([
    [
      ['--confg', 'a'],
      ['"--confg": unknown flag; see --help', '"a": unknown flag; see --help'],
    ],
    [['master.yaml'], ['"master.yaml": unknown flag; see --help']],
    [['--config'], ['--config: expected FILE after it']],
    [['--config', 'a', '--config', 'b'], ['--config: expected once']],
    [['--config', ''], ['--config: expected FILE after it']],
    [['--force-role', 'replica', '--force-role=master'], ['--force-role: expected once']],
    [['--force-role', 'slave'], ['--force-role: expected master or replica, got "slave"']],
    [['--print-config=yes'], ['"--print-config=yes": unknown flag; see --help']],
    [['--set'], ['--set: expected SECTION.KEY=VALUE after it']],
    [['--'], ['"--": unknown flag; see --help']],
    [
      ['---config', 'a'],
      ['"---config": unknown flag; see --help', '"a": unknown flag; see --help'],
    ],
  ])('refuses %j', (argv, problems) => {
    expect(parseNodeFlags(argv)).toEqual({ kind: 'error', problems });
  });

  it('has every flag in its usage', () => {
    const usage = nodeUsage('walnut-master');
    const flags = [
      '--config',
      '--set',
      '--print-config',
      '--check-config',
      '--force-role',
      '--help',
      '--version',
    ];
    for (const flag of flags) expect(usage).toContain(flag);
  });
});
