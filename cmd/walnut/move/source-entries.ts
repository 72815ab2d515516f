/** The entries of a file that is imported, whatever its format, and what of it cannot be moved. */
import { KEY_BYTES_MAX, quoteKey } from '#model/limits.ts';
import { type MovedEntry, parseLine } from './moved-entry.ts';
import { rdbKeys, VALUE_BYTES_MAX } from './rdb-file.ts';
import type { RdbKey } from './rdb-keys.ts';

/** What stands in a file at one place: an entry, or the reason why there is none. */
export type SourceItem =
  | { readonly entry: MovedEntry; readonly database: number }
  | { readonly why: string; readonly shown: string; readonly database: number };

const LINE_BYTES_MAX = 2 * VALUE_BYTES_MAX;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NEWLINE = 0x0a;

type Chunks = AsyncIterable<Uint8Array>;
type OnBytes = (bytes: number) => void;

/** `redis`: what is no string is named by its type. Throws where the file is damaged. */
export async function* rdbItems(chunks: Chunks, onBytes: OnBytes): AsyncGenerator<SourceItem> {
  for await (const key of rdbKeys(chunks, onBytes)) yield itemOf(key);
}

function itemOf({ database, key, expireAtMs, type, value }: RdbKey): SourceItem {
  const text = textOf(key);
  const shown = text === undefined ? `0x${key.subarray(0, 32).toString('hex')}` : quoteKey(text);
  const left = (why: string): SourceItem => ({ why, shown, database });
  if (type !== 'string') return left(type);
  if (value === undefined) return left(`value of more than ${VALUE_BYTES_MAX} bytes`);
  if (text === undefined || key.length === 0 || key.length > KEY_BYTES_MAX)
    return left(`key that is not 1 to ${KEY_BYTES_MAX} bytes of UTF-8`);
  return { entry: { key: text, value, expireAtMs, contentType: '' }, database };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** One entry a line; empty lines are none. Throws with the number of a line that is wrong. */
export async function* ndjsonItems(chunks: Chunks, onBytes: OnBytes): AsyncGenerator<SourceItem> {
  let number = 0;
  for await (const line of linesOf(chunks, onBytes)) {
    number++;
    const text = textOf(line)?.trim();
    if (text === '') continue;
    try {
      if (text === undefined) throw new Error('it is no UTF-8');
      yield { entry: parseLine(text), database: 0 };
    } catch (error) {
      throw new Error(`line ${number}: ${(error as Error).message}`);
    }
  }
}

async function* linesOf(chunks: Chunks, onBytes: OnBytes): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, end)]);
      [rest, bytes, from] = [[], 0, end + 1];
    }
    rest.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > LINE_BYTES_MAX) throw new Error(`a line has more than ${LINE_BYTES_MAX} bytes`);
  }
  if (bytes > 0) yield Buffer.concat(rest);
}
