/**
 * What a named write asks for, as text: equal texts mean the same write, by whatever
 * way they came. Their CRC-32 is in the log, so the texts are part of the format:
 * README.md of the engine refers to this file. What the answer waits for is not asked
 * of the write, and is not in them. Pure.
 */
import type {
  BatchOperation,
  Condition,
  DeleteCommand,
  Expiry,
  GetCommand,
  IncrementCommand,
  SetCommand,
  TouchCommand,
} from '#model/commands.ts';
import { formatPosition } from '#model/position.ts';
import { crc32 } from '#platform/crc32.ts';

export type Text = string | number | boolean | null | readonly Text[];

export function checksumOf(text: Text): number {
  return crc32(Buffer.from(JSON.stringify(text)));
}

export function textOfSet(command: SetCommand): Text {
  const { key, value, returnPrevious, contentType } = command;
  const asked = [textOfExpiry(command.expiry), textOfCondition(command.condition), returnPrevious];
  return ['set', key, value.length, crc32(value), ...asked, contentType ?? null];
}

export function textOfDelete({ key, condition, returnPrevious }: DeleteCommand): Text {
  return ['delete', key, textOfCondition(condition), returnPrevious];
}

export function textOfIncrement(command: IncrementCommand): Text {
  const { key, delta, initial, expiry, condition } = command;
  return ['increment', key, `${delta}`, `${initial}`, textOfExpiry(expiry), textOfCondition(condition)];
}

export function textOfTouch({ key, expiry, returnValue }: TouchCommand): Text {
  return ['touch', key, textOfExpiry(expiry), returnValue];
}

export function textOfBatch(operations: readonly BatchOperation[]): Text {
  return ['batch', ...operations.map(textOf)];
}

function textOf(operation: BatchOperation): Text {
  switch (operation.kind) {
    case 'get':
      return textOfGet(operation.command);
    case 'set':
      return textOfSet(operation.command);
    case 'delete':
      return textOfDelete(operation.command);
    case 'increment':
      return textOfIncrement(operation.command);
    case 'touch':
      return textOfTouch(operation.command);
  }
}

/** Which position a Get waits for is not asked of the write. */
function textOfGet({ key }: GetCommand): Text {
  return ['get', key];
}

function textOfExpiry(expiry: Expiry): Text {
  switch (expiry.kind) {
    case 'ttl':
      return ['ttl', expiry.ttlMs];
    case 'at':
    case 'logged':
      return [expiry.kind, expiry.expireAtMs];
    case 'default':
    case 'keep':
      return [expiry.kind];
  }
}

function textOfCondition(condition: Condition | undefined): Text {
  if (condition === undefined) return null;
  return condition.kind === 'version' ? ['version', formatPosition(condition.version)] : [condition.kind];
}
