/** Users and roles that stand in the configuration itself. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseUserList } from '#auth/user-list.ts';
import type { BinaryKind } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { type ConfigSource, loadConfig, loadWithOrigins } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';
import { readConfigFile } from '#config/read-config-file.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';

const HASH = `sha256:${'ab'.repeat(32)}`;
const OTHER_HASH = `sha256:${'cd'.repeat(32)}`;
const USERS = `auth:
  mode: required
  users:
    - name: app
      roles: [app-data]
      tokens: [${HASH}]
    - name: node-2
      roles: [replica]
      certificates: ["dns:node-2.example"]
  roles:
    - name: app-data
      grants:
        - access: [read, write]
          prefixes: ["app:"]
`;
const WAL = 'wal: { directory: d }\n';
/** What each kind needs beside its users. */
const NEEDED: Readonly<Record<BinaryKind, string>> = {
  master: WAL,
  slave: `${WAL}master: { address: "127.0.0.1:1" }\n`,
  node: `${WAL}cluster: { node: a, coordinators: ["127.0.0.1:1"] }\n`,
  coordinator: 'coordinator: { metadata: { kind: file, file: f } }\n',
  gateway: 'gateway: { coordinators: ["127.0.0.1:1"] }\n',
};
const KINDS = Object.keys(NEEDED) as readonly BinaryKind[];

function load(kind: BinaryKind, text: string, more: Partial<ConfigSource> = {}) {
  return loadConfig({ ...more, kind, file: 'f.yaml', text: `${text}${NEEDED[kind]}` });
}

function problemsOf(text: string, more: Partial<ConfigSource> = {}): readonly string[] {
  try {
    load('master', text, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('loaded, against expectation');
}

describe('users in the configuration', () => {
  it.each(KINDS)('are those that the same text in auth.file gives, of a %s', (kind) => {
    const { auth } = load(kind, USERS);
    const parsed = parseUserList({ users: auth.users, roles: auth.roles }, auth.certificateCn);
    expect(parsed).toMatchObject([
      {
        name: 'app',
        grants: [{ access: ['read', 'write'], prefixes: ['app:'] }],
        hashes: [{ kind: 'token' }],
      },
      { name: 'node-2', roles: ['replica'], certificates: ['dns:node-2.example'] },
    ]);
  });

  const user = (fields: string): string => `auth: { users: [{ name: app, roles: [reader], ${fields} }] }\n`;

  it.each([
    [
      'auth: { mode: required }\n',
      'f.yaml:1:1 auth.file: missing: expected the file of users that auth.mode: required needs, or auth.users instead; walnut auth init writes such a file',
    ],
    [
      `${USERS}  file: auth.yaml\n`,
      'f.yaml:4:5 auth.users: expected either auth.users or auth.file: users and roles are in one place, so remove one of them',
    ],
    [
      'auth: { file: auth.yaml, roles: [] }\n',
      'f.yaml:1:33 auth.roles: expected either auth.roles or auth.file: users and roles are in one place, so remove one of them',
    ],
    ['auth: { roles: [] }\n', 'f.yaml:1:16 auth.roles: expected auth.users beside it'],
    [
      'auth: { users: }\n',
      'f.yaml:1:16 auth.users: expected at least one; walnut auth init writes a file to begin with',
    ],
    [
      USERS.replace('[replica]', '[reader, nobody]'),
      /^f\.yaml:8:23 auth\.users\[1\]\.roles\[1\]: expected one of reader, .*, app-data$/,
    ],
    [
      USERS.replace('prefixes', 'prefix'),
      'f.yaml:14:19 auth.roles[0].grants[0].prefix: unknown key: expected access, methods, prefixes',
    ],
    [
      user(`tokens: [${HASH}], "a\\n b": 1`),
      'f.yaml:1:17 auth.users[0]."a\\n b": unknown key: expected name, roles, tokens, certificates',
    ],
    [
      user('certificates: ["cn:app"]'),
      'f.yaml:1:61 auth.users[0].certificates: a cn: needs auth.certificate_cn: true; a dns:, uri: or email: does not',
    ],
  ])('are judged as those of auth.file, each mistake with its place: %s', (text, problem) => {
    const expected = typeof problem === 'string' ? problem : expect.stringMatching(problem);
    expect(problemsOf(text)).toContainEqual(expected);
  });

  it('may have a cn: where auth.certificate_cn allows it', () => {
    const text = `${user('certificates: ["cn:app"]').replace(' }\n', ', certificate_cn: true }\n')}`;
    expect(load('master', text).auth.certificateCn).toBe(true);
  });

  it.each([
    [{ sets: [`auth.users=${OTHER_HASH}`] }, '--set auth.users'],
    [{ sets: ['auth.roles='] }, '--set auth.roles'],
    [{ changes: ['auth.users='] }, 'SetConfig auth.users'],
    [{ env: { WALNUT_AUTH__USERS: OTHER_HASH } }, 'WALNUT_AUTH__USERS auth.users'],
  ])('cannot be set beside the file: %j', (more, place) => {
    const key = place.endsWith('roles') ? 'roles' : 'users';
    expect(problemsOf(USERS, more)).toEqual([
      `${place}: only the file sets it: expected ${key} below auth there`,
    ]);
  });

  it.each(KINDS)('are printed without their hashes, of a %s', (kind) => {
    const { config, origins } = loadWithOrigins({ kind, file: 'f.yaml', text: `${USERS}${NEEDED[kind]}` });
    for (const printed of [printConfig(config), printConfig(config, origins)]) {
      expect(printed).toContain('name: app\n');
      expect(printed).toContain('dns:node-2.example');
      expect(printed).toMatch(/tokens:\n +- hidden\n/);
      expect(printed).not.toMatch(/sha256|abab/);
    }
  });
});

describe.skipIf(process.platform === 'win32')('a configuration file with users', () => {
  const LOOSE = 'a file with users is a secret: other users may read or change it';

  it.each([
    [0o600, USERS, undefined],
    [0o644, USERS, `:3:3 auth.users: ${LOOSE} (mode 0644): type chmod 600`],
    [0o644, 'auth: { users: }\n', `:1:9 auth.users: ${LOOSE}`],
    [0o604, USERS, '(mode 0604)'],
    [0o620, USERS, '(mode 0620)'],
    [0o644, 'auth: { mode: required, file: auth.yaml }\n', undefined],
    [0o644, 'auth: [users]\n', undefined],
    [0o644, 'auth: { users: [\n', undefined],
  ])('is read with the permissions of auth.file only: %o, %j', async (mode, text, problem) => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-config-'));
    const path = join(directory, 'f.yaml');
    await writeFile(path, text);
    await chmod(path, mode);
    const reading = readConfigFile(createNodeFileSystem(), path);
    if (problem === undefined) expect(await reading).toBe(text);
    else await expect(reading).rejects.toThrow(problem);
    await rm(directory, { recursive: true });
  });

  it('that belongs to another user is refused', async () => {
    const stat = { isDirectory: false, isRegular: true, sizeBytes: USERS.length, mode: 0o600, ownerId: 7 };
    const handle = {
      stat: async () => stat,
      read: async (bytes: Uint8Array) => new TextEncoder().encodeInto(USERS, bytes).written,
      close: async () => {},
    };
    const files = { open: async () => handle } as unknown as Parameters<typeof readConfigFile>[0];
    await expect(readConfigFile(files, 'f.yaml', 8)).rejects.toThrow('belongs to the user with the id 7');
    expect(await readConfigFile(files, 'f.yaml', 7)).toBe(USERS);
  });
});
