/** Variables of the environment of a node’s process. */
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { MASTER } from '#test/doubles/binaries.ts';
import { RealNodes } from './real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

const WARNING = 'WALNUT_SERVER_PORT is ignored: the variable for server.port is WALNUT_SERVER__PORT';

describe('a variable that is almost a key’s', () => {
  it('is told once by a node that starts', async () => {
    const node = await nodes.start({ env: { WALNUT_SERVER_PORT: 'tcp://10.0.0.1:80' } });
    await node.ready();
    expect(node.output.split(WARNING)).toHaveLength(2);
  }, 60_000);

  it('is told by --check-config, which succeeds', () => {
    const args = ['--check-config', '--set', 'wal.directory=none'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [MASTER, ...args], {
      env: { ...process.env, WALNUT_SERVER_PORT: '9', FORCE_COLOR: undefined, NO_COLOR: undefined },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: `${WARNING}\n` });
    expect(stdout).toBe('the configuration is valid; files that it names were not looked at\n');
  });
});
