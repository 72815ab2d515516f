/**
 * What writes need of the formats of the log (ADR 14), which a replica of release 0.1.0
 * keeps back. Pure.
 */
import type { AtomicBatchCommand, BatchOperation, SetCommand } from '#model/commands.ts';
import type { WalnutError } from '#model/errors.ts';
import type { WriteId } from '#model/write-id.ts';

/**
 * `wanted`: a request id is logged if it can be; if not, only this master knows it.
 * `required`: a touch, a content type, a client id, or a request id with `since`, which
 * promises more than one master can keep.
 */
export type FormatNeed = 'wanted' | 'required';

/** Undefined: every release reads what the operation logs. */
export function needOf(operation: BatchOperation): FormatNeed | undefined {
  if (operation.kind === 'get') return undefined;
  if (operation.kind === 'touch') return 'required';
  return operation.kind === 'set' ? needOfSet(operation.command) : needOfId(operation.command.id);
}

export function needOfSet({ contentType, id }: SetCommand): FormatNeed | undefined {
  return contentType === undefined ? needOfId(id) : 'required';
}

export function needOfAll({
  operations,
  id,
}: Pick<AtomicBatchCommand, 'operations' | 'id'>): FormatNeed | undefined {
  const needs = [needOfId(id), ...operations.map(needOf)];
  return needs.find((need) => need === 'required') ?? needs.find((need) => need !== undefined);
}

export function needOfId(id: WriteId | undefined): FormatNeed | undefined {
  if (id === undefined) return undefined;
  return id.name.kind === 'client' || id.since !== undefined ? 'required' : 'wanted';
}

/** True if the write can be made although the formats are refused: because of a replica, not of a full disk. */
export function goesWithout(need: FormatNeed | undefined, refusal: WalnutError): boolean {
  return need !== 'required' && refusal.code === 'failed_precondition';
}

/** True if the operation cannot be carried out because of the refusal. */
export function isRefused(operation: BatchOperation, refusal: WalnutError): boolean {
  const need = needOf(operation);
  return need !== undefined && !goesWithout(need, refusal);
}
