import { usageError } from './command-host.ts';

/**
 * Reads a stream to its end. Throws a usage error as soon as it has given more than
 * `bytesMax` bytes. `what` begins its message, as in "stdin has more than 1024 bytes, too many for a password".
 */
export async function readAtMost(
  input: AsyncIterable<Uint8Array>,
  bytesMax: number,
  what: string,
  purpose: string,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > bytesMax)
      throw usageError(`${what} has more than ${bytesMax} bytes, too many for ${purpose}`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
