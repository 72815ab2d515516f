/**
 * The order of a client's calls. Writes, and reads of the master, take effect in the
 * order of their calls. Reads of other nodes go beside them, unless a write of their key
 * is not answered yet. A call that may wait for other nodes goes after those before it, by
 * itself or with writes that wait for the same; if it writes, later calls of its keys wait for it.
 */
import type { BatchRequest, BatchResponse, GetRequest } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import type { Random } from '#platform/random.ts';
import type { Target } from '#routing/group-routes.ts';
import type { PendingOperation, QueueLimits } from './batch-queue.ts';
import { BatchSender } from './batch-sender.ts';
import type { Caller } from './caller.ts';
import { type CallError, givenUp, invalid, toCallError } from './failures.ts';
import { orGivenUp, type Sending } from './give-up.ts';
import { ownerNamedBy } from './judge.ts';
import { KeyOrder, type Turn } from './key-order.ts';
import type { Value } from './keys.ts';
import { Lane } from './lane.ts';
import { isLone, sendLoneGet } from './lone-get.ts';
import {
  answersEntry,
  checkText,
  getsOf,
  isEncodable,
  keyOf,
  mayWait,
  type Operation,
  receiptWaitMs,
  sizeOf,
  waitMsOf,
  waitsForNodes,
  writeOf,
} from './operations.ts';
import { loadOf, Places } from './places.ts';
import { SharedWaits } from './shared-waits.ts';
import { hasName, WriteNames } from './write-names.ts';

export interface DispatcherOptions {
  readonly caller: Caller;
  readonly random: Random;
  readonly limits: QueueLimits;
  readonly readFrom: Target;
  /** True if `hasWrite` is asked. */
  readonly countsWrites: boolean;
  /** How long a Get waits on a node that is behind the session, milliseconds. */
  readonly waitMs: number;
}

/** Batches of reads under way at once, so that no other waits for one that waits for a replica. */
const READS_MAX = 8;
/** Calls that may wait, at once. A connection has 256 streams, and what they wait for needs one. */
const WAITING_MAX = 64;

/** A call that may wait for other nodes, so that no other of the lanes waits for it. */
interface Aside extends Omit<Turn, 'begin'> {
  readonly bytes: number;
  /** Settles the call. Rejects, and has done nothing, if too much waits. */
  readonly send: () => Promise<void>;
}

export class Dispatcher {
  readonly #caller: Caller;
  readonly #readFrom: Target;
  readonly #order: Lane;
  readonly #reads: Lane;
  readonly #keys: KeyOrder;
  readonly #alone: BatchSender;
  readonly #atomicNames: WriteNames;
  readonly #places: Places;
  readonly #shared: SharedWaits;
  /** Apart from the others, since a Get with a fill lease may wait for a write of this client. */
  readonly #fills: Places;
  readonly #countsWrites: boolean;
  readonly #waitMs: number;
  /** Writes of each key that are not answered, if reads may go elsewhere. */
  readonly #writes = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();

  constructor({ caller, random, limits, readFrom, countsWrites, waitMs }: DispatcherOptions) {
    const ordered = new BatchSender(caller, random, waitMs);
    this.#caller = caller;
    this.#readFrom = readFrom;
    this.#waitMs = waitMs;
    this.#countsWrites = countsWrites || readFrom !== 'master';
    this.#alone = new BatchSender(caller, random, waitMs);
    this.#atomicNames = new WriteNames(random);
    this.#keys = new KeyOrder(limits.queuedOperationsMax);
    this.#places = new Places(WAITING_MAX, limits);
    const send = (batch: readonly PendingOperation[]): Promise<void> => this.#alone.send(batch, 'master');
    this.#shared = new SharedWaits({ places: this.#places, limits, send });
    this.#fills = new Places(WAITING_MAX, limits);
    this.#order = new Lane({ limits, batchesMax: 1, send: (batch) => ordered.send(batch, 'master') });
    this.#reads = new Lane({
      limits,
      batchesMax: READS_MAX,
      send: (batch) => ordered.send(batch, readFrom),
    });
  }

  /** Resolves with the operation's result. */
  call(operation: Operation, signal: AbortSignal | undefined): Promise<Value> {
    const key = keyOf(operation);
    return new Promise<Value>((resolve, reject) => {
      checkText(operation);
      if (signal?.aborted === true) throw givenUp('not_done');
      const pending = this.#pendingOf(operation, signal, resolve, reject);
      if (operation.case === 'get' && operation.value.fillLeaseMs > 0)
        this.#fill(pending, operation.value, signal);
      else this.#begin(pending, key, signal);
    });
  }

  /** An atomic Batch, which goes by itself. */
  atomic(request: BatchRequest, signal: AbortSignal | undefined): Promise<BatchResponse> {
    const keys = [...new Set(request.operations.map(({ operation }) => keyOf(operation)))];
    const sending: Sending = { isSent: false };
    const answer = new Promise<BatchResponse>((resolve, reject) => {
      if (!request.requestId.isWellFormed())
        throw invalid('ill-formed text: request_id has lone surrogates, expected none');
      const bytes = request.operations.reduce((sum, one) => sum + sizeOf(one.operation), 0);
      const begin = (): Promise<void> => this.#sendAtomic(request, signal, sending).then(resolve, reject);
      if (waitsForNodes(request)) {
        const send = (): Promise<void> => this.#places.run(loadOf(bytes), begin);
        this.#aside({ keys, keepsKeys: true, bytes, send, fail: reject });
      } else {
        const push = (): void => this.#order.push({ kind: 'alone', bytes, begin });
        this.#keys.enter({ keys, keepsKeys: false, begin: push, fail: reject });
      }
    });
    return orGivenUp(answer, signal, sending);
  }

  /** Runs `work` after the calls before it; `signal` ends the wait for those. */
  async afterEarlier<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) throw givenUp('not_done');
    await orGivenUp(this.#order.settled(), signal);
    return work();
  }

  /** Resolves when everything that was called before is settled, what goes alone too. */
  async settled(): Promise<void> {
    do {
      await Promise.all(this.#underWay);
      // Calls of the same keys, which waited for those, are in the lanes by now.
      await Promise.all([this.#order.settled(), this.#reads.settled()]);
    } while (this.#underWay.size > 0);
  }

  #begin(pending: PendingOperation, key: string, signal: AbortSignal | undefined): void {
    const { operation, bytes, fail } = pending;
    const isWrite = writeOf(operation) !== undefined;
    if (mayWait(operation)) {
      const target = isWrite ? 'master' : this.#targetOf(key);
      const send = (): Promise<void> => this.#sendWaiting(pending, target, signal);
      this.#aside({ keys: [key], keepsKeys: isWrite, bytes, send, fail });
      return;
    }
    const lane = !isWrite && this.#targetOf(key) !== 'master' ? this.#reads : this.#order;
    this.#keys.enter({ keys: [key], keepsKeys: false, begin: () => lane.push(pending), fail });
  }

  #sendWaiting(pending: PendingOperation, target: Target, signal: AbortSignal | undefined): Promise<void> {
    const { operation, bytes } = pending;
    const isWrite = operation.case !== 'get' && operation.case !== undefined;
    // Through a gateway each may wait for another group, and one answer has room for some entries only.
    if (isWrite && !answersEntry(operation) && !this.#caller.session.isOfGroups)
      return this.#shared.send(pending, operation.value);
    return this.#places.run(loadOf(bytes), () =>
      operation.case === 'get' && isLone(operation.value)
        ? sendLoneGet(this.#caller, pending, this.#patient(operation.value), signal)
        : this.#alone.send([pending], target),
    );
  }

  /** A Get with a fill lease, after what was called before except calls that may wait. */
  #fill(pending: PendingOperation, request: GetRequest, signal: AbortSignal | undefined): void {
    const send = async (): Promise<void> => {
      await this.#order.settled();
      await sendLoneGet(this.#caller, pending, request, signal);
    };
    this.#fills.run(loadOf(pending.bytes), send).catch(pending.fail);
  }

  /** The Get with this client's wait, where its caller asked for none. */
  #patient(request: GetRequest): GetRequest {
    return request.waitMs > 0 ? request : { ...request, waitMs: this.#waitMs };
  }

  /** True if a write of the key is not answered yet. */
  hasWrite(key: string): boolean {
    return this.#writes.has(key);
  }

  /** A read of a key with a write under way goes after it, wherever other reads go. */
  #targetOf(key: string): Target {
    return this.#writes.has(key) ? 'master' : this.#readFrom;
  }

  /** Sends after what was called before; later calls wait for it only if it keeps their keys. */
  #aside({ keys, keepsKeys, bytes, send, fail }: Aside): void {
    const launch = async (): Promise<void> => {
      const sent = send()
        .catch(fail)
        .finally(() => {
          this.#underWay.delete(sent);
          if (keepsKeys) this.#keys.leave(turn);
        });
      this.#underWay.add(sent);
    };
    const begin = (): void => this.#order.push({ kind: 'alone', bytes, begin: launch });
    const turn = { keys, keepsKeys, begin, fail };
    this.#keys.enter(turn);
  }

  async #sendAtomic(
    request: BatchRequest,
    signal: AbortSignal | undefined,
    sending: Sending,
  ): Promise<BatchResponse> {
    if (signal?.aborted === true) throw givenUp('not_done');
    const waits = request.operations.map(({ operation }) => waitMsOf(operation));
    const waitMs = Math.max(receiptWaitMs(request), ...waits);
    const isWrite = request.operations.some(({ operation }) => writeOf(operation) !== undefined);
    const [first] = request.operations;
    const key = first === undefined ? '' : keyOf(first.operation);
    const all = getsOf(request);
    const gets = all.filter(({ atLeast }) => atLeast === undefined);
    try {
      for (const get of gets) await this.#caller.prove(get.key);
      const { token } = this.#caller.session;
      if (token !== undefined) for (const get of gets) get.atLeast = token;
      const answer = await this.#caller.named(this.#atomicNames, isWrite ? [request] : [], key, () =>
        this.#caller.run(
          {
            rpc: 'Batch',
            operations: request.operations.length,
            target: 'master',
            isRepeatable: !isWrite || hasName(request),
            isRead: !isWrite,
            waitMs,
            signal,
            isOfSession: true,
          },
          (sent) => {
            sending.isSent = true;
            return sent.link.store.batch(request, sent.options);
          },
        ),
      );
      this.#caller.session.observeWrite(answer.position);
      return answer;
    } catch (error) {
      if (ownerNamedBy(error) !== undefined) {
        // Nothing was done: another group has neither this name nor these positions.
        this.#atomicNames.takeBack(request);
        for (const get of gets) get.atLeast = undefined;
        throw error;
      }
      // Which position was discarded is not said: one of a Get that brought its own is not the session's.
      if (gets.length === all.length) this.#caller.onError(error as CallError, gets[0]?.atLeast);
      // If it cannot be encoded nothing was sent, and the caller is told why.
      let reason = toCallError(error, { outcome: 'unknown', address: '', attempts: 1 });
      const fail = (why: CallError): void => {
        reason = why;
      };
      request.operations.every(({ operation }) => isEncodable({ operation, fail }));
      throw reason;
    }
  }

  #pendingOf(
    operation: Operation,
    signal: AbortSignal | undefined,
    resolve: (value: Value) => void,
    reject: (error: CallError) => void,
  ): PendingOperation {
    const isWrite = writeOf(operation) !== undefined;
    const key = keyOf(operation);
    const isCounted = isWrite && this.#countsWrites;
    if (isCounted) this.#writes.set(key, (this.#writes.get(key) ?? 0) + 1);
    const end = (): void => {
      signal?.removeEventListener('abort', onAbort);
      if (isCounted) this.#uncount(key);
    };
    const pending: PendingOperation = {
      kind: 'operation',
      operation,
      bytes: sizeOf(operation),
      isAbortable: signal !== undefined,
      isGivenUp: false,
      onGivenUp: undefined,
      isSent: false,
      settle: (value, included) => {
        end();
        this.#observe(value, included);
        resolve(value);
      },
      fail: (error) => {
        end();
        reject(error);
      },
    };
    const onAbort = (): void => {
      pending.isGivenUp = true;
      pending.onGivenUp?.();
      reject(givenUp(isWrite && pending.isSent ? 'unknown' : 'not_done'));
      if (!pending.isSent) end();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    return pending;
  }

  #uncount(key: string): void {
    const left = (this.#writes.get(key) ?? 1) - 1;
    if (left === 0) this.#writes.delete(key);
    else this.#writes.set(key, left);
  }

  #observe(answer: object, included: Position | undefined): void {
    const { asOf, position } = answer as { asOf?: never; position?: never };
    if (asOf === undefined) this.#caller.session.observeWrite(position);
    else this.#caller.session.observe(asOf, included);
  }
}
