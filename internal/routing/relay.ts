/**
 * Calls passed on to the groups as bytes, by the routes, names and queues of all other calls.
 * What is not the common case goes the way of commands: a position whose group is not known yet,
 * and what a group does not own any more.
 */
import type { BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type {
  BatchMessage,
  EncodedAnswer,
  KeepsPosition,
  OneMessage,
  RelayedBatch,
  RelayedMessage,
  RelayedOne,
  RelayedPart,
  RelayedResults,
  RelayPort,
} from '#model/relay.ts';
import { mapPosition } from '#model/told-position.ts';
import type { WriteId } from '#model/write-id.ts';
import type { Clock } from '#platform/clock.ts';
import { earlySignal } from '#platform/early-signal.ts';
import type { BatchCalls } from '#routing/batch-calls.ts';
import type { CallKind, GroupAttempt, GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { Groups } from '#routing/groups.ts';
import { errorsOf, inTime, lateError } from '#routing/in-time.ts';
import { isMoved, untilOwned } from '#routing/moved.ts';
import { runNamed } from '#routing/named-call.ts';
import { OPERATION_BYTES, withNames } from '#routing/split-batch.ts';
import { hasUnclearWrite, untilClear } from '#routing/unclear.ts';

export interface RelayOptions {
  readonly groups: Groups;
  readonly clock: Clock;
  readonly readFrom: ReadPolicy;
  readonly batches: BatchCalls;
}

interface Part {
  readonly calls: GroupCalls;
  readonly message: BatchMessage;
  /** Its writes may have been sent. */
  isSent: boolean;
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
  ): Promise<EncodedAnswer> | undefined {
    const { groups, clock } = this.#options;
    if (!this.#knowsAll(call)) return undefined;
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
    leftMs?: number | undefined,
  ): Promise<RelayedPart[]> | undefined {
    if (!this.#knowsAll(batch)) return undefined;
    const parts = this.#divide(batch);
    const ends = signal && earlySignal(signal, leftMs, this.#options.clock);
    const [only] = parts;
    if (only !== undefined && parts.length === 1)
      return this.#results(only, ends, user).then((results) => [partOf(only, results)]);
    return this.#all(parts, ends, user);
  }

  /** Operations without an answer get errors when the time of the caller is nearly over. */
  async #all(
    parts: readonly Part[],
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<RelayedPart[]> {
    const all = new Array<RelayedResults | undefined>(parts.length);
    const work = parts.map(async (part, i) => {
      all[i] = await this.#resultsOrErrors(part, signal, user);
    });
    await inTime(Promise.all(work), signal, this.#options.clock);
    return parts.map((part, i) => partOf(part, all[i] ?? failed(part, lateError(!part.isSent))));
  }

  /** The other way asks the groups whose a position is. */
  #knowsAll(call: RelayedOne | RelayedBatch): boolean {
    if (!call.hasPositions) return true;
    for (const position of call.positions())
      if (this.#options.groups.ofPosition(position) === undefined) return false;
    return true;
  }

  #keepsFor(group: GroupCalls): KeepsPosition {
    const { groups } = this.#options;
    return (position) => groups.positionFor(group, position) !== undefined;
  }

  #divide(batch: RelayedBatch): Part[] {
    const { groups } = this.#options;
    const owner = groups.ofEverySlot;
    if (owner !== undefined) return [{ calls: owner, message: batch.whole(), isSent: false }];
    const parts = batch.divide((slot) => groups.ofSlot(slot));
    return Array.from(parts, ([calls, message]) => ({ calls, message, isSent: false }));
  }

  async #one(calls: GroupCalls, kind: CallKind, message: OneMessage): Promise<EncodedAnswer> {
    const keeps = this.#keepsFor(calls);
    const read = (answer: Uint8Array): EncodedAnswer => message.read(answer, calls.id);
    const send = (attempt: GroupAttempt, ids: readonly WriteId[]): Promise<EncodedAnswer> =>
      attempt.link.pass(message.method, message.encode(ids, keeps), attempt, read);
    const answer =
      message.unnamed === 0
        ? await calls.run(kind, (attempt) => send(attempt, []))
        : await runNamed(
            calls,
            kind,
            () => message.key(),
            (attempt, id) => send(attempt, [id]),
          );
    return noted(calls, answer);
  }

  async #resultsOrErrors(
    part: Part,
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<RelayedResults> {
    try {
      return await this.#results(part, signal, user);
    } catch (error) {
      if (!(error instanceof WalnutError)) throw error;
      return failed(part, error);
    }
  }

  async #results(
    part: Part,
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<RelayedResults> {
    const { calls: group, message } = part;
    const kind = this.#kindOf(message, signal, user);
    try {
      if (message.hasOneName) return await this.#sendNamed(part, kind);
      return await group.named(
        message.unnamed,
        kind,
        () => message.key(),
        (ids) => {
          part.isSent = !message.isRead;
          return this.#send(group, { ...kind, bytes: undefined }, message, ids);
        },
      );
    } catch (error) {
      if (!isMoved(error)) throw error;
      // A Batch with a key of another group is refused whole, with nothing done.
      const { groups, batches } = this.#options;
      await groups.owners.learn(error.details.shard, group.id);
      return { kind: 'decoded', results: await batches.run(message.commands(), signal, user) };
    }
  }

  async #sendNamed(part: Part, kind: CallKind): Promise<RelayedResults> {
    const { calls: group, message } = part;
    const keeps = this.#keepsFor(group);
    const read = (answer: Uint8Array): RelayedResults => message.read(answer, group.id);
    const answered = await untilClear(
      (given: RelayedResults) => isUnclearFor(message, given),
      (check) =>
        runNamed(
          group,
          kind,
          () => message.key(),
          async (attempt, id) => {
            part.isSent = true;
            return check(await attempt.link.pass(message.method, message.encode([id], keeps), attempt, read));
          },
        ),
    );
    if (answered.kind === 'decoded')
      return { ...answered, results: answered.results.map((result) => toldBy(group, result)) };
    return noted(group, answered);
  }

  async #send(
    group: GroupCalls,
    kind: CallKind,
    message: BatchMessage,
    ids: readonly WriteId[],
  ): Promise<RelayedResults> {
    const bytes = message.encode(ids, this.#keepsFor(group));
    const read = (answer: Uint8Array): RelayedResults => message.read(answer, group.id);
    let [mayBeRepeat, address] = [false, ''];
    const answered = await untilClear(
      (given: RelayedResults) => isUnclearFor(message, given),
      (check) =>
        group.run(kind, async (attempt) => {
          mayBeRepeat ||= attempt.mayBeRepeat;
          ({ address } = attempt);
          return check(await attempt.link.pass(message.method, bytes, attempt, read));
        }),
    );
    if (answered.kind === 'encoded') return noted(group, answered);
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

/** If a part fails as a whole, its error is that of each of its operations. */
function failed({ message }: Part, error: WalnutError): RelayedResults {
  return { kind: 'decoded', results: errorsOf(message.commands(), error) };
}

function partOf({ message }: Part, results: RelayedResults): RelayedPart {
  return { message, results };
}

function isUnclearFor(message: BatchMessage, given: RelayedResults): boolean {
  return given.kind === 'decoded' && hasUnclearWrite(given.results, () => message.commands());
}

/** The same answer, whose position is known of the group from now on. */
function noted(group: GroupCalls, answered: EncodedAnswer): EncodedAnswer {
  if (answered.position !== undefined) group.observe(answered.position);
  return answered;
}

function toldBy(group: GroupCalls, result: BatchResult): BatchResult {
  return mapPosition(result, (position) => group.told(position));
}
