/** `walnut auth`, and the token that the tool sends. */
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { digestOf, parseHash } from '#auth/secret-hash.ts';
import { isUserList, parseUserList } from '#auth/user-list.ts';
import { parseYaml } from '#config/yaml-source.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { runCli } from '#test/cli/memory-io.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { start } from '#test/server/running.ts';

const directories: string[] = [];
afterEach(async () => {
  for (const path of directories.splice(0)) await rm(path, { recursive: true, force: true });
});

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'walnut-auth-'));
  directories.push(path);
  return path;
}

describe('walnut auth', () => {
  it('init writes users that a node takes, with tokens that only the owner may read', async () => {
    const path = join(await directory(), 'new');
    const ran = await runCli(['auth', 'init', path]);
    const names = ['operator.token', 'replica.token', 'metrics.token', 'auth.yaml'];
    expect([ran.code, ran.out]).toEqual([0, names.map((name) => `${join(path, name)}\n`).join('')]);
    const users = parseUserList(parseYaml('f', await readFile(join(path, 'auth.yaml'), 'utf8')).values);
    if (!isUserList(users)) throw new Error(users.join());
    expect(users.map(({ name }) => name)).toEqual(['operator', 'replica', 'metrics']);
    for (const [i, name] of names.slice(0, 3).entries()) {
      const token = (await readFile(join(path, name), 'utf8')).trim();
      expect(users[i]?.hashes).toEqual([{ kind: 'token', digest: digestOf(token) }]);
    }
    for (const name of names) expect((await stat(join(path, name))).mode & 0o777).toBe(0o600);
    const again = await runCli(['auth', 'init', path]);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('is there already')]);
  });

  it('check lists the users of a file, or everything that is wrong with it', async () => {
    const path = join(await directory(), 'new');
    await runCli(['auth', 'init', path]);
    const file = join(path, 'auth.yaml');
    const good = await runCli(['auth', 'check', file, '--json']);
    expect(JSON.parse(good.out).users[0]).toEqual({
      name: 'operator',
      roles: ['operator', 'reader', 'writer'],
      tokens: 1,
      passwords: 0,
      certificates: [],
    });
    expect((await runCli(['auth', 'check', file])).out).toMatch(
      /^USER +ROLES .*\noperator +operator reader writer/,
    );
    await writeFile(file, 'users:\n  - name: a b\n    roles: [root]\n');
    const bad = await runCli(['auth', 'check', file]);
    expect([bad.code, bad.err]).toEqual([
      1,
      expect.stringMatching(/users\[0\]\.name:.*\n.*roles\[0\]:.*\n.*tokens:/),
    ]);
    await chmod(file, 0o644);
    expect((await runCli(['auth', 'check', file])).err).toContain('type chmod 600');
  });

  it('new-token and hash-password print what auth.file takes', async () => {
    const [token = '', hash = ''] = (await runCli(['auth', 'new-token'])).out.split('\n');
    expect(parseHash(hash)).toEqual({ kind: 'token', digest: digestOf(token) });
    const hashed = await runCli(['auth', 'hash-password'], { stdin: Buffer.from('correct horse battery\n') });
    expect(parseHash(hashed.out.trim())?.kind).toBe('password');
    const short = await runCli(['auth', 'hash-password'], { stdin: Buffer.from('hunter2\n') });
    expect([short.code, short.err]).toEqual([2, expect.stringContaining('at least 12 characters')]);
  });
});

describe('the token of the tool', () => {
  const open = async () => {
    const identities = new Identities({
      clock: new VirtualClock(),
      mode: 'required',
      users: usersOf(),
      random: createNodeRandom(),
      onAnonymous: () => {},
      onFailure: () => {},
    });
    const { server } = await start({ identities, isIdentityRequired: true });
    return server.address;
  };

  it('comes from a file or the environment, in unary calls and in streams', async () => {
    const address = await open();
    const path = join(await directory(), 'token');
    await writeFile(path, `${tokenOf('chief')}\n`, { mode: 0o600 });
    expect((await runCli(['set', 'k', 'v', '--address', address, '--token-file', path])).code).toBe(0);
    const env = { WALNUT_TOKEN: tokenOf('chief') };
    expect((await runCli(['set', 'k', 'v', '--address', address], { env })).code).toBe(0);
    expect((await runCli(['scrub', '--address', address], { env })).err).not.toContain('UNAUTHENTICATED');
    expect((await runCli(['set', 'k', 'v', '--address', address])).err).toContain('UNAUTHENTICATED');
    const denied = await runCli(['set', 'k', 'v', '--address', address], {
      env: { WALNUT_TOKEN: tokenOf('reader') },
    });
    expect([denied.code, denied.err]).toEqual([
      5,
      expect.stringMatching(/PERMISSION_DENIED: the user reader may not call/),
    ]);
  });

  it('is not read from a file that others may read, and is not sent in clear text unasked', async () => {
    const path = join(await directory(), 'token');
    await writeFile(path, tokenOf('chief'));
    await chmod(path, 0o644);
    const loose = await runCli(['get', 'k', '--token-file', path]);
    expect([loose.code, loose.err]).toEqual([2, expect.stringContaining('type chmod 600')]);
    const env = { WALNUT_TOKEN: tokenOf('chief') };
    const clear = await runCli(['get', 'k', '--address', '192.0.2.1:8080'], { env });
    expect([clear.code, clear.err]).toEqual([2, expect.stringContaining('--allow-clear-text')]);
    const strange = await runCli(['get', 'k'], { env: { WALNUT_TOKEN: 'a\r\nx-y: z' } });
    expect([strange.code, strange.err]).toEqual([2, expect.stringContaining('WALNUT_TOKEN has no token')]);
    expect((await runCli(['auth', 'new-token', '--address', '192.0.2.1:8080'], { env })).code).toBe(0);
  });
});
