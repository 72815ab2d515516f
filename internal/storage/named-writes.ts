/**
 * Block 1 of a DATA record of version 2: the writes of the record that have names, and
 * what each came to. README.md of the engine specifies the bytes. Pure.
 */
import type { NamedWrite, WriteName, WriteOutcome, WriteResult } from '#model/write-id.ts';
import { BlockError } from '#platform/blocks.ts';
import { RowReader, type RowWriter } from '#storage/row-bytes.ts';

const CLIENT = 1;
const REQUEST = 2;
const APPLIED = 1;
const WITH_VALUE = 2;
const UNMET = 4;
const REFUSED = 8;
const FLAGS_MAX = APPLIED | WITH_VALUE | UNMET | REFUSED;

/** Results without a number, by their flags: most outcomes share them. */
const PLAIN_RESULTS: readonly WriteResult[] = Array.from({ length: FLAGS_MAX + 1 }, (_, flags) => ({
  applied: (flags & APPLIED) !== 0,
  isUnmet: (flags & UNMET) !== 0,
  ...((flags & REFUSED) === 0 ? {} : { isRefused: true as const }),
}));
/** The same, each as the only result of a write. */
const PLAIN_ALONE = new Map(PLAIN_RESULTS.map((result) => [result, [result] as const]));

export function writeNamedWrite(into: RowWriter, { name, ...outcome }: NamedWrite): void {
  into.uint8(name.kind === 'client' ? CLIENT : REQUEST);
  into.uint8(0);
  into.uint16(name.kind === 'client' ? name.index : 0);
  writeName(into, name);
  writeOutcome(into, outcome);
}

function writeName(into: RowWriter, name: WriteName): void {
  if (name.kind === 'request') {
    into.text(name.requestId);
    return;
  }
  into.bigUint64(name.clientId);
  into.uint64(name.sequence);
  into.uint64(name.answeredThrough);
}

/** The writes in `bytes[from, to)`, in their order. Throws `BlockError`. */
export function readNamedWrites(bytes: Buffer, from: number, to: number): NamedWrite[] {
  const reader = new RowReader(bytes, from, to);
  const writes: NamedWrite[] = [];
  if (from === to) throw new BlockError(from, 'a block of named writes names none');
  while (!reader.isAtEnd) writes.push(readNamedWrite(reader));
  return writes;
}

function readNamedWrite(reader: RowReader): NamedWrite {
  const { at } = reader;
  const kind = reader.uint8();
  const zero = reader.uint8();
  const index = reader.uint16();
  if (kind !== CLIENT && kind !== REQUEST) throw new BlockError(at, `unknown kind ${kind} of a name`, true);
  if (zero !== 0 || (kind === REQUEST && index !== 0)) throw new BlockError(at, 'a field that is 0 is not 0');
  const name: WriteName =
    kind === REQUEST ? { kind: 'request', requestId: readRequestId(reader) } : readClientName(reader, index);
  return { name, ...readOutcome(reader) };
}

export function readRequestId(reader: RowReader): string {
  const { at } = reader;
  const requestId = reader.text();
  if (requestId === '') throw new BlockError(at, 'a request id is empty');
  return requestId;
}

function readClientName(reader: RowReader, index: number): WriteName {
  const { at } = reader;
  const clientId = reader.bigUint64();
  const sequence = reader.uint64();
  const answeredThrough = reader.uint64();
  if (clientId === 0n || sequence <= answeredThrough)
    throw new BlockError(at, `client id ${clientId}, sequence ${sequence} after ${answeredThrough}`);
  return { kind: 'client', clientId, sequence, index, answeredThrough };
}

export function writeOutcome(into: RowWriter, { checksum, results }: WriteOutcome): void {
  into.uint32(checksum);
  into.uint16(results.length);
  for (const result of results) {
    into.uint8(flagsOf(result));
    if (result.value !== undefined) into.bigInt64(result.value);
  }
}

function flagsOf({ applied, isUnmet, isRefused, value }: WriteResult): number {
  const what = (applied ? APPLIED : 0) | (isUnmet ? UNMET : 0) | (isRefused === true ? REFUSED : 0);
  return value === undefined ? what : what | WITH_VALUE;
}

export function readOutcome(reader: RowReader): WriteOutcome {
  const checksum = reader.uint32();
  const { at } = reader;
  const count = reader.uint16();
  if (count === 0) throw new BlockError(at, 'a write without a result');
  const first = readResult(reader);
  if (count === 1) return { checksum, results: PLAIN_ALONE.get(first) ?? [first] };
  const results = [first];
  while (results.length < count) results.push(readResult(reader));
  return { checksum, results };
}

function readResult(reader: RowReader): WriteResult {
  const { at } = reader;
  const flags = reader.uint8();
  if (flags > FLAGS_MAX) throw new BlockError(at, `unknown flags ${flags} of a result`, true);
  const plain = PLAIN_RESULTS[flags & ~WITH_VALUE] as WriteResult;
  return (flags & WITH_VALUE) === 0 ? plain : { ...plain, value: reader.bigInt64() };
}
