/**
 * A file system on top of another one that knows what is open, and makes one
 * call fail: the way to find a file that an error path leaves open.
 */
import type { DirectoryLock, File, FileSystem, OpenedDirectory, OpenMode } from '#platform/file-system.ts';
import { systemError } from '#test/doubles/memory-inode.ts';

export class ProbedFileSystem implements FileSystem {
  readonly #inner: FileSystem;
  readonly #open = new Map<object, string>();
  /** Calls begun so far; closing and releasing do not count, because they never fail here. */
  callCount = 0;
  /** The number of the call that fails with `code`; 1 is the first. */
  failAtCall = Number.POSITIVE_INFINITY;
  code = 'EIO';
  /** What failed, once it did. */
  failed = '';

  constructor(inner: FileSystem) {
    this.#inner = inner;
  }

  /** Paths of the files, directories and locks that are open, each as often as it is. */
  get openPaths(): string[] {
    return [...this.#open.values()].sort();
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    this.#count('open', path);
    const file = await this.#inner.open(path, mode);
    const count = (call: string): void => this.#count(call, path);
    const probed: File = {
      read: async (target, position) => {
        count('read');
        return file.read(target, position);
      },
      write: async (source, position) => {
        count('write');
        return file.write(source, position);
      },
      writeNow: (source, position) => {
        count('writeNow');
        return file.writeNow(source, position);
      },
      datasync: async () => {
        count('datasync');
        return file.datasync();
      },
      sync: async () => {
        count('sync');
        return file.sync();
      },
      truncate: async (sizeBytes) => {
        count('truncate');
        return file.truncate(sizeBytes);
      },
      stat: async () => {
        count('fstat');
        return file.stat();
      },
      close: () => {
        this.#open.delete(probed);
        return file.close();
      },
    };
    this.#open.set(probed, path);
    return probed;
  }

  async stat(path: string) {
    this.#count('stat', path);
    return this.#inner.stat(path);
  }

  async readDirectory(path: string): Promise<string[]> {
    this.#count('readDirectory', path);
    return this.#inner.readDirectory(path);
  }

  async makeDirectory(path: string): Promise<void> {
    this.#count('makeDirectory', path);
    return this.#inner.makeDirectory(path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#count('rename', from);
    return this.#inner.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    this.#count('remove', path);
    return this.#inner.remove(path);
  }

  async removeDirectory(path: string): Promise<void> {
    this.#count('removeDirectory', path);
    return this.#inner.removeDirectory(path);
  }

  async openDirectory(path: string): Promise<OpenedDirectory> {
    this.#count('openDirectory', path);
    const directory = await this.#inner.openDirectory(path);
    const probed: OpenedDirectory = {
      sync: async () => {
        this.#count('syncOpenDirectory', path);
        return directory.sync();
      },
      close: () => {
        this.#open.delete(probed);
        return directory.close();
      },
    };
    this.#open.set(probed, path);
    return probed;
  }

  async syncDirectory(path: string): Promise<void> {
    this.#count('syncDirectory', path);
    return this.#inner.syncDirectory(path);
  }

  async freeBytes(path: string): Promise<number> {
    this.#count('freeBytes', path);
    return this.#inner.freeBytes(path);
  }

  async lock(path: string): Promise<DirectoryLock | undefined> {
    this.#count('lock', path);
    const lock = await this.#inner.lock(path);
    if (lock === undefined) return undefined;
    const probed: DirectoryLock = {
      release: () => {
        this.#open.delete(probed);
        return lock.release();
      },
    };
    this.#open.set(probed, path);
    return probed;
  }

  #count(call: string, path: string): void {
    if (++this.callCount !== this.failAtCall) return;
    this.failed = `${call} ${path}`;
    throw systemError(this.code, call, path);
  }
}

/**
 * Runs `scenario` once for each call that it makes, with that call failing with
 * `code`. Returns what each run left open. `disk` returns a fresh disk, the same
 * for each run; `scenario` closes what it opened, also when it throws.
 */
export async function leftOpenByFailures(
  disk: () => FileSystem,
  scenario: (fileSystem: ProbedFileSystem) => Promise<void>,
  code: string,
): Promise<string[]> {
  const whole = new ProbedFileSystem(disk());
  await scenario(whole);
  const found = whole.openPaths.map((path) => `${path} after no failure`);
  for (let call = 1; call <= whole.callCount; call++) {
    const probed = new ProbedFileSystem(disk());
    probed.failAtCall = call;
    probed.code = code;
    await scenario(probed).catch(() => undefined);
    found.push(...probed.openPaths.map((path) => `${path} after call ${call}, ${probed.failed}`));
  }
  return found;
}
