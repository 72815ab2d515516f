/** A file system that counts which files are open, on top of another one. */
import type { File, FileSystem } from '#platform/file-system.ts';

export interface CountingFileSystem extends FileSystem {
  /** Of paths that contain `text`: how often they are open now. */
  openFiles(text: string): number;
}

export function countingFileSystem(inner: FileSystem): CountingFileSystem {
  const open = new Map<File, string>();
  const counted = new Proxy(inner, {
    get: (target, name) => {
      if (name === 'openFiles') {
        return (text: string) => [...open.values()].filter((path) => path.includes(text)).length;
      }
      if (name === 'open') {
        return async (...call: Parameters<FileSystem['open']>) => {
          const file = await target.open(...call);
          open.set(file, call[0]);
          const close = file.close.bind(file);
          file.close = () => {
            open.delete(file);
            return close();
          };
          return file;
        };
      }
      const value = target[name as keyof FileSystem];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return counted as CountingFileSystem;
}
