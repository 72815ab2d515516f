/** A write under a name of this process, so that it may be repeated and is done once. */
import { WalnutError } from '#model/errors.ts';
import type { WriteId } from '#model/write-id.ts';
import type { CallKind, GroupAttempt, GroupCalls } from '#routing/group-calls.ts';

/** `key`: gives one that the group owns. */
export function runNamed<A>(
  group: GroupCalls,
  kind: CallKind,
  key: () => string,
  send: (attempt: GroupAttempt, id: WriteId) => Promise<A>,
): Promise<A> {
  return group.named(1, kind, key, async (ids) => {
    const own = ids[0] as WriteId;
    let mayBeRepeat = false;
    const placed = { ...kind, bytes: undefined };
    const run = (id: WriteId): Promise<A> =>
      group.run(placed, (attempt) => {
        mayBeRepeat ||= attempt.mayBeRepeat;
        return send(attempt, id);
      });
    try {
      return await run(own);
    } catch (error) {
      if (!isForgotten(error)) throw error;
      // The group cannot tell a write that is new from a repeat that it forgot: a newer position shows it.
      const since = await group.newerSince(own, mayBeRepeat, key());
      if (since === undefined) throw error;
      return run({ ...own, since });
    }
  });
}

function isForgotten(error: unknown): boolean {
  return error instanceof WalnutError && error.code === 'aborted';
}
