/**
 * The positions that one call brings: those that it names itself, and what its caller's session
 * has seen of all groups. A group is asked to show its own, and hears of no other.
 *
 * A read that names a position of its group has to show that one; else it has to show what the
 * session has seen of the group. Where that is of a history that was discarded, the error names
 * the group as `lostGroup`, so that the session forgets it.
 */
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { type Needed, neededOf, type Seen, seenOf } from '#model/seen.ts';
import type { Clock } from '#platform/clock.ts';
import type { GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { Groups } from '#routing/groups.ts';
import { namedBy, withPosition } from '#routing/split-batch.ts';

/** What the parts of the port share that serve one caller. */
export interface CallerOptions {
  readonly groups: Groups;
  readonly clock: Clock;
  readonly readFrom: ReadPolicy;
  readonly positions: CallPositions;
  /** See `CallWish`. */
  readonly user?: string | undefined;
}

export class CallPositions {
  readonly #groups: Groups;
  readonly #seen: Seen;

  /** Throws `invalid_argument` if the session has seen a group that there is not. */
  constructor(groups: Groups, seen: Seen = []) {
    this.#groups = groups;
    this.#seen = seen;
    for (const { group } of seen) if (group !== undefined) groups.checkNamed(group);
  }

  /** True if the session has seen anything. */
  get hasSeen(): boolean {
    return this.#seen.length > 0;
  }

  /** What the session has seen of the group, as a node is told it. */
  neededOf({ id }: GroupCalls): Needed {
    return neededOf(seenOf(this.#seen, id).map(({ epoch, lsn }) => ({ epoch, lsn })));
  }

  /** Reads a key of the group with the position that the read must show. */
  async reading<T>(
    group: GroupCalls,
    key: string,
    named: Position | undefined,
    read: (atLeast: Position | undefined) => Promise<T>,
  ): Promise<T> {
    const own = await this.#ownOf(group, named);
    if (own !== undefined || !this.hasSeen) return read(own);
    const { atLeast, earlier } = this.neededOf(group);
    try {
      await group.prove(key, earlier, atLeast);
      return await read(atLeast);
    } catch (error) {
      throw asLost(error, group);
    }
  }

  /** The position that shows the group whether a named write is new. */
  async since(group: GroupCalls, named: Position | undefined): Promise<Position | undefined> {
    return (await this.#ownOf(group, named)) ?? this.neededOf(group).atLeast;
  }

  /** The operations of a Batch with the positions that the group is told, in the order in which they were given. */
  async operationsFor(
    group: GroupCalls,
    operations: readonly BatchOperation[],
  ): Promise<readonly BatchOperation[]> {
    for (const operation of operations) {
      const asked = this.#groups.learnEpochOf(namedBy(operation));
      if (asked !== undefined) await asked;
    }
    const { atLeast, earlier } = this.neededOf(group);
    const read = operations.find(({ kind }) => kind === 'get');
    if (read !== undefined && earlier.length > 0)
      await group.prove(read.command.key, earlier, atLeast).catch((error: unknown) => {
        throw asLost(error, group);
      });
    return operations.map((operation) => {
      const own = this.#groups.positionFor(group, namedBy(operation));
      const { kind, command } = operation;
      const takesSeen = kind === 'get' || command.id !== undefined;
      return withPosition(operation, takesSeen ? (own ?? atLeast) : own);
    });
  }

  /** The results of operations that `operationsFor` made of `given`, with the group where what the session has seen is lost. */
  resultsOf(
    group: GroupCalls,
    given: readonly BatchOperation[],
    results: readonly BatchResult[],
  ): readonly BatchResult[] {
    if (!this.hasSeen) return results;
    return results.map((result, i) => {
      const named = namedBy(given[i] as BatchOperation);
      const isOfCaller = this.#groups.positionFor(group, named) !== undefined;
      if (result.kind !== 'error' || isOfCaller) return result;
      return { kind: 'error', error: asLost(result.error, group) };
    });
  }

  async #ownOf(group: GroupCalls, named: Position | undefined): Promise<Position | undefined> {
    const asked = this.#groups.learnEpochOf(named);
    if (asked !== undefined) await asked;
    return this.#groups.positionFor(group, named);
  }
}

/** The same error, with the group where it says that what the session has seen is of a history that was discarded. */
export function asLost<E>(error: E, { id }: GroupCalls): E | WalnutError {
  if (!(error instanceof WalnutError) || error.code !== 'discarded_history') return error;
  return new WalnutError(error.code, error.message, { ...error.details, lostGroup: id });
}
