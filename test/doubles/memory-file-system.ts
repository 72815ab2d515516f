/**
 * A file system in memory that breaks every promise `FileSystem` does not make.
 *
 * It keeps two states. The *volatile* one is what the running process sees; the
 * *durable* one is what a power cut leaves: bytes count only once a sync that
 * was issued after their write has returned, names only once their directory
 * was synced. `crash(seed)` yields a disk somewhere between the two, page by
 * page and name by name. Faults (short writes, ENOSPC at a byte budget, errors
 * and crashes at the n-th call) are switched on by the test.
 *
 * Once crashed, every call throws an error with code `ECRASHED` and has no effect.
 */
import type {
  DirectoryLock,
  File,
  FileStat,
  FileSystem,
  OpenedDirectory,
  OpenMode,
} from '#platform/file-system.ts';
import { type AnyCall, type FaultRule, isMutating, MemoryFaults } from '#test/doubles/memory-faults.ts';
import {
  applyChange,
  contentOf,
  createInode,
  type Inode,
  type NameChange,
  type Names,
  normalize,
  parentOf,
  putBytes,
  resize,
  statOf,
  survivingBytes,
  systemError,
} from '#test/doubles/memory-inode.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';

export interface MemoryFileSystemOptions {
  /** The seed of every random choice made here. */
  readonly seed?: number;
  /** The grain in which unsynced bytes survive a crash. */
  readonly pageBytes?: number;
  /** Every write of more than one byte is cut short at a random point. */
  readonly hasShortWrites?: boolean;
  /** What is written reaches the disk by itself, at once; truncating does not. */
  readonly isEager?: boolean;
  /** Bytes that all files together may take; writes beyond are short, then ENOSPC. */
  readonly bytesMax?: number;
}

export class MemoryFileSystem implements FileSystem {
  /** Mutating calls begun so far. */
  callCount = 0;
  /** How often each call was begun; a `writeNow` is a `write`, too. */
  readonly counts = new Map<AnyCall | 'writeNow', number>();
  /** At this mutating call (1 = the first from construction) the power goes, in the middle of it. */
  crashAtCall = Infinity;
  bytesMax: number;
  hasShortWrites: boolean;
  isCrashed = false;

  readonly #pageBytes: number;
  readonly #isEager: boolean;
  readonly #random: SeededRandom;
  #names: Names = new Map([['/', createInode('directory')]]);
  #durableNames: Names = new Map(this.#names);
  #pending: NameChange[] = [];
  readonly #faults = new MemoryFaults();
  readonly #locks = new Set<string>();
  #heldSyncs: (() => void)[] | undefined;
  #holdsPath = /./;

  constructor(options: MemoryFileSystemOptions = {}) {
    this.#pageBytes = options.pageBytes ?? 4096;
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#isEager = options.isEager ?? false;
    this.hasShortWrites = options.hasShortWrites ?? false;
    this.bytesMax = options.bytesMax ?? Infinity;
  }

  // ---- faults, and a look behind the scenes ------------------------------------------------

  /** Makes matching calls fail with `rule.code`; a failed sync drops its dirty pages for good, as Linux does. */
  fail(rule: FaultRule): void {
    this.#faults.add(rule);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** From now on syncs of files with such paths wait, already issued, until `releaseSyncs`. */
  holdSyncs(path = /./): void {
    this.#heldSyncs ??= [];
    this.#holdsPath = path;
  }

  /** How many syncs of files are waiting. */
  get heldSyncCount(): number {
    return this.#heldSyncs?.length ?? 0;
  }

  /** Lets the waiting syncs finish, in the order they were issued. */
  releaseSyncs(): void {
    const held = this.#heldSyncs ?? [];
    this.#heldSyncs = undefined;
    for (const release of held) release();
  }

  /** Bytes of all files as the process sees them. */
  get usedBytes(): number {
    let used = 0;
    for (const inode of new Set(this.#names.values())) used += inode.size;
    return used;
  }

  /** Paths of all files as the process sees them, sorted. */
  paths(under = '/'): string[] {
    const prefix = normalize(under) === '/' ? '/' : `${normalize(under)}/`;
    const found: string[] = [];
    for (const [path, inode] of this.#names) {
      if (inode.kind === 'file' && path.startsWith(prefix)) found.push(path);
    }
    return found.sort();
  }

  /** A copy of a file as the process sees it. */
  content(path: string): Buffer {
    return Buffer.from(contentOf(this.#file(path, 'content')));
  }

  /** Puts a file in place, durable at once, with its directories. */
  put(path: string, bytes: Uint8Array): void {
    const at = normalize(path);
    this.#settle();
    for (let dir = parentOf(at); dir !== '/'; dir = parentOf(dir)) {
      if (!this.#names.has(dir)) this.#setDurable(dir, createInode('directory'));
    }
    this.#setDurable(at, createInode('file', bytes));
  }

  /** True where the file has bytes, a length or a name that a power cut may take. */
  isDirty(path: string): boolean {
    const at = normalize(path);
    const inode = this.#file(at, 'isDirty');
    if (this.#durableNames.get(at) !== inode) return true;
    return !contentOf(inode).equals(inode.durable);
  }

  /**
   * The power goes. Returns the disk as the next process finds it: every page and
   * length not synced, and every change of names whose directory was not, is
   * there or not by `seed`; locks are free; no faults are set.
   */
  crash(seed = 1): MemoryFileSystem {
    this.isCrashed = true;
    const random = new SeededRandom(seed);
    const survivors = this.#survivingNames(random);
    const after = new MemoryFileSystem({ seed, pageBytes: this.#pageBytes });
    const copies = new Map<Inode, Inode>();
    for (const [path, inode] of survivors) {
      let copy = copies.get(inode);
      if (copy === undefined) {
        copy = createInode(
          inode.kind,
          inode.kind === 'file' ? survivingBytes(inode, this.#pageBytes, random) : undefined,
        );
        copies.set(inode, copy);
      }
      after.#setDurable(path, copy);
    }
    return after;
  }

  /** The process dies but the machine lives: every write is there, locks are free, nothing more is durable. */
  kill(): MemoryFileSystem {
    this.isCrashed = true;
    const after = new MemoryFileSystem({ pageBytes: this.#pageBytes });
    after.#names = this.#names;
    after.#durableNames = this.#durableNames;
    after.#pending = this.#pending;
    return after;
  }

  // ---- FileSystem ----------------------------------------------------------------------------

  async open(path: string, mode: OpenMode): Promise<File> {
    const at = normalize(path);
    const creates = mode === 'create' || (mode === 'replace' && !this.#names.has(at));
    await this.#begin(creates ? 'create' : 'open', at);
    const found = this.#names.get(at);
    if (found?.kind === 'directory') throw systemError('EISDIR', 'open', at);
    if (mode === 'create' && found !== undefined) throw systemError('EEXIST', 'open', at);
    if (!creates && found === undefined) throw systemError('ENOENT', 'open', at);
    if (creates) {
      this.#directory(parentOf(at), 'open');
      const inode = createInode('file');
      this.#change([[at, inode]]);
      return this.#handle(inode, at, true);
    }
    const inode = this.#file(at, 'open');
    if (mode === 'replace') resize(inode, 0);
    return this.#handle(inode, at, mode !== 'read');
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const at = normalize(path);
    await this.#begin('stat', at);
    const inode = this.#names.get(at);
    return inode === undefined ? undefined : statOf(inode);
  }

  async readDirectory(path: string): Promise<string[]> {
    const at = normalize(path);
    await this.#begin('readDirectory', at);
    this.#directory(at, 'readDirectory');
    const names: string[] = [];
    for (const entry of this.#names.keys()) {
      if (entry !== '/' && parentOf(entry) === at) names.push(entry.slice(at === '/' ? 1 : at.length + 1));
    }
    return names;
  }

  async makeDirectory(path: string): Promise<void> {
    const at = normalize(path);
    await this.#begin('makeDirectory', at);
    const missing: string[] = [];
    for (let dir = at; !this.#names.has(dir); dir = parentOf(dir)) missing.unshift(dir);
    if (missing.length === 0) this.#directory(at, 'mkdir');
    for (const dir of missing) {
      this.#directory(parentOf(dir), 'mkdir');
      // Durable at once, because the production file system syncs the parents itself.
      this.#setDurable(dir, createInode('directory'));
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const source = normalize(from);
    const target = normalize(to);
    await this.#begin('rename', source);
    const inode = this.#names.get(source);
    if (inode === undefined) throw systemError('ENOENT', 'rename', source);
    if (inode.kind === 'directory') throw systemError('EPERM', 'rename', source);
    this.#directory(parentOf(target), 'rename');
    if (this.#names.get(target)?.kind === 'directory') throw systemError('EISDIR', 'rename', target);
    if (source !== target)
      this.#change([
        [source, undefined],
        [target, inode],
      ]);
  }

  async remove(path: string): Promise<void> {
    const at = normalize(path);
    await this.#begin('remove', at);
    this.#file(at, 'remove');
    this.#change([[at, undefined]]);
  }

  async removeDirectory(path: string): Promise<void> {
    const at = normalize(path);
    await this.#begin('remove', at);
    this.#directory(at, 'removeDirectory');
    for (const name of this.#names.keys()) {
      if (name !== at && parentOf(name) === at) throw systemError('ENOTEMPTY', 'removeDirectory', at);
    }
    this.#change([[at, undefined]]);
  }

  async openDirectory(path: string): Promise<OpenedDirectory> {
    const at = normalize(path);
    await this.#begin('openDirectory', at);
    this.#directory(at, 'openDirectory');
    let isOpen = true;
    return {
      sync: () => {
        if (!isOpen) throw systemError('EBADF', 'syncDirectory', at);
        return this.#syncNames(at);
      },
      close: async () => {
        isOpen = false;
      },
    };
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = await this.openDirectory(path);
    await directory.sync();
    await directory.close();
  }

  async #syncNames(at: string): Promise<void> {
    await this.#begin('syncDirectory', at);
    this.#directory(at, 'syncDirectory');
    const rest: NameChange[] = [];
    for (const change of this.#pending) {
      if (change.directories.includes(at)) applyChange(this.#durableNames, change);
      else rest.push(change);
    }
    this.#pending = rest;
  }

  async freeBytes(path: string): Promise<number> {
    this.#assertAlive('freeBytes', path);
    return this.bytesMax === Infinity ? 2 ** 40 : Math.max(0, this.bytesMax - this.usedBytes);
  }

  async lock(path: string): Promise<DirectoryLock | undefined> {
    const at = normalize(path);
    await this.#begin('lock', at);
    this.#directory(parentOf(at), 'lock');
    if (this.#locks.has(at)) return undefined;
    this.#locks.add(at);
    if (!this.#names.has(at)) this.#change([[at, createInode('file')]]);
    return {
      release: async () => {
        this.#locks.delete(at);
      },
    };
  }

  // ---- inside --------------------------------------------------------------------------------

  #handle(inode: Inode, path: string, isWritable: boolean): File {
    let isOpen = true;
    const check = (call: AnyCall): void => {
      if (!isOpen) throw systemError('EBADF', call, path);
      if (!isWritable && (call === 'write' || call === 'truncate')) throw systemError('EBADF', call, path);
    };
    const begin = async (call: AnyCall): Promise<void> => {
      check(call);
      await this.#begin(call, path, inode);
    };
    /** The bytes are taken when the call is made, as the kernel would at some moment before it returns. */
    const take = (source: Uint8Array, position: number): Buffer => {
      const bytes = Buffer.from(source);
      if (isOpen && isWritable && this.callCount + 1 >= this.crashAtCall && !this.isCrashed) {
        const survives = Math.floor(this.#random.fraction() * (bytes.length + 1));
        putBytes(inode, bytes.subarray(0, survives), position);
      }
      return bytes;
    };
    return {
      read: async (target, position) => {
        await begin('read');
        const bytes = contentOf(inode).subarray(position, position + target.length);
        target.set(bytes);
        return bytes.length;
      },
      write: async (source, position) => {
        const bytes = take(source, position);
        await begin('write');
        return this.#write(inode, path, bytes, position);
      },
      writeNow: (source, position) => {
        const bytes = take(source, position);
        check('write');
        this.#enter('write', path, inode);
        this.counts.set('writeNow', (this.counts.get('writeNow') ?? 0) + 1);
        return this.#write(inode, path, bytes, position);
      },
      datasync: () => this.#sync(inode, path, begin('datasync')),
      sync: () => this.#sync(inode, path, begin('sync')),
      truncate: async (sizeBytes) => {
        await begin('truncate');
        resize(inode, sizeBytes);
      },
      stat: async () => {
        await begin('stat');
        return statOf(inode);
      },
      close: async () => {
        isOpen = false;
      },
    };
  }

  #write(inode: Inode, path: string, source: Buffer, position: number): number {
    if (source.length === 0) return 0;
    let length = source.length;
    if (this.hasShortWrites && length > 1) length = 1 + Math.floor(this.#random.fraction() * length);
    const growth = position + length - inode.size;
    const room = this.bytesMax - this.usedBytes;
    if (growth > 0 && growth > room) {
      length -= growth - Math.max(0, room);
      if (length <= 0) throw systemError('ENOSPC', 'write', path);
    }
    putBytes(inode, source.subarray(0, length), position);
    if (this.#isEager) inode.durable = Buffer.from(contentOf(inode));
    return length;
  }

  /** What was written before the call becomes durable when it returns; what comes meanwhile does not. */
  async #sync(inode: Inode, path: string, begun: Promise<void>): Promise<void> {
    const from = Math.min(inode.dirtyFrom, inode.size);
    const bytes = Buffer.from(inode.data.subarray(from, Math.min(inode.dirtyTo, inode.size)));
    const size = inode.size;
    inode.dirtyFrom = Infinity;
    inode.dirtyTo = 0;
    await begun;
    const held = this.#heldSyncs;
    if (held !== undefined && this.#holdsPath.test(path))
      await new Promise<void>((resolve) => held.push(resolve));
    this.#assertAlive('datasync', path);
    if (inode.durable.length !== size) {
      const resized = Buffer.alloc(size);
      inode.durable.copy(resized, 0, 0, Math.min(size, inode.durable.length));
      inode.durable = resized;
    }
    bytes.copy(inode.durable, from);
  }

  /** Counts the call, and fails or crashes it where the test said so. */
  async #begin(call: AnyCall, path: string, inode?: Inode): Promise<void> {
    try {
      this.#enter(call, path, inode);
    } catch (error) {
      if (!this.isCrashed) await Promise.resolve();
      throw error;
    }
    await Promise.resolve();
    this.#assertAlive(call, path);
  }

  #enter(call: AnyCall, path: string, inode?: Inode): void {
    this.#assertAlive(call, path);
    this.counts.set(call, (this.counts.get(call) ?? 0) + 1);
    const changesDisk = isMutating(call);
    if (changesDisk) this.callCount++;
    if (this.callCount >= this.crashAtCall && changesDisk) {
      // Half of the syncs that the power interrupts have reached the disk.
      if (inode !== undefined && (call === 'datasync' || call === 'sync') && this.#random.fraction() < 0.5) {
        inode.durable = Buffer.from(contentOf(inode));
      }
      this.isCrashed = true;
      throw systemError('ECRASHED', call, path);
    }
    this.#faults.check(call, path);
  }

  #assertAlive(call: string, path: string): void {
    if (this.isCrashed) throw systemError('ECRASHED', call, path);
  }

  #file(path: string, call: string): Inode {
    const inode = this.#names.get(normalize(path));
    if (inode === undefined) throw systemError('ENOENT', call, path);
    if (inode.kind === 'directory') throw systemError('EISDIR', call, path);
    return inode;
  }

  #directory(path: string, call: string): void {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT', call, path);
    if (inode.kind !== 'directory') throw systemError('ENOTDIR', call, path);
  }

  #change(changes: NameChange['changes']): void {
    const change: NameChange = { directories: changes.map(([path]) => parentOf(path)), changes };
    applyChange(this.#names, change);
    this.#pending.push(change);
  }

  #setDurable(path: string, inode: Inode): void {
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** Makes all pending changes of names durable: a test that puts a file in place has waited long enough. */
  #settle(): void {
    for (const change of this.#pending) applyChange(this.#durableNames, change);
    this.#pending = [];
  }

  /** None, all, a prefix or any subset of the pending changes of names, and nothing below a directory that is gone. */
  #survivingNames(random: SeededRandom): Names {
    const names: Names = new Map(this.#durableNames);
    const mode = Math.floor(random.fraction() * 4);
    const prefixLength = Math.floor(random.fraction() * (this.#pending.length + 1));
    this.#pending.forEach((change, i) => {
      const survives = [false, true, i < prefixLength, random.fraction() < 0.5][mode];
      if (survives === true) applyChange(names, change);
    });
    for (const path of [...names.keys()].sort()) {
      if (path !== '/' && names.get(parentOf(path))?.kind !== 'directory') names.delete(path);
    }
    return names;
  }
}
