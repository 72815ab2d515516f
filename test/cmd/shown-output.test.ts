/** Output that flags of the node binaries request and that cannot be written. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BINARIES } from '#test/doubles/binaries.ts';

describe.skipIf(process.platform !== 'linux')('a node’s binary', () => {
  it.each([
    ['master', ['--help']],
    ['master', ['--version']],
    ['master', ['--print-config', '--set', 'wal.directory=none']],
    ['slave', ['--check-config', '--set', 'wal.directory=none', '--set', 'master.address=127.0.0.1:1']],
  ])('%s %j says where its output could not be written, without a stack', (name, args) => {
    const command = [
      '-c',
      'exec "$@" >/dev/full',
      'sh',
      process.execPath,
      join(BINARIES, `cmd/${name}.ts`),
      ...args,
    ];
    const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined };
    const { status, stderr } = spawnSync('sh', command, { env, encoding: 'utf8' });
    expect(stderr).toBe('cannot write the output: ENOSPC: no space left on device, write\n');
    expect(status).toBe(1);
  });
});
