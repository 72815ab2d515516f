/** What a process that cannot start says, by its exit code and on standard error. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BINARIES } from '#test/doubles/binaries.ts';

/** A file where a directory is expected. */
const FILE = import.meta.filename;

function start(binary: string, ...sets: readonly string[]) {
  const args = ['log.format=json', 'server.port=0', ...sets].flatMap((set) => ['--set', set]);
  const { status, stderr } = spawnSync(process.execPath, [join(BINARIES, `cmd/${binary}.ts`), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stderr };
}

describe('a start that fails', () => {
  it('says why even where log.level is silent', () => {
    const { status, stderr } = start('master', `wal.directory=${FILE}`, 'log.level=silent');
    expect(status).toBe(3);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(stderr)).toMatchObject({ level: 'fatal', msg: expect.stringContaining(FILE) });
  }, 60_000);
});
