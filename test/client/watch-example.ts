/** The watch that client/README.md shows, as it is written there: so the compiler reads it. */
import { Op } from '#gen/walnut/v1/types_pb.ts';
import type { WalnutClient } from '../../client/walnut-client.ts';

/** Ends when the key `user:last` changes. */
export async function watchUsers(walnut: WalnutClient): Promise<void> {
  const ends = new AbortController();
  for await (const { events } of walnut.watch({ prefix: 'user:' }, { signal: ends.signal })) {
    for (const { key, op } of events) {
      console.log(key, op === Op.DELETE ? 'is gone' : 'has changed');
      if (key === 'user:last') ends.abort(); // the watch ends, without an error
    }
  }
}
