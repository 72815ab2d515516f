/** AwaitDurable over the groups of a cluster: of all that the sessions have seen, or of a position of one group. */
import { Code } from '@connectrpc/connect';
import type { AwaitDurableResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { type CallError, invalid } from './failures.ts';
import type { GroupKeys } from './group-keys.ts';
import type { AwaitDurableOptions, CallOptions } from './operations.ts';

/** The answer of the group that reached the least, of those that the client has seen a position of. */
export async function awaitAll(
  groups: readonly GroupKeys[],
  options: AwaitDurableOptions & CallOptions,
): Promise<AwaitDurableResponse> {
  // What was called before may be the first call of its group.
  await Promise.all(groups.map((group) => group.afterEarlier(options.signal)));
  const seen = groups.filter(({ session }) => session.token !== undefined);
  const answers = await Promise.all(seen.map((group) => group.awaitDurable(options)));
  const [first, ...others] = answers;
  if (first === undefined)
    throw invalid('no position: expected one in the options, or a call of this client before');
  return others.reduce((least, one) => (isWeaker(one, least) ? one : least), first);
}

/** The answer of the group that has the position: the one whose epoch it is, else the first that knows it. */
export async function awaitOf(
  groups: readonly GroupKeys[],
  options: AwaitDurableOptions & CallOptions,
): Promise<AwaitDurableResponse> {
  const epoch = options.position?.epoch;
  const owner = groups.find(({ session }) => session.token?.epoch === epoch) ?? onlyOne(groups);
  if (owner !== undefined) return owner.awaitDurable(options);
  const over = new AbortController();
  const onAbort = (): void => over.abort();
  if (options.signal?.aborted === true) onAbort();
  else options.signal?.addEventListener('abort', onAbort, { once: true });
  const asked = groups.map((group) => group.awaitDurable({ ...options, signal: over.signal }));
  try {
    return await Promise.any(asked);
  } catch (error) {
    const { errors } = error as { errors: CallError[] };
    // A group that did not say may have what others deny; one that is not meant says nothing.
    const said = errors.filter(({ code }) => code !== Code.FailedPrecondition);
    throw said.find(({ code }) => code !== Code.DataLoss) ?? said[0] ?? errors[0];
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    over.abort();
  }
}

function isWeaker(one: AwaitDurableResponse, other: AwaitDurableResponse): boolean {
  if (one.durabilityReached !== other.durabilityReached)
    return one.durabilityReached < other.durabilityReached;
  return one.replicasAcked < other.replicasAcked;
}

function onlyOne(groups: readonly GroupKeys[]): GroupKeys | undefined {
  return groups.length === 1 ? groups[0] : undefined;
}
