/**
 * Reads a CSV trace (RFC 4180 quoting) with the columns time, key, op, size, ttl. Without a
 * header they must come in this order, and later ones may be missing. With a header that
 * names at least `key`, they may come in any order, among other columns.
 *
 * `time` is ignored, because a replay runs as fast as it can. `op` is get, set or delete
 * (empty: get). `size` is the size of the value in bytes (empty: derived from the key).
 * `ttl` is seconds, or a duration such as 500ms (empty or 0: none). Empty lines are
 * skipped. An error names the line and what was expected.
 */

import { checkKey } from '#model/limits.ts';
import { parseDuration } from '#platform/duration.ts';
import { defaultValueBytesOfKey, type TraceOperation } from './trace-operation.ts';

const COLUMNS = ['time', 'key', 'op', 'size', 'ttl'] as const;
type Columns = Readonly<Record<(typeof COLUMNS)[number], number>>;
const IN_ORDER: Columns = { time: 0, key: 1, op: 2, size: 3, ttl: 4 };
const ROW_CHARACTERS_MAX = 64 * 1_024;
const VALUE_BYTES_MAX = 64 * 1_024 * 1_024;

export async function* readCsvTrace(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TraceOperation[]> {
  let columns: Columns | undefined;
  for await (const rows of readRows(bytes)) {
    const operations: TraceOperation[] = [];
    for (const { line, fields } of rows) {
      if (columns === undefined) {
        const header = readHeader(fields);
        columns = header ?? IN_ORDER;
        if (header !== undefined) continue;
      }
      operations.push(toOperation(fields, columns, line));
    }
    if (operations.length > 0) yield operations;
  }
}

interface Row {
  /** The number of its first line, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** A row ends with its line, unless a quoted field is open. */
async function* readRows(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Row[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let line = 1;
  const cut = (isEnd: boolean): Row[] => {
    const rows: Row[] = [];
    let at = 0;
    for (;;) {
      const end = findRowEnd(rest, at);
      if (end < 0 && !(isEnd && at < rest.length)) break;
      const text = rest.slice(at, end < 0 ? rest.length : end);
      if (text.trim() !== '') rows.push({ line, fields: splitRow(text, line) });
      line += 1 + countNewlines(text);
      at = end < 0 ? rest.length : end + 1;
    }
    rest = rest.slice(at);
    if (rest.length > ROW_CHARACTERS_MAX)
      throw lineError(line, `a row of more than ${ROW_CHARACTERS_MAX} characters`);
    return rows;
  };
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    yield cut(false);
  }
  rest += decoder.decode();
  yield cut(true);
}

/** The index of the newline that ends the row from `from` on; -1 if it has not been read yet. */
function findRowEnd(text: string, from: number): number {
  let end = text.indexOf('\n', from);
  let quote = text.indexOf('"', from);
  while (end >= 0 && quote >= 0 && quote < end) {
    const close = text.indexOf('"', quote + 1);
    if (close < 0) return -1;
    if (close > end) end = text.indexOf('\n', close);
    quote = text.indexOf('"', close + 1);
  }
  return end;
}

function countNewlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

function splitRow(row: string, line: number): string[] {
  const text = row.endsWith('\r') ? row.slice(0, -1) : row;
  if (!text.includes('"')) return text.split(',').map((field) => field.trim());
  const fields: string[] = [];
  // A field: quoted (with "" for a quote) or plain, then a comma or the end.
  const field = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  for (let isLast = false; !isLast; ) {
    const match = field.exec(text);
    if (match === null)
      throw lineError(line, 'a quote that does not fit: expected "…" around a whole field, "" for a quote');
    fields.push(match[1] === undefined ? (match[2] ?? '').trim() : match[1].replaceAll('""', '"'));
    isLast = match[3] === '';
  }
  return fields;
}

function readHeader(fields: readonly string[]): Columns | undefined {
  const names = fields.map((field) => field.toLowerCase());
  const isHeader = names.includes('key') && names.every((name) => Number.isNaN(Number.parseFloat(name)));
  if (!isHeader) return undefined;
  const columns = Object.fromEntries(COLUMNS.map((column) => [column, names.indexOf(column)]));
  return columns as Columns;
}

function toOperation(fields: readonly string[], columns: Columns, line: number): TraceOperation {
  const key = fields[columns.key];
  if (key === undefined)
    throw lineError(
      line,
      'no key: expected the columns time, key, op, size, ttl, or a header that names them',
    );
  try {
    checkKey(key);
  } catch (error) {
    throw lineError(line, (error as Error).message);
  }
  return {
    kind: toKind(fields[columns.op] ?? '', line),
    key,
    valueBytes: toValueBytes(fields[columns.size] ?? '', key, line),
    ttlMs: toTtlMs(fields[columns.ttl] ?? '', line),
  };
}

function toKind(op: string, line: number): TraceOperation['kind'] {
  const name = op === '' ? 'get' : op.toLowerCase();
  if (name === 'get' || name === 'set' || name === 'delete') return name;
  throw lineError(line, `op ${JSON.stringify(op.slice(0, 40))}: expected get, set or delete`);
}

function toValueBytes(size: string, key: string, line: number): number {
  if (size === '') return defaultValueBytesOfKey(key);
  const bytes = /^\d{1,10}$/.test(size) ? Number(size) : Number.NaN;
  if (bytes <= VALUE_BYTES_MAX) return bytes;
  throw lineError(
    line,
    `size ${JSON.stringify(size.slice(0, 40))}: expected bytes from 0 to ${VALUE_BYTES_MAX}`,
  );
}

function toTtlMs(ttl: string, line: number): number {
  if (ttl === '') return 0;
  const ms = /^\d{1,12}(\.\d{1,3})?$/.test(ttl) ? Math.round(Number(ttl) * 1_000) : parseDuration(ttl);
  if (ms !== undefined) return ms;
  throw lineError(
    line,
    `ttl ${JSON.stringify(ttl.slice(0, 40))}: expected seconds, or a duration such as 500ms`,
  );
}

function lineError(line: number, message: string): Error {
  return new Error(`line ${line}: ${message}`);
}
