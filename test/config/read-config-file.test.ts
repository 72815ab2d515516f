/** The text of a configuration file, or why it cannot be read. */
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#config/config-error.ts';
import { readConfigFile } from '#config/load-config.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';

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
});
