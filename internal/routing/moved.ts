/** After a refusal by a group that does not own a slot, the owner is looked up and another attempt is made. */
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import { CALL_MS, type GroupCalls } from '#routing/group-calls.ts';
import type { Groups } from '#routing/groups.ts';

/**
 * Runs `work` with the present owner, and again while a group answers that it does not own what it was
 * asked for, at most 10 s. Such a refusal did nothing, so the whole of `work` may run again.
 */
export async function untilOwned<T>(
  groups: Groups,
  clock: Clock,
  owner: () => GroupCalls,
  work: (group: GroupCalls) => Promise<T>,
): Promise<T> {
  const endMs = clock.monotonicMs() + CALL_MS;
  for (;;) {
    const group = owner();
    try {
      return await work(group);
    } catch (error) {
      if (!isMoved(error)) throw error;
      if (clock.monotonicMs() >= endMs) throw unowned(error);
      // At most one question in 100 ms: that is the pause between attempts, too.
      await groups.owners.learn(error.details.shard, group.id);
    }
  }
}

export function isMoved(error: unknown): error is WalnutError {
  return error instanceof WalnutError && error.code === 'shard_moved';
}

/** The caller called this process, and no other one is to be called. */
export function unowned({ message }: WalnutError): WalnutError {
  return new WalnutError('unavailable', `no group says that it owns the slot: ${message}`, {
    nothingDone: true,
  });
}
