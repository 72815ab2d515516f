/**
 * The positions that one call brings: those that it names itself, and what its caller's session
 * has seen of all groups. A group is asked to show its own, and hears of no other
 * (`model/group-seen.ts`).
 */
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { GroupSeen, namedBy } from '#model/group-seen.ts';
import type { Position } from '#model/position.ts';
import type { Seen } from '#model/seen.ts';
import type { Clock } from '#platform/clock.ts';
import type { GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { Groups } from '#routing/groups.ts';
import { isMoved, unowned } from '#routing/moved.ts';

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

  /** Rejects unless a page of the group as of `asOf` shows what the session has seen of it. */
  async checkPage(group: GroupCalls, asOf: Position): Promise<void> {
    if (!this.hasSeen) return;
    const own = this.#of(group);
    await own.showing(asOf, async (unshown) => {
      const key = this.#groups.keyOf(group);
      // A group that owns no slot has no key that a page could show.
      if (key === undefined) return;
      await group.prove(key, unshown, asOf).catch((error: unknown) => {
        throw isMoved(error) ? unowned(error) : error;
      });
    });
    group.checkNotBehind(asOf, own.newest);
  }

  /** See `GroupSeen.reading`. */
  async reading<T>(
    group: GroupCalls,
    key: string,
    named: Position | undefined,
    read: (atLeast: Position | undefined) => Promise<T>,
  ): Promise<T> {
    await this.#learn(named);
    if (!this.hasSeen) return read(this.#groups.positionFor(group, named));
    return this.#of(group).reading({ key, waitMs: 0, atLeast: named }, read);
  }

  /** See `GroupSeen.since`. */
  async since(group: GroupCalls, named: Position | undefined): Promise<Position | undefined> {
    await this.#learn(named);
    return this.#of(group).since(named);
  }

  /** See `GroupSeen.operations`. */
  async operationsFor(
    group: GroupCalls,
    operations: readonly BatchOperation[],
  ): Promise<readonly BatchOperation[]> {
    for (const operation of operations) {
      const asked = this.#learn(namedBy(operation));
      if (asked !== undefined) await asked;
    }
    return this.#of(group).operations(operations);
  }

  /** See `GroupSeen.results`. */
  resultsOf(
    group: GroupCalls,
    given: readonly BatchOperation[],
    results: readonly BatchResult[],
  ): readonly BatchResult[] {
    return this.hasSeen ? this.#of(group).results(given, results) : results;
  }

  /** See `GroupSeen.atomicError`. */
  atomicError(group: GroupCalls, given: readonly BatchOperation[], error: unknown): unknown {
    return this.hasSeen ? this.#of(group).atomicError(given, error) : error;
  }

  #learn(named: Position | undefined): Promise<void> | undefined {
    return this.#groups.learnEpochOf(named);
  }

  #of(group: GroupCalls): GroupSeen {
    return new GroupSeen({
      group: group.id,
      seen: this.#seen,
      ownOf: (named) => this.#groups.positionFor(group, named),
      prove: ({ key }, { earlier, atLeast }) => group.prove(key, earlier, atLeast),
    });
  }
}
