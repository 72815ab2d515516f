/** Cuts a large Batch into parts that are carried out one after the other. Pure. */
import type { BatchOperation } from '#model/commands.ts';
import { RECEIPT_TIMEOUT_MS_DEFAULT } from '#model/limits.ts';

/** Most bytes of one part, unless one value alone is larger. */
export const PART_BYTES_MAX = 2 * 1_024 * 1_024;
/** An entry that is read counts as this many bytes: the size of its value is not known before, and values of more than 16 KiB are not copied. */
const READ_BYTES = 8_192;
/** A write counts as this many bytes more than its value. */
const WRITE_BYTES = 64;

/** The operations in order, cut into parts of at most `PART_BYTES_MAX`. */
export function partsOf(operations: readonly BatchOperation[]): (readonly BatchOperation[])[] {
  const parts: (readonly BatchOperation[])[] = [];
  let from = 0;
  let bytes = 0;
  for (const [i, operation] of operations.entries()) {
    const more = bytesOf(operation);
    if (i > from && bytes + more > PART_BYTES_MAX) {
      parts.push(operations.slice(from, i));
      from = i;
      bytes = 0;
    }
    bytes += more;
  }
  parts.push(from === 0 ? operations : operations.slice(from));
  return parts;
}

function bytesOf({ kind, command }: BatchOperation): number {
  switch (kind) {
    case 'get':
      return READ_BYTES;
    case 'set':
      return WRITE_BYTES + command.value.length + answerBytes(command.returnPrevious);
    case 'delete':
      return WRITE_BYTES + answerBytes(command.returnPrevious);
    case 'increment':
      return WRITE_BYTES;
    case 'touch':
      return WRITE_BYTES + answerBytes(command.returnValue);
  }
}

function answerBytes(hasEntry: boolean): number {
  return hasEntry ? READ_BYTES : 0;
}

/** Waits for durability end when they would have ended in one batch. */
export function withinTime(part: readonly BatchOperation[], elapsedMs: number): readonly BatchOperation[] {
  const ms = Math.floor(elapsedMs);
  if (ms <= 0) return part;
  return part.map((operation): BatchOperation => {
    if (operation.kind === 'get') return operation;
    const timeoutMs = operation.command.timeoutMs || RECEIPT_TIMEOUT_MS_DEFAULT;
    const command = { ...operation.command, timeoutMs: Math.max(1, timeoutMs - ms) };
    return { ...operation, command } as BatchOperation;
  });
}
