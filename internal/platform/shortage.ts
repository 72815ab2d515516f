/**
 * What a failed system call was short of, where that passes by itself: nothing
 * is broken, so the work is refused and tried again. Everything else that a disk
 * answers is a failure. Pure.
 *
 * | errno | short of | where a log meets it |
 * |---|---|---|
 * | ENOSPC, EDQUOT, EFBIG | space | the disk, a quota or the file size limit is full |
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

/** Undefined where the error is no passing shortage. */
export function shortageOf(error: unknown): Shortage | undefined {
  return SHORTAGES.get((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** For whoever waits for it to pass. */
export function describeShortage(shortage: Shortage): string {
  switch (shortage) {
    case 'space':
      return 'the disk under wal.directory is full';
    case 'files':
      return 'no file descriptor is left (raise ulimit -n, or the system’s fs.file-max)';
    case 'memory':
      return 'the system is short of memory';
  }
}
