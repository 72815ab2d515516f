/** Which groups are asked for the keys with a prefix. */
import { isOfOneSlot, tagOf } from '#cluster/slot-hash.ts';
import { KEY_BYTES_MAX } from '#model/limits.ts';
import type { Clock } from '#platform/clock.ts';
import type { GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { Groups } from '#routing/groups.ts';
import { untilOwned } from '#routing/moved.ts';
import { OPERATION_BYTES } from '#routing/split-batch.ts';

/** Behind a tag it makes a key that nobody writes. */
const NOBODYS = '\u0000';

export interface PrefixAsk {
  readonly groups: Groups;
  readonly clock: Clock;
  readonly target: ReadPolicy;
  readonly signal: AbortSignal | undefined;
}

/**
 * Those that may have keys with the prefix, in the order of their ids. Where the prefix has a whole
 * tag, that is the owner of its slot. A node shows what its group has of any prefix, and refuses none,
 * so the owner is first asked for a key of the slot: it refuses that where the map here is wrong. It is
 * a key that nobody has, since a Get counts as a use of its entry.
 */
export async function groupsOfPrefix(
  prefix: string,
  { groups, clock, target, signal }: PrefixAsk,
): Promise<readonly GroupCalls[]> {
  if (!isOfOneSlot(prefix)) return groups.ofPrefix(prefix);
  const key = nobodysKey(tagOf(prefix));
  const kind = { target, isRepeatable: true, isRead: true, waitMs: 0, bytes: OPERATION_BYTES, signal };
  const owner = await untilOwned(
    groups,
    clock,
    () => groups.ofKey(prefix),
    async (group) => {
      await group.run(kind, ({ link, ...limits }) => link.get({ key, waitMs: 0 }, limits));
      return group;
    },
  );
  return [owner];
}

/** A key with this tag that nobody has; the tag itself where no longer key is permitted. */
function nobodysKey(tag: string): string {
  return Buffer.byteLength(tag) < KEY_BYTES_MAX ? `${tag}${NOBODYS}` : tag;
}
