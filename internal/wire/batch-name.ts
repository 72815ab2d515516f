/** The name of a Batch that is not atomic, in the form of messages; `kv-reader.ts` reads it from bytes. Pure. */
import { create, toBinary } from '@bufbuild/protobuf';
import { type BatchRequest, BatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, WriteOperation } from '#model/commands.ts';
import { invalidArgument, ofOperation, WalnutError } from '#model/errors.ts';
import { ATOMIC_BYTES_MAX } from '#model/limits.ts';
import type { BatchId } from '#model/write-id.ts';
import { crc32 } from '#platform/crc32.ts';
import type { ParsedBatch } from '#wire/batch-codec.ts';
import { toWriteId } from '#wire/write-id.ts';

export interface NamedWrites {
  readonly id: BatchId;
  readonly writes: readonly WriteOperation[];
}

/** Undefined: the Batch has no name. Throws `invalid_argument` unless every operation is valid and a write without a name of its own. */
export function toNamedWrites(request: BatchRequest, { slots }: ParsedBatch): NamedWrites | undefined {
  const { id } = toWriteId(request);
  if (id === undefined) return undefined;
  const writes = slots.map((slot, i) => {
    if (slot instanceof WalnutError) throw ofOperation(i, slot);
    return toWrite(slot, i);
  });
  return { id: { ...id, checksum: checksumOf(request) }, writes };
}

function toWrite(operation: BatchOperation, index: number): WriteOperation {
  const where = `operations[${index}]`;
  if (operation.kind === 'get')
    throw invalidArgument(
      `${where} is a get: expected writes only in a batch that has a name and is not atomic`,
    );
  if (operation.command.id !== undefined)
    throw invalidArgument(`${where} has a name, and so has the batch: expected one of them`);
  return operation;
}

/** The CRC-32 of the operations as protobuf encodes them. Throws where they are too many bytes for one record. */
function checksumOf({ operations }: BatchRequest): number {
  const alone = create(BatchRequestSchema, { operations });
  const bytes = toBinary(BatchRequestSchema, alone, { writeUnknownFields: false });
  if (bytes.length > ATOMIC_BYTES_MAX)
    throw invalidArgument(
      `a batch with a name has ${bytes.length} bytes: expected at most ${ATOMIC_BYTES_MAX}, or a name for each operation`,
    );
  return crc32(bytes);
}
