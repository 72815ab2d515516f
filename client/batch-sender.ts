/**
 * Sends one Batch and gives each of its operations its own result or error. What one
 * Batch cannot answer is sent again: Gets that a replica refused together with writes,
 * Gets that a replica is too far behind for, what has answers that did not fit, writes
 * that a node cannot tell from repeats of forgotten ones, what a gateway had no
 * answer for in the time of the attempt, and what shared a Batch with a call for which
 * the whole was refused.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { slotOfKey } from '#cluster/slot-hash.ts';
import type { BatchResult } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import type { ShardOwner } from '#model/shard-owner.ts';
import type { Random } from '#platform/random.ts';
import type { Target } from '#routing/group-routes.ts';
import type { PendingOperation } from './batch-queue.ts';
import type { Caller } from './caller.ts';
import { type CallError, errorOf, isRefusal, notDone, toCallError } from './failures.ts';
import { isOfMessage, ownerNamedBy } from './judge.ts';
import { isLate, lateError } from './late-results.ts';
import {
  answersEntry,
  isEncodable,
  isGet,
  isRepeatable,
  keyOf,
  type Operation,
  waitMsOf,
  writeOf,
} from './operations.ts';
import { WriteNames } from './write-names.ts';

/** Operations that were answered in one attempt, with their results. */
interface Answered {
  readonly batch: readonly PendingOperation[];
  readonly results: readonly BatchResult[];
  readonly address: string;
  readonly mayBeRepeat: boolean;
  /** How often the call was sent. */
  readonly attempts: number;
  /** The session's position that its Gets had. */
  readonly token: Position | undefined;
}

/** Operations that go once more, by why. */
interface Again {
  readonly tooLarge: PendingOperation[];
  readonly behind: PendingOperation[];
  readonly unknown: PendingOperation[];
  /** An earlier attempt may have carried them out. */
  readonly doubtful: { readonly pending: PendingOperation; readonly error: CallError }[];
}

/** What nodes refuse by reason of the key alone. */
const OF_KEY: ReadonlySet<Code> = new Set([Code.PermissionDenied, Code.InvalidArgument]);

export class BatchSender {
  readonly #caller: Caller;
  readonly #names: WriteNames;
  /** How long a Get waits on a node that is behind the session, milliseconds. */
  readonly #waitMs: number;

  constructor(caller: Caller, random: Random, waitMs: number) {
    this.#caller = caller;
    this.#names = new WriteNames(random);
    this.#waitMs = waitMs;
  }

  /** Settles every operation. Never rejects. */
  async send(given: readonly PendingOperation[], target: Target): Promise<void> {
    const batch = given.filter(({ isGivenUp }) => !isGivenUp);
    if (batch.length === 0) return;
    for (const pending of batch) pending.isSent = true;
    const writes = batch.flatMap(({ operation }) => writeOf(operation) ?? []);
    const send = (): Promise<void> => this.#sendNamed(batch, target);
    const sent = this.#caller.named(this.#names, writes, firstKey(batch), send);
    await sent.catch((error: CallError) => {
      for (const pending of batch) pending.fail(error);
    });
  }

  async #sendNamed(given: readonly PendingOperation[], target: Target, isRenewed = false): Promise<void> {
    const batch = this.#caller.session.unproven.length === 0 ? given : await this.#proven(given);
    if (batch.length === 0) return;
    const again: Again = { tooLarge: [], behind: [], unknown: [], doubtful: [] };
    /** What has no answer yet. */
    let open = batch;
    const take = (answered: Answered, late: readonly PendingOperation[]): void => {
      open = late;
      this.#settle(target, answered, isRenewed, again);
    };
    try {
      await this.#call(batch, target, take);
    } catch (error) {
      await this.#afterFailure(open, error, target);
    }
    await this.#sendAgain(again, target);
  }

  async #afterFailure(batch: readonly PendingOperation[], error: unknown, target: Target): Promise<void> {
    // If an operation cannot be encoded nothing was sent: fail that one and send the others.
    const fitting = batch.filter(isEncodable);
    if (fitting.length < batch.length) return this.#sendNamed(fitting, target);
    const reason = toCallError(error, { outcome: 'unknown', address: '', attempts: 1 });
    const shard = ownerNamedBy(reason);
    if (shard !== undefined) return this.#sendOwned(batch, shard, reason, target);
    if (batch.length > 1 && isOfMessage(reason)) return this.#sendHalves(batch, target);
    // A replica refuses a whole Batch if it contains a write, and applies nothing: send the Gets again.
    const isRefused = reason.code === Code.FailedPrecondition && !batch.every(isGet);
    const gets = isRefused ? batch.filter(isGet) : [];
    for (const pending of batch) if (!isRefused || !isGet(pending)) pending.fail(ofCall(reason, pending));
    await this.#sendNamed(gets, target);
  }

  /** Nothing was done, and one call may be the reason: it is found by halves, in their order. */
  async #sendHalves(batch: readonly PendingOperation[], target: Target): Promise<void> {
    const middle = batch.length >> 1;
    await this.#sendNamed(batch.slice(0, middle), target);
    await this.#sendNamed(batch.slice(middle), target);
  }

  /**
   * The group refused all, with nothing done, since it does not own one of the keys. Those
   * of other groups fail, and `ClusterKeys` sends them there; the others go again.
   */
  async #sendOwned(
    batch: readonly PendingOperation[],
    shard: ShardOwner,
    reason: CallError,
    target: Target,
  ): Promise<void> {
    const { ownership } = this.#caller;
    await ownership?.learn(shard);
    const kept = batch.filter(({ operation }) => {
      const key = keyOf(operation);
      return slotOfKey(key) !== shard.slot && ownership?.owns(key) !== false;
    });
    // Each refusal takes some away; one of a slot that no key has is of all.
    const going = new Set(kept.length < batch.length ? kept : []);
    for (const pending of batch) {
      if (going.has(pending)) continue;
      const write = writeOf(pending.operation);
      if (write !== undefined) this.#names.takeBack(write);
      pending.fail(notDone(reason));
    }
    await this.#sendNamed([...going], target);
  }

  /** Without the Gets that are told, instead of an answer, that what the session saw before is gone. */
  async #proven(batch: readonly PendingOperation[]): Promise<readonly PendingOperation[]> {
    const reads = batch.filter(isOfSession);
    const failed = new Set<PendingOperation>();
    for (const read of reads) {
      try {
        await this.#caller.prove(keyOf(read.operation));
        break;
      } catch (thrown) {
        const error = thrown as CallError;
        // A refusal of this key says nothing of the others.
        const told = OF_KEY.has(error.code) ? [read] : reads.filter((one) => !failed.has(one));
        for (const one of told) {
          failed.add(one);
          one.fail(error);
        }
        if (failed.size === reads.length) break;
      }
    }
    return batch.filter((one) => !failed.has(one));
  }

  /**
   * `take`: called with what an attempt answered, and with what it had no answer for. Of that a gateway
   * says DEADLINE_EXCEEDED; it goes with the next attempt, if the Batch may be repeated.
   */
  async #call(
    batch: readonly PendingOperation[],
    target: Target,
    take: (answered: Answered, late: readonly PendingOperation[]) => void,
  ): Promise<void> {
    const { token } = this.#caller.session;
    let attempts = 0;
    let open = batch;
    let operations = batch.map(({ operation }) => ({ operation: this.#withToken(operation, token) }));
    const waitMs = Math.max(...operations.map(({ operation }) => waitMsOf(operation)));
    const ends = new AbortController();
    // The call ends when all callers have given up who have no answer yet.
    const end = (): void => {
      if (open.every(({ isGivenUp }) => isGivenUp)) ends.abort();
    };
    const isAbortable = batch.every((pending) => pending.isAbortable);
    if (isAbortable) for (const pending of batch) pending.onGivenUp = end;
    const signal = isAbortable ? ends.signal : undefined;
    const isSafe = batch.every(({ operation }) => isRepeatable(operation));
    const last = await this.#caller.run(
      {
        ...{ rpc: 'Batch', operations: batch.length, target, isRepeatable: isSafe, waitMs, signal },
        ...{ isRead: batch.every(isGet), isOfSession: true },
      },
      async (sent) => {
        attempts++;
        const { results } = await sent.link.store.batch({ operations }, sent.options);
        if (results.length !== open.length)
          throw new ConnectError(`${results.length} results for ${open.length} operations`, Code.Internal);
        const told = { address: sent.address, mayBeRepeat: sent.mayBeRepeat, attempts, token };
        if (!isSafe || !results.some(isLate)) return { ...told, batch: open, results };
        const isOpen = (_: unknown, i: number): boolean => isLate(results[i]);
        const isAnswered = (_: unknown, i: number): boolean => !isOpen(_, i);
        const answered = { batch: open.filter(isAnswered), results: results.filter(isAnswered) };
        open = open.filter(isOpen);
        operations = operations.filter(isOpen);
        take({ ...told, ...answered }, open);
        end();
        throw lateError(results.filter(isOpen));
      },
    );
    // What the answer says of the whole session is known by now.
    take(last, []);
  }

  #settle(target: Target, answered: Answered, isRenewed: boolean, again: Again): void {
    const { batch, token } = answered;
    const behind = again.behind.length;
    for (const [i, { result }] of answered.results.entries()) {
      const pending = batch[i] as PendingOperation;
      const { operation } = pending;
      if (result.case !== undefined && result.case === operation.case) {
        pending.settle(
          result.value,
          operation.case === 'get' ? (operation.value.atLeast ?? token) : undefined,
        );
        continue;
      }
      const isRead = operation.case === 'get';
      const error = errorOf(result, { ...answered, isRead });
      const { code } = error;
      const isTooLarge = code === Code.ResourceExhausted && (isRead || isAnswerLost(operation, result));
      if (isTooLarge && batch.length > 1) again.tooLarge.push(pending);
      else if (isRead && code === Code.Unavailable && target !== 'master') again.behind.push(pending);
      else if (code !== Code.Aborted || !this.#isOurs(operation)) {
        if (isRead && operation.value.atLeast === undefined) this.#caller.onError(error, token);
        pending.fail(error);
      } else if (answered.mayBeRepeat) again.doubtful.push({ pending, error });
      else if (isRenewed) pending.fail(notDone(error));
      else again.unknown.push(pending);
    }
    if (again.behind.length > behind) this.#caller.onBehind(answered.address);
  }

  async #sendAgain({ tooLarge, behind, unknown, doubtful }: Again, target: Target): Promise<void> {
    /** By the position with which writes were named: many writes share one. */
    const lost = new Map<string, CallError | undefined>();
    for (const { pending, error } of doubtful) {
      const { epoch, lsn } = writeOf(pending.operation)?.since ?? { epoch: 0n, lsn: 0n };
      const since = `${epoch}-${lsn}`;
      if (!lost.has(since)) lost.set(since, await this.#lossOf(pending));
      pending.fail(lost.get(since) ?? error);
    }
    // An answer is limited in bytes of values: what did not fit is repeated alone, a write under its name.
    for (const pending of tooLarge) await this.#sendNamed([pending], target);
    // The master has every position that a session can have.
    await this.#sendNamed(behind, 'master');
    if (unknown.length > 0) await this.#renew(unknown, target);
  }

  /**
   * The loss of a write that the group answers by ABORTED, and of which an attempt may have been carried
   * out: where a failover discarded the position that the client had before, it discarded every attempt
   * with it, which came after it. Undefined: nothing is known of such a loss.
   */
  async #lossOf({ operation }: PendingOperation): Promise<CallError | undefined> {
    const since = writeOf(operation)?.since;
    if (since === undefined) return undefined;
    try {
      await this.#caller.ask(keyOf(operation), 'master', since);
      return undefined;
    } catch (error) {
      this.#caller.onError(error as CallError, since);
      return (error as CallError).code === Code.DataLoss ? notDone(error as CallError) : undefined;
    }
  }

  /**
   * The node cannot tell first attempts from repeats that it forgot: the position that
   * they were sent with is too old, or of another history. A newer one shows what they are.
   */
  async #renew(unknown: readonly PendingOperation[], target: Target): Promise<void> {
    let lost = await this.#caller.learnPosition(firstKey(unknown));
    // Behind a gateway each key may be of another group.
    if (this.#caller.session.isOfGroups)
      for (const { operation } of unknown.slice(1))
        lost ??= await this.#caller.learnPosition(keyOf(operation));
    for (const { operation, fail } of unknown) {
      if (lost !== undefined) fail(notDone(lost));
      const write = writeOf(operation);
      if (write !== undefined && this.#caller.session.token !== undefined)
        write.since = this.#caller.session.token;
    }
    if (lost === undefined) await this.#sendNamed(unknown, target, true);
  }

  #isOurs(operation: Operation): boolean {
    const write = writeOf(operation);
    return write !== undefined && this.#names.isOurs(write);
  }

  #withToken(operation: Operation, token: Position | undefined): Operation {
    const { isOfGroups } = this.#caller.session;
    const isAsked = token !== undefined || isOfGroups;
    if (operation.case !== 'get' || !isAsked || operation.value.atLeast !== undefined) return operation;
    const waitMs = operation.value.waitMs === 0 ? this.#waitMs : operation.value.waitMs;
    return { case: 'get', value: { ...operation.value, atLeast: token, waitMs } };
  }
}

/** A read that carries the token of the session. */
function isOfSession({ operation }: PendingOperation): boolean {
  return operation.case === 'get' && operation.value.atLeast === undefined;
}

/** True if a write may have been carried out, and only its answer had no room; under its name it can be asked for. */
function isAnswerLost(operation: Operation, result: BatchResult['result']): boolean {
  return answersEntry(operation) && isRepeatable(operation) && !isRefusal(result);
}

function firstKey(batch: readonly PendingOperation[]): string {
  return keyOf((batch[0] as PendingOperation).operation);
}

/** The error of a whole Batch, said of one operation: a Get has no effect that could be unknown. */
function ofCall(error: CallError, pending: PendingOperation): CallError {
  return isGet(pending) ? notDone(error) : error;
}
