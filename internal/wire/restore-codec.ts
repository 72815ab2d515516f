/**
 * Converts Restore between protobuf and the model: its changes are the Sets and Deletes
 * of a Batch, each with its condition. The whole request is checked before anything is
 * written; a wrong one throws `invalid_argument`.
 */
import type {
  RestoreChange,
  RestoreRequest,
  RestoreResponse,
  RestoreResult,
} from '#gen/walnut/v1/admin_pb.ts';
import type { BatchOperation, BatchResult, Condition, WriteOptions } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import { BATCH_OPERATIONS_MAX, checkKey, checkValue } from '#model/limits.ts';
import type { DescribeError } from '#wire/batch-codec.ts';
import { toDurability } from '#wire/durability.ts';
import { requireTrue, toContentType } from '#wire/kv-codec.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toPosition } from '#wire/position-codec.ts';

export interface RestoreLimits {
  readonly valueBytesMax: number;
}

export function toRestoreOperations(request: RestoreRequest, limits: RestoreLimits): BatchOperation[] {
  const count = request.changes.length;
  if (count < 1 || count > BATCH_OPERATIONS_MAX) {
    throw invalidArgument(`restore has ${count} changes: expected 1 to ${BATCH_OPERATIONS_MAX}`);
  }
  const durability = toDurability(request.durability);
  const options: WriteOptions = { returnPrevious: false, durability, minAcks: 0, timeoutMs: 0 };
  return request.changes.map((change) => toOperation(change, options, limits));
}

function toOperation(
  { key, ifVersion, change }: RestoreChange,
  options: WriteOptions,
  limits: RestoreLimits,
): BatchOperation {
  checkKey(key);
  const condition: Condition =
    ifVersion === undefined
      ? { kind: 'absent' }
      : { kind: 'version', version: toPosition(ifVersion, 'if_version') };
  switch (change.case) {
    case 'set': {
      const { value, expireAtMs, contentType } = change.value;
      checkValue(value, limits.valueBytesMax);
      const expiry = { kind: 'logged', expireAtMs: toSafeNumber(expireAtMs, 'set.expire_at_ms') } as const;
      return {
        kind: 'set',
        command: { key, value, expiry, condition, ...options, ...toContentType(contentType) },
      };
    }
    case 'delete':
      requireTrue(change.value, 'delete');
      if (ifVersion === undefined) throw invalidArgument('if_version is unset: expected with delete');
      return { kind: 'delete', command: { key, condition, ...options } };
    case undefined:
      throw invalidArgument('change is empty: expected set or delete');
  }
}

export function fromRestoreResults(
  results: readonly BatchResult[],
  describe: DescribeError,
): RestoreResponse {
  return {
    $typeName: 'walnut.v1.RestoreResponse',
    results: results.map(
      (result): RestoreResult => ({
        $typeName: 'walnut.v1.RestoreResult',
        result: resultOf(result, describe),
      }),
    ),
  };
}

function resultOf(result: BatchResult, describe: DescribeError): RestoreResult['result'] {
  switch (result.kind) {
    case 'error': {
      const { code, message } = describe(result.error);
      const value = { $typeName: 'walnut.v1.RestoreError' as const, code, message };
      return { case: 'error', value };
    }
    case 'get':
      throw new Error('a restore reads nothing');
    default: {
      const { applied, position, current } = result.answer;
      if (applied) return { case: 'applied', value: fromPosition(position) };
      const conflict = { $typeName: 'walnut.v1.RestoreConflict' as const };
      const value =
        current === undefined ? conflict : { ...conflict, currentVersion: fromPosition(current.version) };
      return { case: 'conflict', value };
    }
  }
}
