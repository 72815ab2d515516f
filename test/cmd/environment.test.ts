/** What a process says of variables and keys that are valid and hardly meant. */
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { MASTER } from '#test/doubles/binaries.ts';
import { RealNodes } from './real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

const WARNINGS = [
  'WALNUT_SERVER_PORT is ignored: the variable for server.port is WALNUT_SERVER__PORT',
  '--set storage.eviction_scope: counts for nothing, as storage.eviction_policy is none',
];
const DOUBTFUL = ['storage.eviction_policy=none', 'storage.eviction_scope=with_ttl'];

describe('a variable that is almost a key’s, and a key that another makes useless', () => {
  it('are told once by a node that starts', async () => {
    const node = await nodes.start({ env: { WALNUT_SERVER_PORT: 'tcp://10.0.0.1:80' }, sets: DOUBTFUL });
    await node.ready();
    for (const warning of WARNINGS) expect(node.output.split(warning)).toHaveLength(2);
  }, 60_000);

  it('are told by --check-config, which succeeds', () => {
    const sets = ['wal.directory=none', ...DOUBTFUL].flatMap((set) => ['--set', set]);
    const { status, stdout, stderr } = spawnSync(process.execPath, [MASTER, '--check-config', ...sets], {
      env: { ...process.env, WALNUT_SERVER_PORT: '9', FORCE_COLOR: undefined, NO_COLOR: undefined },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: `${WARNINGS.join('\n')}\n` });
    expect(stdout).toBe('the configuration is valid; files that it names were not looked at\n');
  });
});
