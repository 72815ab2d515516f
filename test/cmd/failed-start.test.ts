/** What a process that cannot start says, by its exit code and on standard error. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BINARIES } from '#test/doubles/binaries.ts';

/** A file where a directory is expected. */
const FILE = import.meta.filename;

function start(binary: string, sets: readonly string[], ...flags: readonly string[]) {
  const set = ['log.format=json', 'server.port=0', ...sets].flatMap((each) => ['--set', each]);
  const line = [join(BINARIES, `cmd/${binary}.ts`), ...set, ...flags];
  const { status, stderr } = spawnSync(process.execPath, line, { encoding: 'utf8', timeout: 60_000 });
  return { status, stderr };
}

describe('a start that fails', () => {
  it('says why even where log.level is silent', () => {
    const { status, stderr } = start('master', [`wal.directory=${FILE}`, 'log.level=silent']);
    expect(status).toBe(3);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(stderr)).toMatchObject({ level: 'fatal', msg: expect.stringContaining(FILE) });
  }, 60_000);

  it('names the keys of a file that cannot be used, and where they were set', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-start-'));
    const config = join(directory, 'gateway.yaml');
    const missing = join(directory, 'missing');
    await writeFile(
      config,
      `auth:\n  mode: required\n  file: "${missing}"\ngateway:\n  coordinators: ["127.0.0.1:1"]\n`,
    );
    const file = start('gateway', [`peer.token_file=${missing}`], '--config', config);
    await rm(directory, { recursive: true });
    expect(file.status).toBe(2);
    const keys = `${config}:3:9 auth.file, --set peer.token_file`;
    expect(JSON.parse(file.stderr)).toMatchObject({
      msg: expect.stringContaining(`${keys}: ${missing}: ENOENT`),
    });
  }, 60_000);
});
