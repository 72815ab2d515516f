/** Waits for a position to become durable: one that is given, or all that the session has written and read. */
import { AwaitDurableRequestSchema, type AwaitDurableResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { checkNames, optionNames } from './call-options.ts';
import type { Caller } from './caller.ts';
import { type CallError, invalid, notDone } from './failures.ts';
import { type AwaitDurableOptions, type CallOptions, durableWaitMs } from './operations.ts';

const NAMES = optionNames(AwaitDurableRequestSchema, [], ['signal']);

/** Throws INVALID_ARGUMENT for options that do not exist or are of another type. */
export function checkAwaitDurable(options: AwaitDurableOptions & CallOptions): void {
  checkNames(options, NAMES);
}

/** Does what `WalnutClient.awaitDurable` says. DATA_LOSS of a position of the session is told once. */
export async function waitDurable(
  caller: Caller,
  options: AwaitDurableOptions & CallOptions,
): Promise<AwaitDurableResponse> {
  const { signal, ...fields } = options;
  const { session } = caller;
  const waitMs = durableWaitMs(options.timeoutMs ?? 0);
  const endMs = caller.nowMs + (options.timeoutMs || waitMs);
  const call = (position: AwaitDurableOptions['position']): Promise<AwaitDurableResponse> => {
    const kind = { rpc: 'AwaitDurable', target: 'master', isRepeatable: true, waitMs, signal } as const;
    return caller.run(kind, ({ link, options: limits }) => {
      // Earlier positions and attempts have used some of the time.
      const timeoutMs = Math.max(1, Math.ceil(endMs - caller.nowMs));
      return link.store.awaitDurable({ ...fields, position, timeoutMs }, limits);
    });
  };
  if (options.position !== undefined) return call(options.position);
  // Each is of another group or another epoch, and has to be asked for; the last answer is given.
  const earlier = [...session.positions];
  const last = earlier.pop();
  if (last === undefined)
    throw invalid('no position: expected one in the options, or a call of this session before');
  let position = last;
  try {
    for (position of earlier) await call(position);
    position = last;
    return await call(position);
  } catch (error) {
    caller.onError(error as CallError, position);
    // It changes nothing.
    throw notDone(error as CallError);
  }
}
