/**
 * A client of a node, of a group of nodes, or of a whole cluster. It batches calls by itself: calls of one
 * turn of the event loop, and calls made while a Batch is under way, are sent together in
 * the next. Operations take effect in the order of their calls, and a Get sees the Sets
 * called before it. A Batch is not atomic: each call has its own result or error.
 *
 * What can be repeated is: reads, writes (which have names, so that they are carried out
 * once) and whatever was refused with nothing done. Errors are `CallError`s, which say
 * whether the call was carried out.
 */
import { create } from '@bufbuild/protobuf';
import {
  type AwaitDurableResponse,
  BatchRequestSchema,
  type BatchResponse,
  type DeleteResponse,
  type ExplainResponse,
  type GetResponse,
  type GetUpdatesResponse,
  type IncrementResponse,
  type SetResponse,
  type TouchResponse,
  type WatchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { closedError } from './caller.ts';
import { checkAtomic, checkExplain, checkGet, checkGetUpdates } from './check-calls.ts';
import { type ClientSeams, limitsOf, type WalnutClientOptions } from './client-options.ts';
import type { Codec } from './codecs.ts';
import { beginOperation, tellOperation, tellRetry } from './diagnostics.ts';
import { givenUp } from './failures.ts';
import { type FillClient, type Load, Loads } from './get-or-set.ts';
import { Iteration } from './iteration.ts';
import { KeyMap } from './key-map.ts';
import type { Keys } from './keys.ts';
import type { GetOrSetOptions } from './load-plan.ts';
import type { NearStats } from './near-cache.ts';
import { openKeys } from './open-keys.ts';
import {
  type AtomicOperation,
  type AtomicOptions,
  type AwaitDurableOptions,
  type CallOptions,
  type DeleteOptions,
  type GetOptions,
  type GetUpdatesOptions,
  type IncrementOptions,
  operationOf,
  type SetOptions,
  type TouchOptions,
  toMessages,
} from './operations.ts';
import {
  checkCount,
  checkDeletePrefix,
  checkScan,
  type DeletePrefixOptions,
  type ScanOptions,
} from './paged-calls.ts';
import type { Session } from './session.ts';
import { tellProgram } from './tell-program.ts';
import { checkAwaitDurable } from './wait-durable.ts';
import { checkWatch, type WatchOptions, type WatchTarget } from './watch.ts';

const TIMEOUT_MS = 10_000;
const ATTEMPT_MS = 1_000;
const WAIT_MS = 1_000;

export type { WalnutClientOptions } from './client-options.ts';

export class WalnutClient implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #keys: Keys;
  readonly #loads: Loads;
  readonly #closed = new AbortController();

  /** `connect` gives the seams. */
  constructor(options: WalnutClientOptions, seams: ClientSeams) {
    const { onRetry } = options;
    this.#clock = seams.clock;
    const { timeoutMs = TIMEOUT_MS, attemptMs = ATTEMPT_MS, waitMs = WAIT_MS, near } = options;
    const { readFrom = 'master', namedWrites: namesWrites = true } = options;
    this.#keys = openKeys(options, seams, {
      ...{ clock: seams.clock, random: seams.random, limits: limitsOf(options), readFrom, near },
      ...{ timeoutMs, attemptMs, waitMs, namesWrites, closed: this.#closed.signal },
      onRetry: (told, error) => {
        tellRetry(told, error);
        tellProgram(onRetry, told, error);
      },
    });
    const client: FillClient = {
      get: (key, given) => this.#get(key, given),
      set: (key, value, given: SetOptions & CallOptions) =>
        this.#call('set', given, key, value) as Promise<SetResponse>,
      sessionOf: (key) => this.#keys.sessionOf(key),
      closed: this.#closed.signal,
    };
    this.#loads = new Loads({ client, clock: this.#clock, random: seams.random });
  }

  /** What this client has written and read; of a cluster a copy, of all groups. */
  get session(): Session {
    return this.#keys.session;
  }

  /**
   * Reads one key from a state that includes everything the session has seen;
   * `found: false` if the key is missing. Rejects with UNAVAILABLE if no node
   * reaches that state in time, and with DATA_LOSS if none ever will.
   *
   * With `fillLeaseMs` the master is called, alone and after what was called before: it may
   * wait for another caller, and 64 such calls are under way at once. Where the answer has
   * `fillLease`, this caller is to fill the key, by a `set` with the condition `ifFillLease`.
   */
  get(key: string, options: GetOptions & CallOptions = {}): Promise<GetResponse> {
    return this.#told('get', this.#get(key, options));
  }

  /** What the near cache has and did; undefined if there is none. */
  get nearStats(): NearStats | undefined {
    return this.#keys.nearStats;
  }

  /**
   * The value of `key` as `codec` decodes it. One that is missing is loaded and stored for
   * `ttlMs`: by one caller at a time, of this process and of all others that read through
   * the same group (`get-or-set.ts`). Undefined where `load` gives nothing.
   */
  getOrSet<T>(
    key: string,
    load: Load<T>,
    options: GetOrSetOptions & { readonly codec: Codec<T> },
  ): Promise<T | undefined> {
    return this.#run('getOrSet', () => this.#loads.getOrSet(key, load, options));
  }

  /** The keys that begin with `prefix` as a map of typed values. */
  map<T>(prefix: string, codec: Codec<T>): KeyMap<T> {
    return new KeyMap(this, prefix, codec);
  }

  /** Writes one key; `applied: false` if a condition was not met. Do not change `value` before the call is settled. */
  set(key: string, value: Uint8Array, options: SetOptions & CallOptions = {}): Promise<SetResponse> {
    return this.#told('set', this.#call('set', options, key, value) as Promise<SetResponse>);
  }

  /** Deletes one key; `deleted: false` if it was missing or a condition was not met. */
  delete(key: string, options: DeleteOptions & CallOptions = {}): Promise<DeleteResponse> {
    return this.#told('delete', this.#call('delete', options, key) as Promise<DeleteResponse>);
  }

  /**
   * Adds `delta`, 1 by default, to the number that the value is. Rejects with
   * FAILED_PRECONDITION if it is no number, with OUT_OF_RANGE if the sum exceeds 64 bits.
   * `leftOut`: the sum is not shown to a user who may not read the key.
   */
  increment(key: string, options: IncrementOptions & CallOptions = {}): Promise<IncrementResponse> {
    return this.#told('increment', this.#call('increment', options, key) as Promise<IncrementResponse>);
  }

  /** Gives an entry another deadline and leaves its value and version; `touched: false` if the key is missing. */
  touch(key: string, options: TouchOptions & CallOptions): Promise<TouchResponse> {
    return this.#told('touch', this.#call('touch', options, key) as Promise<TouchResponse>);
  }

  /**
   * Runs all operations or none, in the order of the calls of this client. `committed:
   * false` if a condition was not met: then only those operations have a result.
   * Rejects, with nothing written, if one is refused; the message names its index.
   */
  atomic(
    operations: readonly AtomicOperation[],
    options: AtomicOptions & CallOptions = {},
  ): Promise<BatchResponse> {
    return this.#run('atomic', () => {
      checkAtomic(options);
      const { signal, ...fields } = options;
      const messages = toMessages(operations);
      const request = create(BatchRequestSchema, { ...fields, atomic: true, operations: messages });
      return this.#keys.atomic(request, signal);
    });
  }

  /**
   * Deletes every entry whose key begins with `prefix`, call after call, after what was
   * called before. Resolves with how many there were; keys written meanwhile may stay.
   */
  deletePrefix(prefix: string, options: DeletePrefixOptions & CallOptions = {}): Promise<number> {
    return this.#run('deletePrefix', () => {
      checkDeletePrefix(prefix, options);
      return this.#keys.deletePrefix(prefix, options);
    });
  }

  /**
   * Resolves with how many entries have a key that begins with `prefix`, after what was called
   * before. Only numbers are sent; keys written meanwhile may be counted or not.
   */
  count(prefix: string, options: CallOptions = {}): Promise<number> {
    return this.#run('count', () => {
      checkCount(prefix, options);
      return this.#keys.count(prefix, options);
    });
  }

  /**
   * Gives every entry whose key begins with `prefix`, in no order, a page per call and
   * after what was called before; entries written meanwhile may be missing. `limit` is
   * the length of a page. All pages come from one node: rejects where that goes away, and
   * where `signal` aborts or this client is closed, at once.
   */
  scan(prefix: string, options: ScanOptions & CallOptions = {}): AsyncGenerator<Entry, void, undefined> {
    return new Iteration({
      open: (ends) => this.#scanned(prefix, options, ends),
      signals: [options?.signal, this.#closed.signal],
      begin: () => beginOperation(this.#clock, 'scan'),
    });
  }

  /**
   * Waits until a position is as durable as requested: `options.position`, or else the
   * position of the session, after what was called before. Running out of time is no
   * error: the answer says what was reached. Rejects with INVALID_ARGUMENT if the session
   * has no position, and with DATA_LOSS if the position belongs to a discarded history.
   */
  awaitDurable(options: AwaitDurableOptions & CallOptions = {}): Promise<AwaitDurableResponse> {
    return this.#run('awaitDurable', () => {
      checkAwaitDurable(options);
      return this.#keys.awaitDurable(options);
    });
  }

  /**
   * One page of the log: the durable records after `options.after`, or from the beginning.
   * Continue with `last` of the answer. Rejects with OUT_OF_RANGE if the log no longer has
   * them. `watch` gives changes as they happen.
   */
  getUpdates(options: GetUpdatesOptions & CallOptions = {}): Promise<GetUpdatesResponse> {
    return this.#run('getUpdates', () => {
      checkGetUpdates(options);
      return this.#keys.getUpdates(options);
    });
  }

  /** What a node knows of a key, and what became of it; `changes`: how many of the last ones. */
  explain(key: string, changes = 0, options: CallOptions = {}): Promise<ExplainResponse> {
    return this.#run('explain', () => {
      checkExplain(key, changes, options);
      return this.#keys.explain(key, changes, options.signal);
    });
  }

  /**
   * Tells every change of `what` once and in order, from now on unless `options.from`
   * says otherwise, and goes on by itself, at another node if need be; each message ends
   * at the end of a record. Ends when `signal` aborts, and with `close`, and with its `return`, at
   * once. Throws what going on cannot mend (`resuming-watch.ts`).
   */
  watch(what: WatchTarget, options: WatchOptions = {}): AsyncGenerator<WatchResponse, void, undefined> {
    this.#checkOpen();
    checkWatch(what, options);
    return new Iteration({
      open: (signal) => this.#keys.watch(what, { ...options, signal }),
      signals: [options.signal, this.#closed.signal],
      begin: () => beginOperation(this.#clock, 'watch'),
    });
  }

  /** Refuses further calls, ends watches, and resolves when all earlier ones are settled. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#loads.close();
    await this.#keys.settled();
    await this.#keys.close();
  }

  /** So that `await using client = connect(…)` closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs `work`, unless this client is closed. */
  #run<T>(method: string, work: () => Promise<T>): Promise<T> {
    const begin = async (): Promise<T> => {
      this.#checkOpen();
      return work();
    };
    return this.#told(method, begin());
  }

  #told<T>(method: string, result: Promise<T>): Promise<T> {
    return tellOperation(this.#clock, method, result);
  }

  /** Throws what is wrong with the arguments into its promise. */
  async #get(key: string, options: GetOptions & CallOptions): Promise<GetResponse> {
    this.#checkOpen();
    checkGet(key, options);
    return this.#keys.get(key, options);
  }

  async #call(
    kind: 'set' | 'delete' | 'increment' | 'touch',
    options: CallOptions,
    key: string,
    value?: Uint8Array,
  ): Promise<unknown> {
    this.#checkOpen();
    return this.#keys.call(operationOf(kind, options, key, value), options.signal);
  }

  async *#scanned(
    prefix: string,
    options: ScanOptions & CallOptions,
    signal: AbortSignal,
  ): AsyncGenerator<Entry, void, undefined> {
    this.#checkOpen();
    checkScan(prefix, options);
    try {
      for await (const entry of this.#keys.scan(prefix, { ...options, signal })) {
        if (signal.aborted) throw givenUp('not_done');
        yield entry;
      }
    } catch (error) {
      this.#checkOpen();
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw closedError();
  }
}
