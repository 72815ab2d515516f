/** `walnut doctor --config`: what is found before a node runs. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { examineConfig } from '../../cmd/walnut/doctor/check-config.ts';
import type { Machine } from '../../cmd/walnut/doctor/config-machine.ts';
import { runCli } from './memory-io.ts';

const GB = 1_000_000_000;
const FILE = '/walnut.yaml';

/** A machine on which all is well. */
function machine(changes: Partial<Machine> = {}): Machine {
  let nowMs = 0;
  return {
    fileSystem: new MemoryFileSystem({ bytesMax: 100 * GB }),
    memoryLimitBytes: 4 * GB,
    openFilesMax: 65_536,
    wallMs: 0,
    monotonicMs: () => nowMs++,
    whyNotListen: async () => undefined,
    whyNotConnect: async () => undefined,
    ...changes,
  };
}

async function write(fileSystem: Machine['fileSystem'], path: string, text: string): Promise<void> {
  const file = await fileSystem.open(path, 'replace');
  await file.write(Buffer.from(text), 0);
  await file.close();
}

const MASTER = 'wal:\n  directory: /data\n';
const SLAVE = `${MASTER}master:\n  address: m:1\n`;

async function examine(text: string, changes: Partial<Machine> = {}, env = {}) {
  const on = machine(changes);
  await on.fileSystem.makeDirectory('/data');
  await write(on.fileSystem, FILE, text);
  return examineConfig(FILE, undefined, env, on);
}

const bad = (findings: Awaited<ReturnType<typeof examine>>) =>
  findings
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, found }) => `${level}: ${check}: ${found}`);

describe('the checks before a start', () => {
  it('judge all there is of a master where all is well', async () => {
    const found = await examine(MASTER);
    expect(bad(found)).toEqual([]);
    expect(found.map(({ check }) => check)).toEqual([
      'configuration',
      'data directory',
      'disk space',
      'fdatasync',
      'memory',
      'open files',
      'port',
    ]);
    expect(found[0]).toMatchObject({ node: FILE, found: 'valid for walnut-master' });
  });

  it.each<[string, string, Partial<Machine>, string]>([
    [
      'a key that is none',
      `${MASTER}storage:\n  max_entrys: 3\n`,
      {},
      'problem: configuration: /walnut.yaml:4:3 storage.max_entrys: unknown key',
    ],
    [
      'a key that another makes useless',
      `${MASTER}  sync_interval: 5s\n  fsync: never\n`,
      {},
      'warning: keys: /walnut.yaml:3:18 wal.sync_interval: counts for nothing',
    ],
    [
      'a limit of memory',
      `${MASTER}storage:\n  max_memory: 4GB\n`,
      {},
      'warning: memory: this process may use',
    ],
    [
      'few open files',
      MASTER,
      { openFilesMax: 1_024 },
      'warning: open files: 1024, by the limit of this shell',
    ],
    [
      'a port in use',
      MASTER,
      { whyNotListen: async () => 'EADDRINUSE' },
      'warning: port: 127.0.0.1 port 8080 is in use',
    ],
    [
      'an address of another machine',
      MASTER,
      { whyNotListen: async () => 'EADDRNOTAVAIL' },
      'problem: port: 127.0.0.1 port 8080 cannot be used: EADDRNOTAVAIL',
    ],
    [
      'a master that is away',
      SLAVE,
      { whyNotConnect: async () => 'ECONNREFUSED' },
      'warning: master: m:1 takes no connection: ECONNREFUSED',
    ],
    [
      'a disk that is nearly full',
      MASTER,
      { fileSystem: new MemoryFileSystem({ bytesMax: GB }) },
      'warning: disk space: 1',
    ],
  ])('find %s, and nothing else', async (_, text, changes, expected) => {
    const found = bad(await examine(text, changes));
    expect(found).toEqual([expect.stringContaining(expected)]);
  });

  it('find a disk that is slow, by what fsync waits for', async () => {
    const slow = () => {
      let nowMs = 0;
      return { monotonicMs: () => (nowMs += 20) };
    };
    expect(bad(await examine(MASTER, slow()))).toEqual([]);
    expect(bad(await examine(`${MASTER}  fsync: always\n`, slow()))).toEqual([
      'warning: fdatasync: 20 writes in /data: half within 20.00 ms, all within 20.00 ms',
    ]);
  });

  it('take a user by the CN of a certificate only where a start does', async () => {
    const auth = 'auth: { mode: required, file: /users.yaml, certificate_cn: ';
    const users = 'users: [{ name: a, roles: [reader], certificates: ["cn:a"] }]\n';
    for (const [takesCn, expected] of [
      ['true', []],
      ['false', [expect.stringContaining('a cn: needs auth.certificate_cn: true')]],
    ] as const) {
      const fileSystem = new MemoryFileSystem({ bytesMax: 100 * GB });
      await write(fileSystem, '/users.yaml', users);
      expect(bad(await examine(`${MASTER}${auth}${takesCn} }\n`, { fileSystem }))).toEqual(expected);
    }
  });

  it('leave nothing behind, and make no directory', async () => {
    const fileSystem = new MemoryFileSystem();
    await write(fileSystem, FILE, 'wal:\n  directory: /deep/data\n');
    const found = await examineConfig(FILE, undefined, {}, machine({ fileSystem }));
    expect(found.find(({ check }) => check === 'data directory')?.found).toBe(
      '/deep/data is not there yet; the node makes it in /',
    );
    expect(await fileSystem.readDirectory('/')).toEqual(['walnut.yaml']);
  });

  it('take the environment as a start does, and name a variable that it passes over', async () => {
    const found = await examine(MASTER, {}, { WALNUT_SERVER__PORT: '9', WALNUT_SERVER_PORT: '1' });
    expect(found.find(({ check }) => check === 'port')?.found).toBe('127.0.0.1 port 9');
    expect(bad(found)).toEqual([
      expect.stringContaining('warning: environment: WALNUT_SERVER_PORT is ignored'),
    ]);
  });

  it('know the kind of a file by its sections, and take another by name', async () => {
    const kindOf = async (text: string) => (await examine(text))[0]?.found;
    expect(await kindOf(SLAVE)).toBe('valid for walnut-slave');
    expect(await kindOf('coordinator:\n  id: c1\n')).toMatch(/coordinator/);
    const on = machine();
    await write(on.fileSystem, FILE, SLAVE);
    const named = await examineConfig(FILE, 'master', {}, on);
    expect(named[0]?.found).toContain('only walnut-slave takes it');
  });
});

describe('walnut doctor --config', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'walnut-doctor-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('checks a real directory and real files, and exits 1 for a problem', async () => {
    const file = join(directory, 'master.yaml');
    const users = join(directory, 'users.yaml');
    const text = `server:\n  port: 0\nwal:\n  directory: ${directory}/data\nauth:\n  mode: required\n  file: ${users}\n`;
    await writeFile(file, text);
    await writeFile(users, 'users: 3\n', { mode: 0o600 });
    const { code, out, err } = await runCli(['doctor', '--config', file, '--json']);
    expect(code).toBe(1);
    const { findings } = JSON.parse(out);
    expect(findings).toContainEqual(expect.objectContaining({ check: 'users', level: 'problem' }));
    expect(findings).toContainEqual(expect.objectContaining({ check: 'fdatasync', node: file }));
    expect(err).toContain('users');
    expect((await readdir(directory)).sort()).toEqual(['master.yaml', 'users.yaml']);
    await createNodeFileSystem().remove(users);
    expect((await runCli(['doctor', '--config', file])).out).toContain('ENOENT');
  });

  it('refuses --kind without it, and a file that it cannot read is a problem', async () => {
    expect((await runCli(['doctor', '--kind', 'node'])).err).toContain('--kind goes with --config');
    const { code, out } = await runCli(['doctor', '--config', '/dev/null/none']);
    expect([code, out]).toEqual([1, expect.stringContaining('cannot read the configuration')]);
  });
});
