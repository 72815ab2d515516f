/**
 * Which resource a failed system call lacked, if the lack can pass by itself. Nothing
 * is broken then, so the work is refused and tried again. Every other error of a disk
 * is a failure. Pure.
 *
 * | errno | short of | cause |
 * |---|---|---|
 * | ENOSPC, EDQUOT, EFBIG | space | the disk (of bytes or of inodes), a quota or the file size limit is full |
 * | EMFILE, ENFILE | files | no descriptor, of this process or of the system |
 * | ENOMEM, ENOBUFS, EAGAIN, EINTR | memory | the kernel could not do it at the moment |
 */
export type Shortage = 'space' | 'files' | 'memory';

const SHORTAGES: ReadonlyMap<string, Shortage> = new Map([
  ['ENOSPC', 'space'],
  ['EDQUOT', 'space'],
  ['EFBIG', 'space'],
  ['EMFILE', 'files'],
  ['ENFILE', 'files'],
  ['ENOMEM', 'memory'],
  ['ENOBUFS', 'memory'],
  ['EAGAIN', 'memory'],
  ['EINTR', 'memory'],
]);

/** The resource that was short; undefined if the error is not a shortage. */
export function shortageOf(error: unknown): Shortage | undefined {
  return SHORTAGES.get((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** Describes a shortage to an operator. */
export function describeShortage(shortage: Shortage): string {
  switch (shortage) {
    case 'space':
      return 'the disk under wal.directory is full, of bytes (df -h) or of files (df -i)';
    case 'files':
      return 'no file descriptor is left (raise ulimit -n, or the system’s fs.file-max)';
    case 'memory':
      return 'the system is short of memory';
  }
}
