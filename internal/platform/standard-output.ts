/**
 * Standard output that reports every failure. Node's own stream takes a short write to
 * a file, as on a full disk, for a complete one.
 */
import { fstatSync, writeSync } from 'node:fs';

const STDOUT = 1;

export type WriteOut = (chunk: string | Uint8Array) => Promise<void>;

/**
 * Returns a function that writes all of a chunk, or rejects with the system's error. If
 * the reader has gone away (`| head`), the process exits with code 0, because that is
 * no failure and nobody reads the rest.
 */
export function createWriteOut(): WriteOut {
  return isStream(STDOUT) ? createStreamWriter() : writeToFile;
}

function isStream(descriptor: number): boolean {
  const stat = fstatSync(descriptor);
  return stat.isFIFO() || stat.isSocket() || process.stdout.isTTY === true;
}

function createStreamWriter(): WriteOut {
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') process.exit(0);
  };
  process.stdout.on('error', onError);
  return (chunk) =>
    new Promise((resolve, reject) => {
      process.stdout.write(chunk, (error) => {
        if (error == null) return resolve();
        onError(error);
        reject(error);
      });
    });
}

async function writeToFile(chunk: string | Uint8Array): Promise<void> {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
  for (let at = 0; at < bytes.length; ) at += writeSync(STDOUT, bytes, at);
}
