/**
 * Batches of a cluster: a part for each group, side by side, and results in the order of the
 * operations. A part that fails is the error of its own operations only, and so is one that has not
 * answered when the time of the caller is nearly over; a Batch of one part is refused as a whole, as
 * by a node. A large part is sent in slices, one after the other, so that no turn of the event loop
 * is long: what follows a slice that failed, or that took all the time of a call, is not sent.
 */
import { partsOf, withinTime } from '#model/batch-parts.ts';
import type { BatchOperation, BatchResult, WriteOperation } from '#model/commands.ts';
import { asRefusal, WalnutError } from '#model/errors.ts';
import { ATOMIC_BYTES_MAX } from '#model/limits.ts';
import { mapPosition } from '#model/told-position.ts';
import type { WriteId } from '#model/write-id.ts';
import type { CallerOptions } from '#routing/call-positions.ts';
import type { CallKind, GroupCalls } from '#routing/group-calls.ts';
import { CALL_MS } from '#routing/group-calls.ts';
import type { Target } from '#routing/group-routes.ts';
import { errorsOf, inTime, lateError } from '#routing/in-time.ts';
import { isMoved, unowned } from '#routing/moved.ts';
import { runNamed } from '#routing/named-call.ts';
import { bytesOfAll, divide, needsName, waitOfOperation, withNames } from '#routing/split-batch.ts';
import { hasUnclearWrite, untilClear } from '#routing/unclear.ts';

type NamedOperation = Exclude<BatchOperation, { kind: 'get' }>;

/** Results as they came first. */
export interface Answered {
  readonly results: BatchResult[];
  /** True if an attempt before the one that was answered may have been carried out. */
  readonly mayBeRepeat: boolean;
  /** The node that answered. */
  readonly address: string;
}

/** One Batch while it goes on. */
interface Running {
  readonly operations: readonly BatchOperation[];
  readonly results: (BatchResult | undefined)[];
  /** The places of writes that may have been sent. */
  readonly sent: Set<number>;
  readonly signal: AbortSignal | undefined;
  readonly user: string | undefined;
  readonly startedMs: number;
  readonly endMs: number;
  /** Ends when the next slice may be sent; undefined: the Batch is small, and all are sent at once. */
  turn: Promise<void> | undefined;
}

export class BatchCalls {
  readonly #options: CallerOptions;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** `user`: see `CallWish.user`. */
  async run(
    operations: readonly BatchOperation[],
    signal?: AbortSignal,
    user = this.#options.user,
  ): Promise<BatchResult[]> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const running: Running = {
      ...{ operations, results: new Array<undefined>(operations.length), sent: new Set<number>() },
      ...{ signal, user, startedMs, endMs: startedMs + CALL_MS },
      turn: partsOf(operations).length > 1 ? Promise.resolve() : undefined,
    };
    const isDone = await inTime(this.#runAt(running, [...operations.keys()]), signal, clock);
    if (!isDone) return answeredOf(running);
    return running.results as unknown as BatchResult[];
  }

  /** Throws what the whole fails by; of several parts each has its own errors. */
  async #runAt(running: Running, places: readonly number[]): Promise<void> {
    const { groups } = this.#options;
    const parts = divide(running.operations, places, (key) => groups.ofKey(key));
    const isOnly = parts.length === 1;
    await Promise.all(parts.map(({ owner, places: its }) => this.#runPart(running, owner, its, isOnly)));
  }

  /** Rejects where nothing of an only part is done; else its operations have errors. */
  async #runPart(
    running: Running,
    group: GroupCalls,
    places: readonly number[],
    isOnly: boolean,
  ): Promise<void> {
    const slices = slicesOf(running, places);
    for (const [i, slice] of slices.entries()) {
      try {
        if (i > 0 && this.#options.clock.monotonicMs() >= running.endMs) throw lateError(true);
        await this.#runSlice(running, group, slice);
      } catch (error) {
        if (!(error instanceof WalnutError) || (isOnly && i === 0)) throw error;
        fail(running, slice, error);
        fail(running, slices.slice(i + 1).flat(), asRefusal(error) as WalnutError);
        return;
      }
    }
  }

  async #runSlice(running: Running, group: GroupCalls, places: readonly number[]): Promise<void> {
    const { clock, groups, positions } = this.#options;
    if (running.turn !== undefined) {
      const { turn } = running;
      running.turn = turn.then(() => clock.yield());
      await turn;
    }
    const given = withinTime(operationsAt(running, places), clock.monotonicMs() - running.startedMs);
    const part = await positions.operationsFor(group, given);
    const onSend = (): void => {
      for (const [i, place] of places.entries()) if (given[i]?.kind !== 'get') running.sent.add(place);
    };
    try {
      const results = positions.resultsOf(group, given, await this.#send(group, part, running, onSend));
      for (const [i, place] of places.entries()) running.results[place] = results[i];
    } catch (error) {
      if (!isMoved(error)) throw error;
      for (const place of places) running.sent.delete(place);
      if (clock.monotonicMs() >= running.endMs) throw unowned(error);
      // A Batch with a key of another group is refused whole, with nothing done.
      await groups.owners.learn(error.details.shard, group.id);
      await this.#runAt(running, places);
    }
  }

  #send(
    group: GroupCalls,
    part: readonly BatchOperation[],
    { signal, user }: Running,
    onSend: () => void,
  ): Promise<BatchResult[]> {
    const isRead = part.every(({ kind }) => kind === 'get');
    const kind: CallKind = {
      target: isRead ? this.#targetOf(part) : 'master',
      isRepeatable: true,
      isRead,
      waitMs: Math.max(...part.map(waitOfOperation)),
      bytes: undefined,
      signal,
      user,
    };
    const { key } = (part[0] as BatchOperation).command;
    const bytes = bytesOfAll(part);
    // What has one name is one record. The writes of a larger part have a name each.
    if (bytes <= ATOMIC_BYTES_MAX && part.every(needsName))
      return this.#sendNamed(group, { ...kind, bytes }, part as readonly WriteOperation[], onSend);
    return group.named(
      part.filter(needsName).length,
      { bytes, signal },
      () => key,
      async (ids) => {
        const named = withNames(part, ids);
        onSend();
        return this.settle(group, kind, part, named, await this.#call(group, kind, named));
      },
    );
  }

  /** Writes that nobody named, under one name. */
  async #sendNamed(
    group: GroupCalls,
    kind: CallKind,
    writes: readonly WriteOperation[],
    onSend: () => void,
  ): Promise<BatchResult[]> {
    const { key } = (writes[0] as WriteOperation).command;
    const results = await untilClear(
      (given: BatchResult[]) => hasUnclearWrite(given, () => writes),
      (check) =>
        runNamed(
          group,
          kind,
          () => key,
          async ({ link, ...limits }, id) => {
            onSend();
            return check(await link.namedBatch(writes, id, limits));
          },
        ),
    );
    return results.map((result) => mapPosition(result, (position) => group.told(position)));
  }

  /**
   * The results of a part that was sent as `named`: its writes that the group answered by ABORTED
   * are sent again where it is known that they were not done, and reads that a replica could not
   * answer go on at the master.
   */
  async settle(
    group: GroupCalls,
    kind: CallKind,
    part: readonly BatchOperation[],
    named: readonly BatchOperation[],
    first: Answered,
  ): Promise<BatchResult[]> {
    const again = forgottenAt(part, first.results);
    if (again.length > 0) await this.#renew(group, kind, named, again, first);
    if (kind.target !== 'master') await this.#askMaster(group, kind, part, first);
    return first.results.map((result) => mapPosition(result, (position) => group.told(position)));
  }

  async #call(group: GroupCalls, kind: CallKind, operations: readonly BatchOperation[]): Promise<Answered> {
    let mayBeRepeat = false;
    let address = '';
    const results = await untilClear(
      (given: BatchResult[]) => hasUnclearWrite(given, () => operations),
      (check) =>
        group.run(kind, async ({ link, ...attempt }) => {
          mayBeRepeat ||= attempt.mayBeRepeat;
          address = attempt.address;
          return check(await link.batch(operations, attempt));
        }),
    );
    return { results, mayBeRepeat, address };
  }

  /** Gets that a replica cannot answer now go on at the master, as single ones do. Where that answers nothing, what the replica said stays. */
  async #askMaster(
    group: GroupCalls,
    kind: CallKind,
    part: readonly BatchOperation[],
    { results, address }: Answered,
  ): Promise<void> {
    const places = results.flatMap((result, place) =>
      result.kind === 'error' && result.error.code === 'unavailable' ? [place] : [],
    );
    if (places.length === 0) return;
    group.onBehind(address);
    const gets = places.map((place) => part[place] as BatchOperation);
    const asked = await this.#call(group, { ...kind, target: 'master' }, gets).catch((error: unknown) => {
      if (error instanceof WalnutError && error.code === 'unavailable') return undefined;
      throw error;
    });
    for (const [i, place] of places.entries())
      results[place] = asked?.results[i] ?? (results[place] as BatchResult);
  }

  /** The group cannot tell writes that are new from repeats that it forgot: a newer position shows what they are. */
  async #renew(
    group: GroupCalls,
    kind: CallKind,
    operations: readonly BatchOperation[],
    places: readonly number[],
    { results, mayBeRepeat }: Answered,
  ): Promise<void> {
    const { command: one } = operations[places[0] as number] as NamedOperation;
    const since = await group.newerSince(one.id as WriteId, mayBeRepeat, one.key);
    if (since === undefined) return;
    const renewed = places.map((place) => {
      const { kind: its, command } = operations[place] as NamedOperation;
      return {
        kind: its,
        command: { ...command, id: { ...(command.id as WriteId), since } },
      } as BatchOperation;
    });
    const { results: second } = await this.#call(group, kind, renewed);
    for (const [i, place] of places.entries()) results[place] = second[i] as BatchResult;
  }

  #targetOf(part: readonly BatchOperation[]): Target {
    const asksLease = part.some(({ kind, command }) => kind === 'get' && command.fill !== undefined);
    return asksLease ? 'master' : this.#options.readFrom;
  }
}

function operationsAt({ operations }: Running, places: readonly number[]): BatchOperation[] {
  return places.map((place) => operations[place] as BatchOperation);
}

/** The places of each slice of a part. Where the Batch is small, so are its parts. */
function slicesOf(running: Running, places: readonly number[]): readonly (readonly number[])[] {
  if (running.turn === undefined) return [places];
  let from = 0;
  return partsOf(operationsAt(running, places)).map(({ length }) => {
    const slice = places.slice(from, from + length);
    from += length;
    return slice;
  });
}

/** The operations at these places that have no result yet have this error. */
function fail(running: Running, places: readonly number[], error: WalnutError): void {
  const errors = errorsOf(operationsAt(running, places), error);
  for (const [i, place] of places.entries()) running.results[place] ??= errors[i];
}

/** What there is when the time of the caller is nearly over. Throws where that is nothing. */
function answeredOf({ operations, results, sent }: Running): BatchResult[] {
  if (results.every((result) => result === undefined)) throw lateError(sent.size === 0);
  return operations.map(
    (_, place) => results[place] ?? { kind: 'error', error: lateError(!sent.has(place)) },
  );
}

/** The places of writes that this process named and the group answers ABORTED. */
function forgottenAt(part: readonly BatchOperation[], results: readonly BatchResult[]): number[] {
  return results.flatMap((result, place) => {
    const isForgotten = result.kind === 'error' && result.error.code === 'aborted';
    return isForgotten && needsName(part[place] as BatchOperation) ? [place] : [];
  });
}
