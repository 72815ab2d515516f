/**
 * The keys of a whole cluster as a `KeyValuePort`: each call goes to the group that owns its
 * key, and to the next owner where the group says that it does not any more.
 */
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  AwaitDurableCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DeletePrefixAnswer,
  DeletePrefixCommand,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  ReceiptOptions,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  UpdatesAnswer,
  WriteAnswer,
  WriteOperation,
} from '#model/commands.ts';
import { invalidArgument, WalnutError } from '#model/errors.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import { RECEIPT_TIMEOUT_MS_DEFAULT } from '#model/limits.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { formatPosition, type Position } from '#model/position.ts';
import type { RelayPort } from '#model/relay.ts';
import type { Seen } from '#model/seen.ts';
import { mapPosition } from '#model/told-position.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import type { CallWish } from '#model/wish.ts';
import type { BatchId, WriteId } from '#model/write-id.ts';
import { BatchCalls } from '#routing/batch-calls.ts';
import { type CallerOptions, CallPositions } from '#routing/call-positions.ts';
import type { CallKind, GroupCalls } from '#routing/group-calls.ts';
import { mergedWatch } from '#routing/merged-watch.ts';
import { untilOwned } from '#routing/moved.ts';
import { runNamed } from '#routing/named-call.ts';
import type { CallLimits, NodeKeys } from '#routing/node-keys.ts';
import { PagedKeys } from '#routing/paged-keys.ts';
import { Relay } from '#routing/relay.ts';
import { bytesOfAll, checkOneSlot, OPERATION_BYTES, waitOf, waitOfOperation } from '#routing/split-batch.ts';
import { hasUnclearWrite, untilClear } from '#routing/unclear.ts';

export interface ClusterKeysOptions extends Omit<CallerOptions, 'positions'> {
  /** See `CallWish`. */
  readonly seen?: Seen | undefined;
}

interface Write extends ReceiptOptions {
  readonly id?: WriteId | undefined;
}

type Send<C, A> = (link: NodeKeys, command: C, limits: CallLimits) => Promise<A>;

export class ClusterKeys implements KeyValuePort {
  readonly dividesBatches = true;
  /** The same keys for calls as bytes. */
  readonly relay: RelayPort;
  readonly #options: CallerOptions;
  readonly #batches: BatchCalls;
  readonly #pages: PagedKeys;

  /** Throws `invalid_argument` if the session has seen a group that there is not. */
  constructor(given: ClusterKeysOptions) {
    const options = { ...given, positions: new CallPositions(given.groups, given.seen) };
    this.#options = options;
    this.#batches = new BatchCalls(options);
    this.relay = new Relay({ ...options, batches: this.#batches });
    this.#pages = new PagedKeys(options);
  }

  withWish({ seen, readFrom, user }: CallWish): ClusterKeys {
    const { groups, clock } = this.#options;
    return new ClusterKeys({ groups, clock, readFrom: readFrom ?? this.#options.readFrom, seen, user });
  }

  get(command: GetCommand, signal?: AbortSignal): Promise<GetAnswer> {
    const { positions, readFrom, user } = this.#options;
    const { key, isLinearizable, fill } = command;
    // A linearizable read waits for QUORUM as long as a write would.
    const waitMs = command.waitMs || (isLinearizable === true ? RECEIPT_TIMEOUT_MS_DEFAULT : 0);
    const target = isLinearizable === true || fill !== undefined ? 'master' : readFrom;
    const kind: CallKind = {
      ...{ target, isRepeatable: true, isRead: fill === undefined, waitMs, signal, user },
      bytes: OPERATION_BYTES + key.length,
    };
    return this.#atKey(key, (group) =>
      positions.reading(group, key, command.atLeast, async (atLeast) => {
        const own = atLeast === command.atLeast ? command : { ...command, atLeast };
        const answer = await group.run(kind, ({ link, ...limits }) => link.get(own, limits));
        return { ...answer, asOf: group.told(answer.asOf) };
      }),
    );
  }

  set(command: SetCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    return this.#write(command, command.value.length, signal, (link, own, limits) => link.set(own, limits));
  }

  delete(command: DeleteCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    return this.#write(command, 0, signal, (link, own, limits) => link.delete(own, limits));
  }

  increment(command: IncrementCommand, signal?: AbortSignal): Promise<IncrementAnswer> {
    return this.#write(command, 0, signal, (link, own, limits) => link.increment(own, limits));
  }

  touch(command: TouchCommand, signal?: AbortSignal): Promise<TouchAnswer> {
    return this.#write(command, 0, signal, (link, own, limits) => link.touch(own, limits));
  }

  batch(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]> {
    return this.#batches.run(operations, signal);
  }

  async namedBatch(
    writes: readonly WriteOperation[],
    id: BatchId,
    signal?: AbortSignal,
  ): Promise<BatchResult[]> {
    const key = checkOneSlot(writes, 'a batch with one name');
    const { positions, user } = this.#options;
    const kind: CallKind = {
      ...{ target: 'master', isRepeatable: true, waitMs: Math.max(...writes.map(waitOfOperation)) },
      ...{ bytes: bytesOfAll(writes), signal, user },
    };
    return this.#atKey(key, async (group) => {
      const own = { ...id, since: await positions.since(group, id.since) };
      const results = await untilClear(
        (given: BatchResult[]) => hasUnclearWrite(given, () => writes),
        (check) =>
          group.run(kind, async ({ link, ...limits }) => check(await link.namedBatch(writes, own, limits))),
      );
      return results.map((result) => mapPosition(result, (position) => group.told(position)));
    });
  }

  async atomicBatch(command: AtomicBatchCommand, signal?: AbortSignal): Promise<AtomicBatchAnswer> {
    const key = checkOneSlot(command.operations, 'an atomic batch');
    const bytes = bytesOfAll(command.operations);
    const isRead = command.operations.every(({ kind }) => kind === 'get');
    const waitMs = Math.max(waitOf(command), ...command.operations.map(waitOfOperation));
    const { positions, user } = this.#options;
    const kind: CallKind = { target: 'master', isRepeatable: true, isRead, waitMs, bytes, signal, user };
    const send: Send<AtomicBatchCommand, AtomicBatchAnswer> = (link, own, limits) =>
      link.atomicBatch(own, limits);
    return this.#atKey(key, async (group) => {
      const operations = await positions.operationsFor(group, command.operations);
      const own = { ...command, operations };
      try {
        const answer = isRead
          ? await group.run(kind, ({ link, ...limits }) => send(link, own, limits))
          : await this.#writeTo(group, key, own, kind, send);
        const results = answer.results.map((result) => result && mapPosition(result, (at) => group.told(at)));
        return { ...answer, results, position: group.told(answer.position) };
      } catch (error) {
        throw positions.atomicError(group, command.operations, error);
      }
    });
  }

  scan(command: ScanCommand, signal?: AbortSignal): Promise<ScanAnswer> {
    return this.#pages.scan(command, signal);
  }

  deletePrefix(command: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer> {
    return this.#pages.deletePrefix(command, signal);
  }

  async getUpdates(): Promise<UpdatesAnswer> {
    throw new WalnutError(
      'failed_precondition',
      'GetUpdates is of one log, and a cluster has one for each group: use Watch here, or ask a node of the group',
      { nothingDone: true },
    );
  }

  /** Begins where the command says: `seen` is of reads at one moment. */
  watch(command: WatchCommand, signal: AbortSignal): AsyncIterable<WatchMessage> {
    return mergedWatch(this.#options, command, signal);
  }

  explain(command: ExplainCommand, signal: AbortSignal): Promise<ExplainAnswer> {
    const { key } = command;
    const bytes = OPERATION_BYTES + key.length;
    const { user } = this.#options;
    const kind: CallKind = {
      ...{ target: 'master', isRepeatable: true, isRead: true, waitMs: 0 },
      ...{ bytes, signal, user },
    };
    return this.#atKey(key, async (group) => {
      const answer = await group.run(kind, ({ link, ...limits }) => link.explain(command, limits));
      return { ...answer, asOf: group.told(answer.asOf) };
    });
  }

  async awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer> {
    const { groups, clock, user } = this.#options;
    const { position } = command;
    await groups.learnEpochOf(position);
    const group = groups.ofPosition(position) ?? onlyOne(groups.all);
    if (group === undefined) throw ofNoGroup(position, groups.isOfNobody(position));
    const kind: CallKind = {
      target: 'master',
      isRepeatable: true,
      isRead: true,
      waitMs: waitOf(command),
      bytes: OPERATION_BYTES,
      signal,
      user,
    };
    const { epoch, lsn } = position;
    const endMs = clock.monotonicMs() + kind.waitMs;
    const answer = await group.run(kind, ({ link, ...limits }) => {
      // Earlier attempts, and the wait for a group that does not answer, have used some of the time.
      const timeoutMs = Math.max(1, Math.ceil(endMs - clock.monotonicMs()));
      return link.awaitDurable({ ...command, position: { epoch, lsn }, timeoutMs }, limits);
    });
    return { ...answer, durable: group.told(answer.durable) };
  }

  #write<C extends Write & { readonly key: string }, A extends { readonly position: GetAnswer['asOf'] }>(
    command: C,
    valueBytes: number,
    signal: AbortSignal | undefined,
    send: Send<C, A>,
  ): Promise<A> {
    const { key } = command;
    const bytes = OPERATION_BYTES + key.length + valueBytes;
    const { user } = this.#options;
    const kind: CallKind = {
      ...{ target: 'master', isRepeatable: true, waitMs: waitOf(command) },
      ...{ bytes, signal, user },
    };
    return this.#atKey(key, async (group) => {
      const answer = await this.#writeTo(group, key, command, kind, send);
      return { ...answer, position: group.told(answer.position) };
    });
  }

  async #writeTo<C extends Write, A>(
    group: GroupCalls,
    key: string,
    command: C,
    kind: CallKind,
    send: Send<C, A>,
  ): Promise<A> {
    const { id } = command;
    if (id !== undefined) {
      const own = { ...command, id: { ...id, since: await this.#options.positions.since(group, id.since) } };
      return group.run(kind, ({ link, ...limits }) => send(link, own, limits));
    }
    return runNamed(
      group,
      kind,
      () => key,
      ({ link, ...limits }, own) => send(link, { ...command, id: own }, limits),
    );
  }

  /** Runs `work` at the group that owns the key. Where that group says that it does not own it, runs it at the next owner. */
  #atKey<T>(key: string, work: (group: GroupCalls) => Promise<T>): Promise<T> {
    const { groups, clock } = this.#options;
    return untilOwned(groups, clock, () => groups.ofKey(key), work);
  }
}

/** The error that a node would answer: what no history has is lost, and what may be of a group that did not say is not. `isDenied`: all have said. */
function ofNoGroup(position: Position, isDenied: boolean): WalnutError {
  const text = formatPosition(position);
  const details = { nothingDone: true } as const;
  if (position.lsn === 0) return invalidArgument(`position is ${text}: expected that of a write or a read`);
  if (!isDenied) {
    const message = `position ${text} is of no group that answers now: one of those that do not may have it`;
    return new WalnutError('unavailable', message, { ...details, isNotYet: true });
  }
  const message = `position ${text} is in the history of no group: what it saw may be gone`;
  return new WalnutError('discarded_history', message, details);
}

function onlyOne(groups: readonly GroupCalls[]): GroupCalls | undefined {
  return groups.length === 1 ? groups[0] : undefined;
}
