/** A real node with users in its configuration, from its start to another user after SIGHUP. */
import { execFile } from 'node:child_process';
import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { hashOfToken, newToken } from '#auth/secret-hash.ts';
import { createNodeRandom } from '#platform/random.ts';
import { MASTER } from '#test/doubles/binaries.ts';
import { eventually, type RealNode, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

const [first = '', second = '', third = ''] = Array.from({ length: 3 }, () => newToken(createNodeRandom()));
const FAILED = 'the configuration cannot be used: nothing was changed';

function configuration(tokens: readonly string[], more = ''): string {
  const users = [{ name: 'chief', roles: ['reader', 'operator', 'own'], tokens: tokens.map(hashOfToken) }];
  const roles = [{ name: 'own', grants: [{ access: ['write'], prefixes: ['own:'] }] }];
  return JSON.stringify({ auth: { mode: 'required', users, roles } }).replace(/\}\}$/, `${more}}}`);
}

async function statusOf(node: RealNode, token: string, method = 'GET', key = 'k'): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const body = method === 'PUT' ? 'v' : null;
  return (await fetch(`http://${node.address}/v1/keys/${key}`, { method, headers, body })).status;
}

it.skipIf(process.platform === 'win32')(
  'knows the users of its configuration, takes others at SIGHUP, and shows no hash',
  async () => {
    const directory = await nodes.directory();
    const file = join(directory, 'master.yaml');
    const write = async (text: string, mode = 0o600): Promise<void> => {
      await writeFile(`${file}.new`, text, { mode });
      await chmod(`${file}.new`, mode);
      await rename(`${file}.new`, file);
    };
    await write(configuration([first]));
    const node = await nodes.start({ flags: ['--config', file] });
    await node.ready();
    expect([await statusOf(node, first), await statusOf(node, second)]).toEqual([404, 401]);
    expect(await statusOf(node, first, 'PUT', 'own:k')).toBe(201);
    expect(await statusOf(node, first, 'PUT', 'k')).toBe(403);

    const reload = async (expected: string, times = 1): Promise<void> => {
      node.kill('SIGHUP');
      const told = (): number => node.output.split(expected).length - 1;
      await eventually(
        () => told() === times,
        () => `${times} times ${expected}: ${node.output}`,
      );
    };
    await write(configuration([second]), 0o644);
    await reload(FAILED);
    expect(node.output).toContain('a file with users is a secret');
    await write(configuration([second], ',"file":"auth.yaml"'));
    await reload(FAILED, 2);
    expect([await statusOf(node, first), await statusOf(node, second)]).toEqual([404, 401]);

    await write(configuration([second]));
    await reload('the configuration was read again');
    expect([await statusOf(node, first), await statusOf(node, second)]).toEqual([401, 404]);
    expect(node.output).toContain('"users":1,"msg":"the users changed"');
    expect(node.output).not.toContain('need a restart');

    const line = [MASTER, '--config', file, '--print-config', '--set', 'wal.directory=d'];
    const { stdout } = await promisify(execFile)(process.execPath, line);
    expect(stdout).toContain('- hidden');
    const shown = `${stdout}${node.output}`;
    const hashes = [first, second].map((token) => hashOfToken(token).replace('sha256:', ''));
    expect(hashes.filter((hash) => shown.includes(hash))).toEqual([]);

    await write(configuration([third], ',"certificate_cn":true').replace('required', 'permissive'));
    await reload('these keys need a restart');
    expect(node.output).toContain('"keys":["auth.mode"]');
    expect([await statusOf(node, second), await statusOf(node, third)]).toEqual([401, 404]);
  },
  60_000,
);
