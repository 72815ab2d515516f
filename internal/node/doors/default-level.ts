/**
 * The level of durability of writes that name none, where `cluster.durability` gives one. A node
 * without it never comes here.
 */
import type { BatchOperation, Durability } from '#model/commands.ts';

/** `cluster.durability`; undefined: that of the fsync policy. */
export type DefaultLevel = Extract<Durability, 'quorum'> | undefined;

/** A group has to have so many voters where QUORUM is the default: with fewer, one that is lost stops every write. */
export const QUORUM_VOTERS_MIN = 3;

/** The command with the default level, where it names none. Pure. */
export function withLevel<T extends { readonly durability?: Durability | undefined }>(
  command: T,
  level: DefaultLevel,
): T {
  return level === undefined || command.durability !== undefined
    ? command
    : { ...command, durability: level };
}

/** The same for each write of a batch. */
export function withLevels<O extends BatchOperation>(
  operations: readonly O[],
  level: DefaultLevel,
): readonly O[] {
  if (level === undefined) return operations;
  return operations.map((operation) =>
    operation.kind === 'get' ? operation : { ...operation, command: withLevel(operation.command, level) },
  );
}
