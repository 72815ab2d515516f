/**
 * The keys of a load, which no other key of the group is among: where they go, whether they
 * fit, and how they are written before the load and deleted after it.
 */
import { create, type MessageShape } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import type { StatusResponse, StoreStatus } from '#gen/walnut/v1/admin_pb.ts';
import { type BatchResponse, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { type Position, Role } from '#gen/walnut/v1/types_pb.ts';
import { BATCH_OPERATIONS_MAX, utf8Length } from '#model/limits.ts';
import { entryCost } from '#storage/entry-cost.ts';
import { CallError } from '../call/call-error.ts';
import { createNodeClients, type Interruptible, shortCall } from '../call/connection.ts';
import { persist } from '../call/persist.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { parseToldAddress, usageError } from '../command-host.ts';
import { showBytes, showCount } from '../output/output.ts';
import type { BenchCalls } from './bench-calls.ts';
import { type BenchLink, CALL_MS_MAX, GRACE_MS } from './bench-links.ts';
import type { BenchPlan } from './bench-plan.ts';

/** Bytes of values in one Batch of the fill. */
const FILL_BYTES_MAX = 1 << 20;
const DELETE_LIMIT = 10_000;
const PATIENCE_MS = 10_000;
/** Ctrl-C ends the load, and the keys are deleted after it. */
const DELETE_CALL = { timeoutMs: CALL_MS_MAX, signal: undefined };
/** How long a replica may take to have what was filled. */
const FOLLOW_MS = CALL_MS_MAX - 1_000;
/** A token may have the right to keys without that to Status. */
const UNTOLD = new Set(['permission_denied', 'unimplemented']);

/** What the node at `address` says of itself; undefined where it may not tell this caller. */
export async function askStatus(address: Endpoint, io: Interruptible): Promise<StatusResponse | undefined> {
  try {
    return await createNodeClients(address).admin.status({}, shortCall(io));
  } catch (error) {
    if (error instanceof CallError && UNTOLD.has(error.code)) return undefined;
    throw error;
  }
}

/** The address that writes go to: that of a replica's master, else that of the node or gateway itself. */
export function writerOf(address: Endpoint, status: StatusResponse | undefined): Endpoint {
  if (status?.role !== Role.REPLICA) return address;
  const master = status.master?.address ?? '';
  if (master !== '') return parseToldAddress(master, address);
  throw new CliError(
    EXIT.server,
    `${address.text} is a replica that knows no master, and the load writes keys of its own`,
    'See the group with: walnut status',
  );
}

/**
 * Throws where the keys do not fit beside what is stored, because other entries would be evicted
 * for them, or writes refused; and where `writer` does not tell how much room it has.
 */
export function checkRoom(writer: Endpoint, store: StoreStatus | undefined, plan: BenchPlan): void {
  if (store === undefined)
    throw usageError(
      `${writer.text} does not tell how much room it has, as a gateway or for a user without the right to Status: the keys of the load might evict other entries`,
      'Where that may happen: --allow-eviction; else measure each master by itself, as a user with the role monitor',
    );
  const cost = entryCost(utf8Length(plan.prefix) + String(plan.keys).length, plan.valueBytes);
  const bytesLeft = Number(store.maxBytes - store.bytes);
  const entriesLeft = Number(store.maxEntries - store.entries);
  const fitting = Math.min(
    store.maxBytes === 0n ? plan.keys : Math.floor(bytesLeft / cost),
    store.maxEntries === 0n ? plan.keys : entriesLeft,
  );
  if (fitting >= plan.keys) return;
  const some = Math.max(0, fitting);
  throw usageError(
    `there is room for ${showCount(some)} of ${showCount(plan.keys)} keys of ${showBytes(cost)} each beside what is stored: the rest would evict other entries, or be refused`,
    some > 0
      ? `Type at most: --keys ${some}; or a smaller --value-size`
      : 'Measure a node that has room, such as an empty one',
  );
}

/** Writes every key, so that reads find theirs. Ends early, without a failure, where it is interrupted. */
export async function fillKeys(
  link: BenchLink,
  calls: BenchCalls,
  plan: BenchPlan,
  interrupted: AbortSignal,
  onWritten: (keys: number) => void,
): Promise<Position | undefined> {
  const fitting = Math.floor(FILL_BYTES_MAX / Math.max(1, plan.valueBytes));
  const step = Math.max(1, Math.min(BATCH_OPERATIONS_MAX, fitting));
  let position: Position | undefined;
  for (let first = 0; first < plan.keys && !interrupted.aborted; first += step) {
    const call = calls.fill(first, Math.min(step, plan.keys - first));
    const policy = { patienceMs: PATIENCE_MS, interrupted };
    const answer = await givenUpAt(interrupted, link, () =>
      persist(() => link.call(call.method, call.request), policy),
    );
    if (answer === undefined) break;
    const [failure] = call.judge(answer).failures;
    if (failure !== undefined && failure.code !== 'durability')
      throw new CallError(failure.code, failure.message);
    position = positionOf(answer as BatchResponse) ?? position;
    onWritten(call.operations);
  }
  return position;
}

/** Undefined where `work`, which calls by `link`, was interrupted. */
async function givenUpAt<T>(
  interrupted: AbortSignal,
  link: BenchLink,
  work: () => Promise<T>,
): Promise<T | undefined> {
  let grace: NodeJS.Timeout | undefined;
  const giveUp = (): void => {
    grace = setTimeout(() => link.close(), GRACE_MS);
  };
  interrupted.addEventListener('abort', giveUp, { once: true });
  try {
    return await work();
  } catch (error) {
    if (interrupted.aborted) return undefined;
    throw error;
  } finally {
    interrupted.removeEventListener('abort', giveUp);
    clearTimeout(grace);
  }
}

function positionOf({ results }: BatchResponse): Position | undefined {
  const result = results.at(-1)?.result;
  return result?.case === 'set' || result?.case === 'increment' ? result.value.position : undefined;
}

/** Waits until the node that is read from has what was written elsewhere. */
export async function awaitFill(
  link: BenchLink,
  plan: BenchPlan,
  atLeast: Position,
  interrupted: AbortSignal,
): Promise<void> {
  const { get } = KVStore.method;
  const request = create(get.input, { key: `${plan.prefix}0`, atLeast, waitMs: FOLLOW_MS });
  await givenUpAt(interrupted, link, () => link.call(get, request));
}

/** Deletes every key of the load; returns how many there were. Not to be interrupted, but bounded. */
export async function deleteKeys(writer: Endpoint, { prefix }: BenchPlan): Promise<number> {
  const { kv } = createNodeClients(writer);
  const policy = { patienceMs: PATIENCE_MS, interrupted: new AbortController().signal };
  let deleted = 0;
  let cursor = '';
  do {
    const request = { prefix, cursor, limit: DELETE_LIMIT };
    const answer: MessageShape<typeof KVStore.method.deletePrefix.output> = await persist(
      () => kv.deletePrefix(request, DELETE_CALL),
      policy,
    );
    deleted += answer.deleted;
    cursor = answer.nextCursor;
  } while (cursor !== '');
  return deleted;
}
