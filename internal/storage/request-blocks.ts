/** The named writes in a snapshot: blocks of rows, and what the header says of them. README.md specifies both. */
import { BlockError } from '#platform/blocks.ts';
import { asBuffer } from '#platform/bytes.ts';
import { AlteredStateError } from '#storage/altered-state.ts';
import {
  NO_MARKS,
  type RequestMarks,
  type RequestRow,
  RowDigest,
  readRows,
  writeRow,
} from '#storage/request-rows.ts';
import type { RequestTable } from '#storage/request-table.ts';
import { RowWriter } from '#storage/row-bytes.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import {
  BLOCK_BYTES_TARGET,
  BLOCK_HEADER_BYTES,
  BLOCK_REQUESTS,
  sealBlock,
} from '#storage/snapshot-codec.ts';
import type { RequestsSummary } from '#storage/snapshot-header.ts';

/** Undefined: the table is as it was before the first named write. */
export function summaryOf(table: RequestTable): RequestsSummary | undefined {
  if (table.isUnused) return undefined;
  return { marks: table.marks, rows: table.count, digest: table.digest() };
}

/**
 * The table as it is now, in whole blocks of about 64 KiB. Throws `AlteredStateError`
 * at the end if memory differs from what was noted.
 */
export function encodeRequestBlocks(table: RequestTable): Generator<Uint8Array, void> {
  return encodeRows(table.rows(), table.marks, table.digest());
}

function* encodeRows(
  rows: readonly RequestRow[],
  marks: RequestMarks,
  digest: string,
): Generator<Uint8Array, void> {
  const writer = new RowWriter();
  const sum = new RowDigest();
  let count = 0;
  for (const row of rows) {
    sum.add(row);
    writeRow(writer, row);
    count++;
    if (writer.length < BLOCK_BYTES_TARGET) continue;
    yield sealed(writer, count);
    count = 0;
  }
  sum.replaceMarks(NO_MARKS, marks);
  if (sum.hex() !== digest)
    throw new AlteredStateError(
      `memory was altered: named writes have the digest ${sum.hex()}, kept was ${digest}`,
    );
  if (count > 0) yield sealed(writer, count);
}

function sealed(writer: RowWriter, rows: number): Uint8Array {
  const content = writer.take();
  const block = Buffer.allocUnsafeSlow(BLOCK_HEADER_BYTES + content.length);
  content.copy(block, BLOCK_HEADER_BYTES);
  sealBlock(block, BLOCK_REQUESTS, rows);
  return block;
}

/** Adds the rows of a block. `offset`: where its payload begins in the file. Throws `SnapshotError`. */
export function restoreRequests(payload: Uint8Array, rows: number, offset: number, into: RequestTable): void {
  try {
    const read = readRows(asBuffer(payload));
    if (read.length !== rows) throw new BlockError(0, `${read.length} rows: its header says ${rows}`);
    for (const row of read) into.restore(row);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new SnapshotError(offset + error.at, error.message, error.isNewer);
  }
}

/** Throws `SnapshotError` unless the table is what the header says. */
export function checkRequests(table: RequestTable, said: RequestsSummary | undefined, offset: number): void {
  const found = summaryOf(table);
  if (found?.rows === said?.rows && found?.digest === said?.digest) return;
  const show = (summary?: RequestsSummary): string =>
    summary === undefined ? 'none' : `${summary.rows} with the digest ${summary.digest}`;
  throw new SnapshotError(offset, `rows of requests: ${show(found)}: expected ${show(said)}`);
}
