/**
 * Opens a trace file as a stream of operations in bounded memory. Gzip and format are
 * detected by content, never by name: gzip by its magic number, text (CSV) by the absence
 * of control characters, which little-endian numbers below 2^24 always contain.
 *
 * Fails with a CliError that names the file and, for CSV, the line.
 */
import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CliError, EXIT, inputFailure, isSystemError } from '../cli-error.ts';
import { readCsvTrace } from './csv-trace.ts';
import { readInt32Trace } from './int32-trace.ts';
import type { TraceOperation } from './trace-operation.ts';

export type TraceFormat = 'int32' | 'csv';

export interface Trace {
  readonly format: TraceFormat;
  /** Operations in order, in chunks. */
  readonly chunks: AsyncIterable<readonly TraceOperation[]>;
}

const SNIFF_BYTES = 4_096;

/** `format`: undefined if it is to be detected. An empty file is a trace without operations. */
export async function openTrace(path: string, format?: TraceFormat): Promise<Trace> {
  try {
    const file = await peek(createReadStream(path), 2);
    const isGzip = file.head[0] === 0x1f && file.head[1] === 0x8b;
    const content = isGzip
      ? await peek(gunzip(file.bytes), SNIFF_BYTES)
      : await peek(file.bytes, SNIFF_BYTES);
    const actual = format ?? (looksLikeText(content.head) ? 'csv' : 'int32');
    const operations = actual === 'csv' ? readCsvTrace(content.bytes) : readInt32Trace(content.bytes);
    return { format: actual, chunks: namingFile(operations, path) };
  } catch (error) {
    throw traceError(error, path);
  }
}

function gunzip(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  // `pipeline` needs the callback. The reader of the last stream gets the error too.
  return pipeline(Readable.from(bytes, { objectMode: false }), createGunzip(), () => {});
}

/** Reads at least `bytesMin` bytes ahead (fewer only at the end), and returns a stream that still has them. */
async function peek(
  source: AsyncIterable<Uint8Array>,
  bytesMin: number,
): Promise<{ head: Uint8Array; bytes: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const parts: Uint8Array[] = [];
  for (let bytes = 0; bytes < bytesMin; ) {
    const next = await iterator.next();
    if (next.done === true) break;
    parts.push(next.value);
    bytes += next.value.length;
  }
  const head = Buffer.concat(parts);
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, bytes: all() };
}

function looksLikeText(head: Uint8Array): boolean {
  const sample = head.subarray(0, SNIFF_BYTES);
  return sample.every((byte) => byte >= 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}

async function* namingFile<T>(source: AsyncIterable<T>, path: string): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw traceError(error, path);
  }
}

function traceError(error: unknown, path: string): CliError {
  if (error instanceof CliError) return error;
  const { message, code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return inputFailure(
      `no such file: ${path}`,
      error,
      'Give the path of a trace; see: walnut replay --help',
    );
  if (isSystemError(error)) return inputFailure(`cannot read the trace ${path}: ${message}`, error);
  return new CliError(
    EXIT.usage,
    `cannot read the trace ${path}: ${message}`,
    'Is the file complete? See: walnut replay --help',
    error,
  );
}
