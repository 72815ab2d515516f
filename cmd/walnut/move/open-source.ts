/** Opens what is imported: a file, or stdin. Fails with a CliError that names it. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { CliError, EXIT, inputFailure, isSystemError } from '../cli-error.ts';
import { usageError } from '../command-host.ts';
import { ndjsonItems, rdbItems, type SourceItem } from './source-entries.ts';

export type ImportFormat = 'rdb' | 'ndjson';

export interface ImportSource {
  readonly format: ImportFormat;
  /** True if it can be read again and gives the same. */
  readonly isFile: boolean;
  /** Length of the file; undefined for stdin. */
  readonly bytes: number | undefined;
  /** True if it is worth being read before it is imported: one checksum at its end is for all of it. */
  readonly isReadTwice: boolean;
  /** Reads it from its beginning. `onBytes` is told how much was read. */
  items(onBytes: (bytes: number) => void): AsyncIterable<SourceItem>;
}

const STDIN = '-';
const MAGIC = 'REDIS';

/** `format`: undefined if what it begins with says it. */
export async function openSource(
  path: string,
  format: ImportFormat | undefined,
  stdin: AsyncIterable<Uint8Array>,
): Promise<ImportSource> {
  if (path === STDIN) {
    if (format === 'rdb')
      throw usageError(
        'an RDB file is read twice, which stdin cannot be',
        'Write it to a file, and give its path',
      );
    const items = (onBytes: (bytes: number) => void) => naming('stdin', ndjsonItems(stdin, onBytes));
    return { format: 'ndjson', isFile: false, bytes: undefined, isReadTwice: false, items };
  }
  const { head, bytes } = await lookAt(path);
  const actual = format ?? (head === MAGIC ? 'rdb' : 'ndjson');
  const read = actual === 'rdb' ? rdbItems : ndjsonItems;
  const items = (onBytes: (bytes: number) => void) => naming(path, read(createReadStream(path), onBytes));
  return { format: actual, isFile: true, bytes, isReadTwice: actual === 'rdb', items };
}

async function lookAt(path: string): Promise<{ head: string; bytes: number }> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MAGIC.length), position: 0 });
      const { size } = await file.stat();
      return { head: buffer.toString('latin1', 0, bytesRead), bytes: size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw sourceFailure(path, error);
  }
}

async function* naming(path: string, items: AsyncIterable<SourceItem>): AsyncGenerator<SourceItem> {
  try {
    yield* items;
  } catch (error) {
    throw sourceFailure(path, error);
  }
}

function sourceFailure(path: string, error: unknown): CliError {
  const { message } = error as Error;
  if (isSystemError(error)) return inputFailure(`cannot read ${path}: ${message}`, error);
  return new CliError(
    EXIT.usage,
    `cannot import ${path}: ${message}`,
    'Is the file complete? See: walnut import --help',
    error,
  );
}
