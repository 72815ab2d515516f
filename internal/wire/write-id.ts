/** The fields of a request that name its write. Pure. */
import type { SetRequest } from '#gen/walnut/v1/kv_store_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import type { WriteId, WriteName } from '#model/write-id.ts';
import { checkRequestId, toSafeNumber } from '#wire/numbers.ts';
import { toPosition } from '#wire/position-codec.ts';

export type IdFields = Pick<SetRequest, 'requestId' | 'clientId' | 'sequence' | 'answeredThrough' | 'since'>;

/** Absent: the write has no name. Throws `invalid_argument` for fields that do not go together. */
export function toWriteId(fields: IdFields): { id?: WriteId } {
  const name = fields.clientId === 0n ? toRequestName(fields) : toClientName(fields);
  const { since } = fields;
  if (since === undefined) return name === undefined ? {} : { id: { name } };
  if (name === undefined)
    throw invalidArgument('since is given without a name: expected request_id, or client_id and sequence');
  if (since.lsn === 0n) throw invalidArgument('since has the LSN 0: expected the position of an answer');
  return { id: { name, since: toPosition(since, 'since') } };
}

/** The name of a field that names a write, if one is set. */
export function idFieldOf(fields: Partial<IdFields>): string | undefined {
  if ((fields.requestId ?? '') !== '') return 'request_id';
  if ((fields.clientId ?? 0n) !== 0n) return 'client_id';
  if ((fields.sequence ?? 0n) !== 0n) return 'sequence';
  if ((fields.answeredThrough ?? 0n) !== 0n) return 'answered_through';
  return fields.since === undefined ? undefined : 'since';
}

function toRequestName({ requestId, sequence, answeredThrough }: IdFields): WriteName | undefined {
  if (sequence !== 0n || answeredThrough !== 0n) {
    const given = sequence !== 0n ? 'sequence' : 'answered_through';
    throw invalidArgument(`${given} is given without client_id: expected both, or neither`);
  }
  const text = checkRequestId(requestId);
  return text === undefined ? undefined : { kind: 'request', requestId: text };
}

function toClientName(fields: IdFields): WriteName {
  const { requestId, clientId } = fields;
  if (requestId !== '') throw invalidArgument('request_id and client_id are given: expected one of them');
  const sequence = toSafeNumber(fields.sequence, 'sequence', 1);
  const answeredThrough = toSafeNumber(fields.answeredThrough, 'answered_through');
  if (sequence === 0) throw invalidArgument('sequence is 0: expected at least 1 together with client_id');
  if (answeredThrough >= sequence) {
    throw invalidArgument(
      `answered_through is ${answeredThrough}: expected a number below the sequence ${sequence}`,
    );
  }
  // A name must not depend on which Batch an operation is sent in.
  return { kind: 'client', clientId, sequence, index: 0, answeredThrough };
}
