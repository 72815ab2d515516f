/** The text of a configuration file, or why it cannot be read. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#config/config-error.ts';
import { readConfigFile } from '#config/read-config-file.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { readPublicFile } from '#platform/secret-file.ts';

const MINIMAL = 'wal: { directory: d }\n';

describe('readConfigFile', () => {
  it('reads text, and says why it cannot', async () => {
    const directory = await fs.mkdtemp(join(tmpdir(), 'walnut-config-'));
    const files = createNodeFileSystem();
    const path = join(directory, 'a.yaml');
    await fs.writeFile(path, MINIMAL);
    expect(await readConfigFile(files, path)).toBe(MINIMAL);
    await fs.writeFile(path, Buffer.from([0xff, 0xfe]));
    await expect(readConfigFile(files, path)).rejects.toThrow(`${path}: cannot read the configuration`);
    await expect(readConfigFile(files, join(directory, 'none.yaml'))).rejects.toThrow('ENOENT');
    await expect(readConfigFile(files, directory)).rejects.toBeInstanceOf(ConfigError);
    await fs.rm(directory, { recursive: true });
  });

  it.skipIf(process.platform === 'win32')('refuses a pipe at once, which nobody writes to', async () => {
    const directory = await fs.mkdtemp(join(tmpdir(), 'walnut-config-'));
    const pipe = join(directory, 'pipe.yaml');
    execFileSync('mkfifo', [pipe]);
    const files = createNodeFileSystem();
    await expect(readConfigFile(files, pipe)).rejects.toThrow('a pipe or a device: expected a file');
    await expect(readPublicFile(files, pipe)).rejects.toThrow('a pipe or a device: expected a file');
    await fs.rm(directory, { recursive: true });
  });
});
