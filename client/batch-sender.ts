/**
 * Sends one Batch and gives each of its operations its own result or error. What one
 * Batch cannot answer is sent again: Gets that a replica refused together with writes,
 * Gets that a replica is too far behind for, Gets whose values did not fit, and writes
 * that a node cannot tell from repeats of forgotten ones.
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
import { type CallError, errorOf, notDone, toCallError } from './failures.ts';
import { ownerNamedBy } from './judge.ts';
import { isEncodable, isGet, isRepeatable, keyOf, type Operation, waitMsOf, writeOf } from './operations.ts';
import { WriteNames } from './write-names.ts';

interface Answered {
  readonly results: readonly BatchResult[];
  readonly address: string;
  readonly mayBeRepeat: boolean;
  /** The session's position that its Gets had. */
  readonly token: Position | undefined;
}

/** Operations that go once more, by why. */
interface Again {
  readonly tooLarge: PendingOperation[];
  readonly behind: PendingOperation[];
  readonly unknown: PendingOperation[];
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
    await this.#caller.named(this.#names, writes, firstKey(batch), () => this.#sendNamed(batch, target));
  }

  async #sendNamed(given: readonly PendingOperation[], target: Target, isRenewed = false): Promise<void> {
    const batch = this.#caller.session.unproven.length === 0 ? given : await this.#proven(given);
    if (batch.length === 0) return;
    try {
      const answered = await this.#call(batch, target);
      const again = this.#settle(batch, target, answered, isRenewed);
      if (again.behind.length > 0) this.#caller.onBehind(answered.address);
      await this.#sendAgain(again, target);
    } catch (error) {
      // If an operation cannot be encoded nothing was sent: fail that one and send the others.
      const fitting = batch.filter(isEncodable);
      if (fitting.length < batch.length) return this.#sendNamed(fitting, target);
      const reason = toCallError(error, { outcome: 'unknown', address: '', attempts: 1 });
      const shard = ownerNamedBy(reason);
      if (shard !== undefined) return this.#sendOwned(batch, shard, reason, target);
      // A replica refuses a whole Batch if it contains a write, and applies nothing: send the Gets again.
      const isRefused = reason.code === Code.FailedPrecondition && !batch.every(isGet);
      const gets = isRefused ? batch.filter(isGet) : [];
      for (const pending of batch) if (!isRefused || !isGet(pending)) pending.fail(ofCall(reason, pending));
      await this.#sendNamed(gets, target);
    }
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

  #call(batch: readonly PendingOperation[], target: Target): Promise<Answered> {
    const { token } = this.#caller.session;
    const operations = batch.map(({ operation }) => ({ operation: this.#withToken(operation, token) }));
    const waitMs = Math.max(...operations.map(({ operation }) => waitMsOf(operation)));
    const signal = endOf(batch);
    const isSafe = batch.every(({ operation }) => isRepeatable(operation));
    return this.#caller.run(
      {
        ...{ rpc: 'Batch', operations: batch.length, target, isRepeatable: isSafe, waitMs, signal },
        ...{ isRead: batch.every(isGet), isOfSession: true },
      },
      async (sent) => {
        const { results } = await sent.link.store.batch({ operations }, sent.options);
        if (results.length !== batch.length)
          throw new ConnectError(`${results.length} results for ${batch.length} operations`, Code.Internal);
        return { results, address: sent.address, mayBeRepeat: sent.mayBeRepeat, token };
      },
    );
  }

  #settle(batch: readonly PendingOperation[], target: Target, answered: Answered, isRenewed: boolean): Again {
    const again: Again = { tooLarge: [], behind: [], unknown: [] };
    const { token } = answered;
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
      if (isRead && code === Code.ResourceExhausted && batch.length > 1) again.tooLarge.push(pending);
      else if (isRead && code === Code.Unavailable && target !== 'master') again.behind.push(pending);
      else if (code !== Code.Aborted || answered.mayBeRepeat || !this.#isOurs(operation)) {
        if (isRead && operation.value.atLeast === undefined) this.#caller.onError(error, token);
        pending.fail(error);
      } else if (isRenewed) pending.fail(notDone(error));
      else again.unknown.push(pending);
    }
    return again;
  }

  async #sendAgain({ tooLarge, behind, unknown }: Again, target: Target): Promise<void> {
    // An answer is limited in bytes of values; a Get that did not fit is repeated alone.
    for (const pending of tooLarge) await this.#sendNamed([pending], target);
    // The master has every position that a session can have.
    await this.#sendNamed(behind, 'master');
    if (unknown.length > 0) await this.#renew(unknown, target);
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

/** Aborts when all callers have given up; undefined where one cannot. */
function endOf(batch: readonly PendingOperation[]): AbortSignal | undefined {
  if (!batch.every(({ isAbortable }) => isAbortable)) return undefined;
  const aborter = new AbortController();
  const end = (): void => {
    if (batch.every(({ isGivenUp }) => isGivenUp)) aborter.abort();
  };
  for (const pending of batch) pending.onGivenUp = end;
  return aborter.signal;
}

/** A read that carries the token of the session. */
function isOfSession({ operation }: PendingOperation): boolean {
  return operation.case === 'get' && operation.value.atLeast === undefined;
}

function firstKey(batch: readonly PendingOperation[]): string {
  return keyOf((batch[0] as PendingOperation).operation);
}

/** The error of a whole Batch, said of one operation: a Get has no effect that could be unknown. */
function ofCall(error: CallError, pending: PendingOperation): CallError {
  return isGet(pending) ? notDone(error) : error;
}
