/**
 * Calls passed on to the groups as bytes, by the routes, names and queues of all other calls.
 * What is not the common case goes the way of commands: a position whose group is not known yet,
 * and what a group does not own any more.
 */
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import type {
  BatchMessage,
  EncodedAnswer,
  KeepsPosition,
  OneMessage,
  RelayedAnswer,
  RelayedBatch,
  RelayedMessage,
  RelayedOne,
  RelayedPart,
  RelayedResults,
  RelayPort,
} from '#model/relay.ts';
import type { WriteId } from '#model/write-id.ts';
import type { Clock } from '#platform/clock.ts';
import type { BatchCalls } from '#routing/batch-calls.ts';
import type { CallKind, GroupAttempt, GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { Groups } from '#routing/groups.ts';
import { isMoved, untilOwned } from '#routing/moved.ts';
import { runNamed } from '#routing/named-call.ts';
import { OPERATION_BYTES, withNames } from '#routing/split-batch.ts';

export interface RelayOptions {
  readonly groups: Groups;
  readonly clock: Clock;
  readonly readFrom: ReadPolicy;
  readonly batches: BatchCalls;
}

interface Part {
  readonly calls: GroupCalls;
  readonly places: readonly number[];
  readonly message: BatchMessage;
}

export class Relay implements RelayPort {
  readonly #options: RelayOptions;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  one(
    call: RelayedOne,
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<RelayedAnswer> | undefined {
    const { groups, clock } = this.#options;
    if (!this.#knowsAll(call.positions())) return undefined;
    const { slot } = call;
    const message = call.message();
    const kind = this.#kindOf(message, signal, user);
    return untilOwned(
      groups,
      clock,
      () => groups.ofSlot(slot),
      (group) => this.#one(group, kind, message),
    );
  }

  batch(
    batch: RelayedBatch,
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<RelayedPart[]> | undefined {
    if (!this.#knowsAll(batch.positions())) return undefined;
    const parts = this.#divide(batch);
    const [only] = parts;
    if (only !== undefined && parts.length === 1)
      return this.#results(only, signal, user).then((results) => [partOf(only, results)]);
    return Promise.all(
      parts.map(async (part) => partOf(part, await this.#resultsOrErrors(part, signal, user))),
    );
  }

  /** The other way asks the groups whose a position is. */
  #knowsAll(positions: Iterable<Position>): boolean {
    for (const position of positions)
      if (this.#options.groups.ofPosition(position) === undefined) return false;
    return true;
  }

  #keepsFor(group: GroupCalls): KeepsPosition {
    const { groups } = this.#options;
    return (position) => groups.positionFor(group, position) !== undefined;
  }

  #divide(batch: RelayedBatch): Part[] {
    const { groups } = this.#options;
    const parts = new Map<GroupCalls, number[]>();
    for (let place = 0; place < batch.count; place++) {
      const group = groups.ofSlot(batch.slotOf(place));
      const places = parts.get(group);
      if (places === undefined) parts.set(group, [place]);
      else places.push(place);
    }
    return [...parts].map(([calls, places]) => ({
      calls,
      places,
      message: batch.message(places),
    }));
  }

  async #one(calls: GroupCalls, kind: CallKind, message: OneMessage): Promise<RelayedAnswer> {
    const keeps = this.#keepsFor(calls);
    const send = async ({ link, ...limits }: GroupAttempt, ids: readonly WriteId[]): Promise<EncodedAnswer> =>
      message.read(await link.pass(message.method, message.encode(ids, keeps), limits));
    const answer =
      message.unnamed === 0
        ? await calls.run(kind, (attempt) => send(attempt, []))
        : await runNamed(
            calls,
            kind,
            () => message.key(),
            (attempt, id) => send(attempt, [id]),
          );
    if (answer.position !== undefined) calls.observe(answer.position);
    return { group: calls.id, answer };
  }

  /** What a part fails by as a whole is the error of each of its operations. */
  async #resultsOrErrors(
    part: Part,
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<RelayedResults> {
    try {
      return await this.#results(part, signal, user);
    } catch (error) {
      if (!(error instanceof WalnutError)) throw error;
      return { kind: 'decoded', results: part.places.map(() => ({ kind: 'error', error })) };
    }
  }

  async #results(
    { calls: group, message }: Part,
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<RelayedResults> {
    const kind = this.#kindOf(message, signal, user);
    try {
      return await group.named(
        message.unnamed,
        kind.bytes ?? 0,
        () => message.key(),
        (ids) => this.#send(group, { ...kind, bytes: undefined }, message, ids),
      );
    } catch (error) {
      if (!isMoved(error)) throw error;
      // A Batch with a key of another group is refused whole, with nothing done.
      const { groups, batches } = this.#options;
      await groups.owners.learn(error.details.shard, group.id);
      return { kind: 'decoded', results: await batches.run(message.commands(), signal, user) };
    }
  }

  async #send(
    group: GroupCalls,
    kind: CallKind,
    message: BatchMessage,
    ids: readonly WriteId[],
  ): Promise<RelayedResults> {
    const bytes = message.encode(ids, this.#keepsFor(group));
    let [mayBeRepeat, address] = [false, ''];
    const answered = await group.run(kind, async ({ link, ...attempt }) => {
      mayBeRepeat ||= attempt.mayBeRepeat;
      ({ address } = attempt);
      return message.read(await link.pass(message.method, bytes, attempt));
    });
    if (answered.kind === 'encoded') {
      if (answered.position !== undefined) group.observe(answered.position);
      return answered;
    }
    const commands = message.commands();
    const { results } = answered;
    const named = withNames(commands, ids);
    const first = { results, mayBeRepeat, address };
    const settled = await this.#options.batches.settle(group, kind, commands, named, first);
    return { kind: 'decoded', results: settled };
  }

  #kindOf(message: RelayedMessage, signal: AbortSignal | undefined, user: string | undefined): CallKind {
    const { operations, isRead, waitMs } = message;
    return {
      target: isRead ? this.#options.readFrom : 'master',
      isRepeatable: true,
      isRead,
      waitMs,
      bytes: operations * OPERATION_BYTES + message.bytes,
      signal,
      user,
    };
  }
}

function partOf({ calls, places, message }: Part, results: RelayedResults): RelayedPart {
  return { group: calls.id, places, message, results };
}
