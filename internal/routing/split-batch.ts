/** Divides the operations of a Batch among those who carry them out, and puts results together again. Pure. */
import { slotOfKey } from '#cluster/slot-hash.ts';
import type { BatchOperation, ReceiptOptions } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import { RECEIPT_TIMEOUT_MS_DEFAULT } from '#model/limits.ts';
import type { WriteId } from '#model/write-id.ts';

/** Operations for one owner, with their places in the Batch. */
export interface Part<O> {
  readonly owner: O;
  readonly places: readonly number[];
}

/** One part for each owner, each with its operations in order. */
export function divide<O>(
  operations: readonly BatchOperation[],
  places: readonly number[],
  ownerOf: (key: string) => O,
): Part<O>[] {
  const parts = new Map<O, number[]>();
  for (const place of places) {
    const owner = ownerOf((operations[place] as BatchOperation).command.key);
    const part = parts.get(owner);
    if (part === undefined) parts.set(owner, [place]);
    else part.push(place);
  }
  return [...parts].map(([owner, its]) => ({ owner, places: its }));
}

/** The first key. Throws `invalid_argument` unless there is one, and all keys are of its slot. `what`: has to be of one slot. */
export function checkOneSlot(operations: readonly BatchOperation[], what: string): string {
  const [first, ...others] = operations;
  if (first === undefined) throw invalidArgument('the batch has no operations');
  const { key } = first.command;
  const slot = slotOfKey(key);
  const slots = others.map(({ command }) => slotOfKey(command.key));
  const other = slots.findIndex((each) => each !== slot);
  if (other < 0) return key;
  throw invalidArgument(
    `operations[${other + 1}]: its key is of slot ${slots[other]}, and that of operations[0] of slot ${slot}: ${what} is of one slot, which keys share that have the same {tag}`,
  );
}

/** True if the operation writes and its caller did not name it. */
export function needsName({ kind, command }: BatchOperation): boolean {
  return kind !== 'get' && command.id === undefined;
}

/** The operations, with these ids for those that need one. */
export function withNames(
  operations: readonly BatchOperation[],
  ids: readonly WriteId[],
): readonly BatchOperation[] {
  let next = 0;
  return operations.map((operation) =>
    needsName(operation)
      ? ({ ...operation, command: { ...operation.command, id: ids[next++] } } as BatchOperation)
      : operation,
  );
}

/** What an operation takes in memory besides its key and value: its command, its name, its message. */
export const OPERATION_BYTES = 1_024;

/** About how many bytes an operation takes in memory until it is answered. */
export function bytesOf({ kind, command }: BatchOperation): number {
  return OPERATION_BYTES + command.key.length + (kind === 'set' ? command.value.length : 0);
}

/** The same of all of them. */
export function bytesOfAll(operations: readonly BatchOperation[]): number {
  return operations.reduce((sum, operation) => sum + bytesOf(operation), 0);
}

/** How long the node may wait for acks and disks, milliseconds. */
export function waitOf({ durability, minAcks, timeoutMs }: ReceiptOptions): number {
  return durability === undefined && minAcks === 0 ? 0 : timeoutMs || RECEIPT_TIMEOUT_MS_DEFAULT;
}

/** The same of an operation: a Get waits for its position or its lease. */
export function waitOfOperation({ kind, command }: BatchOperation): number {
  return kind === 'get' ? command.waitMs : waitOf(command);
}
