/**
 * Standard output that is told the truth about: Node's own stream takes a short
 * write of a file, which a full disk makes, for a whole one.
 */
import { fstatSync, writeSync } from 'node:fs';

const STDOUT = 1;

export type WriteOut = (chunk: string | Uint8Array) => Promise<void>;

/**
 * A function that writes all of a chunk and rejects with the system's error
 * where that fails. A reader that has gone away (`| head`) ends the process
 * with exit code 0: that is no failure, and nothing is left to say.
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
