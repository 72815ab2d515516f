/**
 * The rows of the request table as snapshots have them, and their digest, which is the
 * sum of the hashes of the same bytes. README.md specifies them. Pure.
 */
import { toLsn } from '#model/position.ts';
import type { KnownOutcome } from '#model/write-id.ts';
import { BlockError } from '#platform/blocks.ts';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { readOutcome, readRequestId, writeOutcome } from '#storage/named-writes.ts';
import { RowReader, RowWriter } from '#storage/row-bytes.ts';

export interface ClientRow {
  readonly kind: 'client';
  readonly clientId: bigint;
  readonly floor: number;
  readonly mark: number;
  readonly lastLsn: number;
}

/** An outcome of a client. */
export interface OutcomeRow {
  readonly kind: 'outcome';
  readonly clientId: bigint;
  readonly sequence: number;
  readonly index: number;
  readonly outcome: KnownOutcome;
}

export interface RequestIdRow {
  readonly kind: 'request';
  readonly requestId: string;
  /** The record with the outcome has it. */
  readonly timestampMs: number;
  readonly outcome: KnownOutcome;
}

export type RequestRow = ClientRow | OutcomeRow | RequestIdRow;

/** Which outcomes may have been forgotten, by the highest LSN of them; 0: none was. */
export interface RequestMarks {
  readonly clients: number;
  readonly requests: number;
}

export const NO_MARKS: RequestMarks = { clients: 0, requests: 0 };

const CLIENT = 1;
const REQUEST = 2;
const OUTCOME = 3;
/** Hashed only: the header of a snapshot has the marks. */
const MARKS = 4;

export function writeRow(into: RowWriter, row: RequestRow): void {
  switch (row.kind) {
    case 'client':
      into.uint8(CLIENT);
      into.bigUint64(row.clientId);
      for (const value of [row.floor, row.mark, row.lastLsn]) into.uint64(value);
      return;
    case 'request':
      into.uint8(REQUEST);
      into.uint64(row.timestampMs);
      into.text(row.requestId);
      break;
    case 'outcome':
      into.uint8(OUTCOME);
      into.bigUint64(row.clientId);
      into.uint64(row.sequence);
      into.uint16(row.index);
  }
  const { position } = row.outcome;
  into.uint64(position.epoch);
  into.uint64(position.lsn);
  writeOutcome(into, row.outcome);
}

/** The rows in `bytes`. Throws `BlockError`. */
export function readRows(bytes: Buffer): RequestRow[] {
  const reader = new RowReader(bytes, 0, bytes.length);
  const rows: RequestRow[] = [];
  while (!reader.isAtEnd) rows.push(readRow(reader));
  return rows;
}

function readRow(reader: RowReader): RequestRow {
  const { at } = reader;
  const kind = reader.uint8();
  if (kind === CLIENT) {
    const clientId = reader.bigUint64();
    return {
      kind: 'client',
      clientId,
      floor: reader.uint64(),
      mark: reader.uint64(),
      lastLsn: reader.uint64(),
    };
  }
  if (kind === REQUEST) {
    const timestampMs = reader.uint64();
    const requestId = readRequestId(reader);
    return { kind: 'request', requestId, timestampMs, outcome: readKnown(reader) };
  }
  if (kind !== OUTCOME) throw new BlockError(at, `unknown kind ${kind} of a row of requests`, true);
  const clientId = reader.bigUint64();
  const sequence = reader.uint64();
  const index = reader.uint16();
  return { kind: 'outcome', clientId, sequence, index, outcome: readKnown(reader) };
}

function readKnown(reader: RowReader): KnownOutcome {
  const epoch = reader.uint64();
  const position = { epoch, lsn: toLsn(reader.uint64()) };
  return { position, ...readOutcome(reader) };
}

/** The sum of the hashes of rows and marks; marks of 0 are not hashed, so that a table without content has the sum 0. */
export class RowDigest {
  readonly #sum = new DigestSum();
  readonly #hasher = new EntryHasher();
  readonly #writer = new RowWriter();

  add(row: RequestRow): void {
    this.#sum.add(this.#hash(row));
  }

  remove(row: RequestRow): void {
    this.#sum.subtract(this.#hash(row));
  }

  replaceMarks(before: RequestMarks, after: RequestMarks): void {
    if (before.clients + before.requests > 0) this.#sum.subtract(this.#hashMarks(before));
    if (after.clients + after.requests > 0) this.#sum.add(this.#hashMarks(after));
  }

  hex(): string {
    return this.#sum.hex();
  }

  addTo(target: Uint32Array, at: number): void {
    this.#sum.addTo(target, at);
  }

  #hash(row: RequestRow): EntryHasher {
    writeRow(this.#writer, row);
    this.#writer.hashWith(this.#hasher);
    return this.#hasher;
  }

  #hashMarks({ clients, requests }: RequestMarks): EntryHasher {
    this.#writer.uint8(MARKS);
    this.#writer.uint64(clients);
    this.#writer.uint64(requests);
    this.#writer.hashWith(this.#hasher);
    return this.#hasher;
  }
}
