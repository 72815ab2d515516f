/**
 * What a call shows of one group to its session: the same at a gateway, for each of its groups, and
 * at a node, for its own.
 *
 * A read that names a position of the group has to show that one; else it has to show what the
 * session has seen of the group. Where that is of a history that was discarded, the error names the
 * group as `lostGroup`, so that the session forgets it. The lost position of a caller says nothing
 * of the session.
 */
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { type Needed, neededOf, type Seen, seenOf } from '#model/seen.ts';
import type { WriteId } from '#model/write-id.ts';

export interface GroupSeenOptions {
  readonly group: string;
  readonly seen: Seen;
  /** The position that an operation names, where it is of the group. */
  readonly ownOf: (named: Position | undefined) => Position | undefined;
  /**
   * Rejects with `discarded_history` unless the positions of earlier epochs are in the history of the
   * newest. `read`: of a key that the caller may read.
   */
  readonly prove: (read: ReadOf, needed: Needed, signal: AbortSignal | undefined) => Promise<void>;
}

export class GroupSeen {
  readonly #options: GroupSeenOptions;
  readonly #needed: Needed;

  constructor(options: GroupSeenOptions) {
    this.#options = options;
    this.#needed = neededIn(options.seen, options.group);
  }

  /** The newest position that the session has seen. */
  get newest(): Position | undefined {
    return this.#needed.atLeast;
  }

  /** Reads a key with the position that the read must show. */
  async reading<T>(
    command: ReadOf,
    read: (atLeast: Position | undefined) => T | Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const own = this.#options.ownOf(command.atLeast);
    if (own !== undefined) return read(own);
    try {
      if (this.#needed.earlier.length > 0) await this.#options.prove(command, this.#needed, signal);
      return await read(this.newest);
    } catch (error) {
      throw this.#asLost(error);
    }
  }

  /**
   * Rejects unless a page as of `asOf` shows what the session has seen, for which a page cannot ask
   * itself. `prove` gets the positions of which `asOf` alone does not tell that, and rejects like that
   * of the options.
   */
  async showing(asOf: Position, prove: (unshown: readonly Position[]) => Promise<void>): Promise<void> {
    const { atLeast, earlier } = this.#needed;
    const unshown = [...earlier, ...(atLeast === undefined ? [] : [atLeast])].filter(
      ({ epoch, lsn }) => epoch !== asOf.epoch || lsn > asOf.lsn,
    );
    if (unshown.length === 0) return;
    await prove(unshown).catch((error: unknown) => {
      throw this.#asLost(error);
    });
  }

  /** The position that shows whether a named write is new. */
  since(named: Position | undefined): Position | undefined {
    return this.#options.ownOf(named) ?? this.newest;
  }

  /** The operations of a Batch with what they have to show, or by which they are known to be new. */
  async operations(
    given: readonly BatchOperation[],
    signal?: AbortSignal,
  ): Promise<readonly BatchOperation[]> {
    const read = given.find((operation) => this.#showsSeen(operation));
    if (read !== undefined && this.#needed.earlier.length > 0)
      await this.#options
        .prove({ key: read.command.key, waitMs: 0 }, this.#needed, signal)
        .catch((error: unknown) => {
          throw this.#asLost(error);
        });
    return given.map((operation) => {
      const own = this.#options.ownOf(namedBy(operation));
      const takesSeen = operation.kind === 'get' || operation.command.id !== undefined;
      return withPosition(operation, takesSeen ? (own ?? this.newest) : own);
    });
  }

  /** The results of `given`, with the group where what the session has seen is lost. */
  results(given: readonly BatchOperation[], results: readonly BatchResult[]): readonly BatchResult[] {
    if (this.newest === undefined) return results;
    return results.map((result, i) => {
      if (result.kind !== 'error' || !this.#showsSeen(given[i] as BatchOperation)) return result;
      return { kind: 'error', error: this.#asLost(result.error) as WalnutError };
    });
  }

  /** The error of an atomic Batch: that of one of several positions is not known to be that of the session. */
  atomicError(given: readonly BatchOperation[], error: unknown): unknown {
    const reads = given.filter(({ kind }) => kind === 'get');
    const isOfSeen = reads.length > 0 && reads.every((read) => this.#showsSeen(read));
    return isOfSeen ? this.#asLost(error) : error;
  }

  #showsSeen(operation: BatchOperation): boolean {
    return operation.kind === 'get' && this.#options.ownOf(namedBy(operation)) === undefined;
  }

  #asLost(error: unknown): unknown {
    const isLost = error instanceof WalnutError && error.code === 'discarded_history';
    if (!isLost || this.newest === undefined) return error;
    return new WalnutError(error.code, error.message, { ...error.details, lostGroup: this.#options.group });
  }
}

/** What of a Get says what it must show. */
export interface ReadOf {
  readonly key: string;
  readonly waitMs: number;
  readonly atLeast?: Position | undefined;
}

/** What was seen of the group, as its nodes are told it. */
function neededIn(seen: Seen, group: string): Needed {
  return neededOf(seenOf(seen, group).map(({ epoch, lsn }) => ({ epoch, lsn })));
}

/** The position that an operation names: what it must see, or what its name is not older than. */
export function namedBy({ kind, command }: BatchOperation): Position | undefined {
  return kind === 'get' ? command.atLeast : command.id?.since;
}

/** The operation with this position instead of the one that it names. */
export function withPosition(operation: BatchOperation, position: Position | undefined): BatchOperation {
  if (position === namedBy(operation)) return operation;
  const { kind, command } = operation;
  if (kind === 'get') return { kind, command: { ...command, atLeast: position } };
  const id = { ...(command.id as WriteId), since: position };
  return { kind, command: { ...command, id } } as BatchOperation;
}
