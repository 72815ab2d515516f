/**
 * Files and names of the memory file system: what the process sees of them,
 * what the disk has for sure, and what a power cut makes of the difference.
 */
import type { FileStat } from '#platform/file-system.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';

export interface Inode {
  readonly kind: 'file' | 'directory';
  /** What the process sees; its first `size` bytes. */
  data: Buffer;
  size: number;
  /** What the disk has for sure. */
  durable: Buffer;
  /** The range changed since the last sync was issued, or from > to. */
  dirtyFrom: number;
  dirtyTo: number;
  /** Counts changes: the memory file system has no clock. */
  modifiedMs: number;
}

/** A change of names that becomes durable when one of its directories is synced. */
export interface NameChange {
  readonly directories: readonly string[];
  readonly changes: readonly (readonly [path: string, inode: Inode | undefined])[];
}

export type Names = Map<string, Inode>;

/** An error as Node's file system throws it. */
export function systemError(code: string, call: string, path: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: injected or simulated, ${call} '${path}'`);
  error.code = code;
  error.syscall = call;
  error.path = path;
  return error;
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

export function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}

export function createInode(kind: Inode['kind'], bytes?: Uint8Array): Inode {
  const data = bytes === undefined ? Buffer.alloc(0) : Buffer.from(bytes);
  const durable = Buffer.from(data);
  return { kind, data, size: data.length, durable, dirtyFrom: Infinity, dirtyTo: 0, modifiedMs: 0 };
}

export function contentOf(inode: Inode): Buffer {
  return inode.data.subarray(0, inode.size);
}

export function applyChange(names: Names, change: NameChange): void {
  for (const [path, inode] of change.changes) {
    if (inode === undefined) names.delete(path);
    else names.set(path, inode);
  }
}

/** The durable bytes with each unsynced page, and the unsynced length, there or not. */
export function survivingBytes(inode: Inode, pageBytes: number, random: SeededRandom): Buffer {
  const mode = random.below(4);
  const volatile = contentOf(inode);
  if (mode === 0) return Buffer.from(inode.durable);
  if (mode === 1) return Buffer.from(volatile);
  const keepsSize = mode === 2 || random.chance(0.5);
  const low = Math.min(inode.durable.length, volatile.length);
  const high = Math.max(inode.durable.length, volatile.length);
  const size = keepsSize ? volatile.length : random.between(low, high);
  const bytes = Buffer.alloc(size);
  inode.durable.copy(bytes, 0, 0, Math.min(size, inode.durable.length));
  for (let page = 0; page < size; page += pageBytes) {
    const end = Math.min(page + pageBytes, size);
    if (random.chance(0.5) && page < volatile.length)
      volatile.copy(bytes, page, page, Math.min(end, volatile.length));
  }
  return bytes;
}

/** Writes as the process sees it. */
export function putBytes(inode: Inode, bytes: Buffer, position: number): void {
  const end = position + bytes.length;
  reserve(inode, end);
  if (end > inode.size) inode.size = end;
  bytes.copy(inode.data, position);
  touch(inode, position, end);
}

/** Truncates or extends with zeros. */
export function resize(inode: Inode, sizeBytes: number): void {
  const before = inode.size;
  reserve(inode, sizeBytes);
  inode.data.fill(0, Math.min(sizeBytes, before), Math.max(sizeBytes, before));
  inode.size = sizeBytes;
  touch(inode, Math.min(sizeBytes, before), Math.max(sizeBytes, before));
}

function touch(inode: Inode, from: number, to: number): void {
  inode.dirtyFrom = Math.min(inode.dirtyFrom, from);
  inode.dirtyTo = Math.max(inode.dirtyTo, to);
  inode.modifiedMs++;
}

function reserve(inode: Inode, sizeBytes: number): void {
  if (sizeBytes <= inode.data.length) return;
  const grown = Buffer.alloc(Math.max(sizeBytes, inode.data.length * 2, 256));
  inode.data.copy(grown, 0, 0, inode.size);
  inode.data = grown;
}

export function statOf(inode: Inode): FileStat {
  return {
    sizeBytes: inode.size,
    isDirectory: inode.kind === 'directory',
    isRegular: inode.kind !== 'directory',
    modifiedMs: inode.modifiedMs,
    mode: 0o600,
    ownerId: 0,
  };
}
