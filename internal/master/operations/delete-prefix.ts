/**
 * DeletePrefix: walks the store slot by slot and logs deletes, a record per turn of
 * the event loop, so that neither the loop nor a record has much to do at once.
 */
import type { RecordBuilder } from '#master/record-builder.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { WritePath } from '#master/write-path.ts';
import type { DeletePrefixAnswer, DeletePrefixCommand } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { afterPart } from '#model/errors.ts';
import { DELETE_PREFIX_LIMIT_DEFAULT } from '#model/limits.ts';

/** Entries in one record. A turn examines at most 64 slots for each. */
const ENTRIES_PER_TURN = 512;
/**
 * Turns of the event loop in one call, so that a prefix that few keys have does not
 * keep its caller waiting.
 */
const TURNS_MAX = 32;

/** `mayGoOn`: called before each further turn, because the node may have lost the right to write. */
export async function runDeletePrefix(
  path: WritePath,
  command: DeletePrefixCommand,
  mayGoOn: () => boolean,
): Promise<DeletePrefixAnswer> {
  const { engine } = path;
  const limit = command.limit === 0 ? DELETE_PREFIX_LIMIT_DEFAULT : command.limit;
  const done = { deleted: 0, nextCursor: command.cursor, dependsOn: path.newest };
  for (let turn = 0; ; turn++) {
    const page = engine.store.scan(
      {
        prefix: command.prefix,
        cursor: done.nextCursor,
        limit: Math.min(ENTRIES_PER_TURN, limit - done.deleted),
        keysOnly: true,
      },
      engine.logClock.nowMs(),
    );
    const { deleted, record } = path.write((builder) => {
      // A key that is missing may be one that is being filled.
      if (turn === 0) path.accepted.leases.endPrefix(command.prefix);
      return deleteAll(path, page.entries, builder);
    });
    done.deleted += deleted;
    done.nextCursor = page.nextCursor;
    if (deleted > 0) done.dependsOn = record;
    if (page.nextCursor === '' || done.deleted >= limit || turn >= TURNS_MAX) break;
    await path.yield();
    // The caller is told what was done; its next call is refused as usual.
    if (!mayGoOn()) break;
  }
  const accepted = { applied: done.deleted > 0, previous: undefined, current: undefined, ...done };
  const { position, durabilityReached, replicasAcked } = await path
    .answer(accepted, command)
    .catch((error: unknown) => {
      // An earlier record may stand.
      throw afterPart(error);
    });
  return { deleted: done.deleted, nextCursor: done.nextCursor, position, durabilityReached, replicasAcked };
}

function deleteAll(
  path: WritePath,
  entries: readonly Entry[],
  builder: RecordBuilder,
): { deleted: number; record: RecordInFlight } {
  let deleted = 0;
  for (const { key } of entries) {
    // A delete that is on its way to disk is counted by the call that made it.
    if (path.accepted.lookup(key).entry === undefined) continue;
    builder.delete(key);
    deleted++;
  }
  return { deleted, record: builder.record };
}
