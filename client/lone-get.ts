/** A Get that only the master answers and no Batch may contain: one with a fill lease, or a linearizable one. */
import type { GetRequest } from '#gen/walnut/v1/kv_store_pb.ts';
import type { PendingOperation } from './batch-queue.ts';
import type { Caller, CallKind } from './caller.ts';
import type { CallError } from './failures.ts';

/** True if nodes refuse the Get in a Batch of this client. */
export function isLone({ fillLeaseMs, linearizable }: GetRequest): boolean {
  return fillLeaseMs > 0 || linearizable;
}

/** Sends the Get by itself and settles it. Never rejects. `signal`: of its caller. */
export async function sendLoneGet(
  caller: Caller,
  pending: PendingOperation,
  request: GetRequest,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (pending.isGivenUp) return;
  const { session } = caller;
  const isOfSession = request.atLeast === undefined;
  let token = request.atLeast;
  try {
    if (isOfSession) await caller.prove(request.key);
    token ??= session.token;
    const sent = token === undefined ? request : { ...request, atLeast: token };
    const { waitMs, linearizable: isRead } = request;
    const kind: CallKind = {
      ...{ rpc: 'Get', target: 'master', isRepeatable: true },
      ...{ isRead, waitMs, signal, isOfSession: true },
    };
    const answer = await caller.run(kind, ({ link, options }) => link.store.get(sent, options));
    pending.settle(answer, token);
  } catch (error) {
    if (isOfSession) caller.onError(error as CallError, token);
    pending.fail(error as CallError);
  }
}
