import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNodeFileSystem } from '#platform/node-file-system.ts';

const isPosix = process.platform !== 'win32';
const files = createNodeFileSystem();
let root: string;

beforeEach(async () => {
  root = await fs.mkdtemp(join(tmpdir(), 'walnut-fs-'));
});
afterEach(() => fs.rm(root, { recursive: true, force: true }));

describe('node file system', () => {
  it('reads and writes by position, short only at the end', async () => {
    const file = await files.open(join(root, 'a'), 'create');
    expect(await file.write(Buffer.from('hello world'), 0)).toBe(11);
    expect(await file.write(Buffer.from('W'), 6)).toBe(1);
    expect(await file.write(new Uint8Array(0), 3)).toBe(0);
    await file.datasync();
    const target = new Uint8Array(8);
    expect(await file.read(target, 6)).toBe(5);
    expect(Buffer.from(target.subarray(0, 5)).toString()).toBe('World');
    expect(await file.read(target, 100)).toBe(0);
    await file.truncate(5);
    await file.sync();
    expect((await file.stat()).sizeBytes).toBe(5);
    await file.close();
  });

  it('writes on the calling thread likewise', async () => {
    const file = await files.open(join(root, 'a'), 'create');
    expect(file.writeNow(Buffer.from('hello world'), 0)).toBe(11);
    expect(file.writeNow(Buffer.from('W'), 6)).toBe(1);
    expect(file.writeNow(new Uint8Array(0), 3)).toBe(0);
    await file.close();
    expect(await fs.readFile(join(root, 'a'), 'utf8')).toBe('hello World');
    const reader = await files.open(join(root, 'a'), 'read');
    expect(() => reader.writeNow(Buffer.from('x'), 0)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    await reader.close();
  });

  it('opens by mode: create refuses a file that is there, the others one that is not', async () => {
    const path = join(root, 'a');
    await expect(files.open(path, 'read')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(files.open(path, 'write')).rejects.toMatchObject({ code: 'ENOENT' });
    const created = await files.open(path, 'create');
    await created.write(Buffer.from('abc'), 0);
    await created.close();
    await expect(files.open(path, 'create')).rejects.toMatchObject({ code: 'EEXIST' });

    const reader = await files.open(path, 'read');
    await expect(reader.write(Buffer.from('x'), 0)).rejects.toMatchObject({ code: 'EBADF' });
    await reader.close();
    const writer = await files.open(path, 'write');
    expect((await writer.stat()).sizeBytes).toBe(3);
    await writer.close();
    const replaced = await files.open(path, 'replace');
    expect((await replaced.stat()).sizeBytes).toBe(0);
    await replaced.close();
  });

  it.runIf(isPosix)('creates files 0600 and directories 0700, parents too', async () => {
    const directory = join(root, 'x', 'y');
    await files.makeDirectory(directory);
    await files.makeDirectory(directory);
    await (await files.open(join(directory, 'a'), 'create')).close();
    await files.syncDirectory(directory);
    const mode = async (path: string): Promise<string> => ((await fs.stat(path)).mode & 0o777).toString(8);
    expect(await mode(join(root, 'x'))).toBe('700');
    expect(await mode(directory)).toBe('700');
    expect(await mode(join(directory, 'a'))).toBe('600');
  });

  it.runIf(process.platform === 'linux')(
    'refuses a directory where none can be made, in bounded time',
    async () => {
      for (const path of ['/proc/walnut', '/proc/walnut/data'])
        await expect(files.makeDirectory(path)).rejects.toMatchObject({
          code: 'ENOENT',
          message: expect.stringContaining('the file system of /proc takes no new directory'),
        });
    },
  );

  it('refuses a directory in place of a file, or below one', async () => {
    await fs.writeFile(join(root, 'a'), '');
    await expect(files.makeDirectory(join(root, 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(files.makeDirectory(join(root, 'a', 'b', 'c'))).rejects.toThrow(/ENOTDIR|ENOENT/);
    await expect(files.makeDirectory('/')).resolves.toBeUndefined();
  });

  it.runIf(isPosix)('syncs a directory that it keeps open, until it is closed', async () => {
    const directory = await files.openDirectory(root);
    await fs.writeFile(join(root, 'a'), '');
    await directory.sync();
    await directory.close();
    await expect(directory.sync()).rejects.toMatchObject({ code: 'EBADF' });
    await expect(files.openDirectory(join(root, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('stats, lists, renames over a file and removes', async () => {
    await fs.writeFile(join(root, 'a'), 'new');
    await fs.writeFile(join(root, 'b'), 'old!');
    expect(await files.stat(join(root, 'none'))).toBeUndefined();
    expect(await files.stat(join(root, 'a', 'below a file'))).toBeUndefined();
    expect(await files.stat(root)).toMatchObject({ isDirectory: true });
    await files.rename(join(root, 'a'), join(root, 'b'));
    expect(await files.readDirectory(root)).toEqual(['b']);
    expect(await files.stat(join(root, 'b'))).toMatchObject({ sizeBytes: 3, isDirectory: false });
    await files.remove(join(root, 'b'));
    expect(await files.readDirectory(root)).toEqual([]);
    expect(await files.freeBytes(root)).toBeGreaterThan(0);
  });
});

describe('lock', () => {
  it('has one owner in a process, and is free after release', async () => {
    const path = join(root, 'LOCK');
    const [one, two] = await Promise.all([files.lock(path), files.lock(path)]);
    const owners = [one, two].filter((lock) => lock !== undefined);
    expect(owners).toHaveLength(1);
    await owners[0]?.release();
    await owners[0]?.release();
    const again = await files.lock(path);
    expect(again).toBeDefined();
    await again?.release();
  });

  it('needs no space on the disk: nothing is beside the empty file while it is held', async () => {
    const path = join(root, 'held', 'LOCK');
    await files.makeDirectory(join(root, 'held'));
    const lock = await files.lock(path);
    expect(await files.readDirectory(join(root, 'held'))).toEqual(['LOCK']);
    expect((await files.stat(path))?.sizeBytes).toBe(0);
    await lock?.release();
  });

  it('refuses a file that is no lock', async () => {
    const path = join(root, 'LOCK');
    await fs.writeFile(path, 'something of somebody else '.repeat(100));
    await expect(files.lock(path)).rejects.toThrow('cannot lock');
    await expect(files.lock(join(root, 'none', 'LOCK'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('keeps other processes out, and a killed owner does not', async () => {
    const path = join(root, 'LOCK');
    const owner = spawnOwner(path);
    expect(await firstLine(owner)).toBe('locked');
    expect(await files.lock(path)).toBeUndefined();
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    const lock = await files.lock(path);
    expect(lock).toBeDefined();

    const second = spawnOwner(path);
    expect(await firstLine(second)).toBe('refused');
    await once(second, 'exit');
    await lock?.release();
  });

  it.runIf(isPosix)(
    'is refused to a process that may only read the file: a shared lock keeps nobody out',
    async () => {
      const path = join(root, 'LOCK');
      await fs.writeFile(path, '');
      await fs.chmod(path, 0o444);
      await fs.chmod(root, 0o777);
      // Root may write everything, so there it is somebody else who tries.
      const reader = spawnOwner(path, 'if (process.getuid() === 0) process.setuid(65534);');
      expect(await firstLine(reader)).toMatch(/cannot lock .*readonly/);
      await once(reader, 'exit');
    },
  );
});

/** A process that takes the lock, says so, and stays until it is killed. */
function spawnOwner(path: string, before = ''): ChildProcess {
  const source = `
    import { createNodeFileSystem } from '#platform/node-file-system.ts';
    ${before}
    const lock = await createNodeFileSystem().lock(${JSON.stringify(path)}).catch((error) => error);
    console.log(lock === undefined ? 'refused' : lock instanceof Error ? lock.message : 'locked');
    if (lock?.release !== undefined) process.stdin.resume();
  `;
  return spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [chunk] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return chunk.toString().trim();
}
