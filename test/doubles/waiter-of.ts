import { ANONYMOUS } from '#model/access.ts';
import type { Waiter } from '#rpc/caller-queue.ts';

/** A call of the user `name` that waits for its turn. */
export function waiterOf(name: string, signal = new AbortController().signal): Waiter {
  return {
    caller: {
      principal: { ...ANONYMOUS, name },
      peer: { remoteAddress: '10.0.0.1', certificateNames: undefined },
    },
    signal,
  };
}
