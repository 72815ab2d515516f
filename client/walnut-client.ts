/**
 * A client of a group of nodes, or of one node. It batches calls by itself: calls of one
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
  ExplainRequestSchema,
  type ExplainResponse,
  type GetResponse,
  GetUpdatesRequestSchema,
  type GetUpdatesResponse,
  type IncrementResponse,
  type SetResponse,
  type TouchResponse,
  type WatchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import type { Clock } from '#platform/clock.ts';
import type { Told } from '#routing/failure.ts';
import { GroupRoutes, type ReadPolicy } from '#routing/group-routes.ts';
import { Router } from '#routing/router.ts';
import { addressesOf, isByTls } from './addresses.ts';
import { checkKey, checkNames, isSignal, type OptionNames, optionNames } from './call-options.ts';
import { Caller, type CallKind, closedError } from './caller.ts';
import { type ClientSeams, limitsOf, type WalnutClientOptions } from './client-options.ts';
import type { Codec } from './codecs.ts';
import { tellOperation, tellRetry } from './diagnostics.ts';
import { Dispatcher } from './dispatcher.ts';
import { type GetOrSetOptions, type Load, Loads } from './get-or-set.ts';
import { KeyMap } from './key-map.ts';
import { NearCache, type NearStats } from './near-cache.ts';
import { NodeLinks, type NodeStub } from './node-links.ts';
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
import { type DeletePrefixOptions, deletePages, type ScanOptions, scanPages } from './paged-calls.ts';
import { Session } from './session.ts';
import { waitDurable } from './wait-durable.ts';
import { openWatch, type WatchOptions, type WatchTarget } from './watch.ts';

const TIMEOUT_MS = 10_000;
const ATTEMPT_MS = 1_000;
const WAIT_MS = 1_000;
const ATOMIC = optionNames(BatchRequestSchema, ['operations', 'atomic'], ['signal']);
const GET_UPDATES = optionNames(GetUpdatesRequestSchema, [], ['signal']);
const EXPLAIN = optionNames(ExplainRequestSchema, ['key']);
const CALL: OptionNames = new Map([['signal', 'signal']]);

export type { WalnutClientOptions } from './client-options.ts';

const READ: Pick<CallKind, 'isRepeatable' | 'waitMs'> = { isRepeatable: true, waitMs: 0 };

/** True for a Get of nothing but the value. One with wrong options goes to where they are refused. */
function isPlain(options: GetOptions & CallOptions): boolean {
  if (typeof options !== 'object' || options === null) return false;
  for (const name in options) if (name !== 'signal') return false;
  return options.signal === undefined || isSignal(options.signal);
}

export class WalnutClient implements AsyncDisposable {
  readonly session: Session;
  readonly #clock: Clock;
  readonly #caller: Caller;
  readonly #router: Router<NodeStub>;
  readonly #links: NodeLinks;
  readonly #calls: Dispatcher;
  readonly #readFrom: ReadPolicy;
  readonly #loads: Loads;
  readonly #near: NearCache | undefined;
  readonly #closed = new AbortController();

  /** `connect` gives the seams. */
  constructor(options: WalnutClientOptions, { open, clock, random }: ClientSeams) {
    const { session = new Session(), timeoutMs = TIMEOUT_MS, attemptMs = ATTEMPT_MS, token } = options;
    const { waitMs = WAIT_MS, readFrom = 'master', namedWrites = true, onRetry, near } = options;
    const addresses = addressesOf(options);
    const limits = limitsOf(options);
    const isTls = addresses.some(isByTls);
    // A credential goes in clear text only to nodes that the caller named.
    const mayFollow = (): boolean => options.addresses !== undefined && (isTls || token === undefined);
    const routes = new GroupRoutes({ addresses, mayFollow });
    this.session = session;
    this.#readFrom = readFrom;
    this.#links = new NodeLinks(open, isTls);
    for (const address of addresses) this.#links.linkTo(address);
    const retried = (told: Told, error: unknown): void => {
      tellRetry(told, error);
      onRetry?.(told, error);
    };
    this.#clock = clock;
    this.#router = new Router({ routes, links: this.#links, clock, random, onRetry: retried });
    const router = this.#router;
    this.#caller = new Caller({ clock, router, session, timeoutMs, attemptMs, namesWrites: namedWrites });
    this.#calls = new Dispatcher({
      caller: this.#caller,
      random,
      limits,
      readFrom,
      waitMs,
      countsWrites: near !== undefined,
    });
    this.#loads = new Loads(this, clock);
    const probe = (key: string): Promise<GetResponse> => this.#caller.ask(key, readFrom);
    const client = { watch: this.watch.bind(this), read: probe };
    this.#near = near && new NearCache(client, clock, near, this.#closed.signal);
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
    const read = (): Promise<GetResponse> => this.#call('get', options, key) as Promise<GetResponse>;
    const near = this.#near?.covers(key) === true && isPlain(options);
    // A read that asks for more than the value, or comes after a write that is not answered, goes to a node.
    const isNear = near && !this.#calls.hasWrite(key) && !this.#closed.signal.aborted;
    // The watch of a near cache is of one group.
    const isProven = this.session.unproven.length === 0 && !this.session.isOfGroups;
    return this.#told('get', isNear && isProven ? this.#near.get(key, this.session.required, read) : read());
  }

  /** What the near cache has and did; undefined if there is none. */
  get nearStats(): NearStats | undefined {
    return this.#near?.stats;
  }

  /**
   * The value of `key` as `codec` decodes it. One that is missing is loaded and stored for
   * `ttlMs`: by one caller at a time, of this process and of all others that read through
   * the same group (`get-or-set.ts`). Undefined where `load` gives nothing.
   */
  async getOrSet<T>(
    key: string,
    load: Load<T>,
    options: GetOrSetOptions & { readonly codec: Codec<T> },
  ): Promise<T | undefined> {
    this.#checkOpen();
    return this.#loads.getOrSet(key, load, options);
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
      checkNames(options, ATOMIC);
      const { signal, ...fields } = options;
      const messages = toMessages(operations);
      const request = create(BatchRequestSchema, { ...fields, atomic: true, operations: messages });
      return this.#calls.atomic(request, signal);
    });
  }

  /**
   * Deletes every entry whose key begins with `prefix`, call after call, after what was
   * called before. Resolves with how many there were; keys written meanwhile may stay.
   */
  deletePrefix(prefix: string, options: DeletePrefixOptions & CallOptions = {}): Promise<number> {
    const work = () => deletePages(this.#caller, prefix, options);
    return this.#run('deletePrefix', () => this.#calls.afterEarlier(work));
  }

  /**
   * Gives every entry whose key begins with `prefix`, in no order, a page per call and
   * after what was called before; entries written meanwhile may be missing. `limit` is
   * the length of a page. All pages come from one node: rejects where that goes away.
   */
  async *scan(
    prefix: string,
    options: ScanOptions & CallOptions = {},
  ): AsyncGenerator<Entry, void, undefined> {
    this.#checkOpen();
    await this.#calls.afterEarlier(async () => undefined);
    yield* scanPages(this.#caller, this.#readFrom, prefix, options);
  }

  /**
   * Waits until a position is as durable as requested: `options.position`, or else the
   * position of the session, after what was called before. Running out of time is no
   * error: the answer says what was reached. Rejects with INVALID_ARGUMENT if the session
   * has no position, and with DATA_LOSS if the position belongs to a discarded history.
   */
  awaitDurable(options: AwaitDurableOptions & CallOptions = {}): Promise<AwaitDurableResponse> {
    const work = () => waitDurable(this.#caller, options);
    return this.#run('awaitDurable', () => this.#calls.afterEarlier(work));
  }

  /**
   * One page of the log: the durable records after `options.after`, or from the beginning.
   * Continue with `last` of the answer. Rejects with OUT_OF_RANGE if the log no longer has
   * them. `watch` gives changes as they happen.
   */
  getUpdates(options: GetUpdatesOptions & CallOptions = {}): Promise<GetUpdatesResponse> {
    return this.#run('getUpdates', () => {
      checkNames(options, GET_UPDATES);
      const { signal, ...fields } = options;
      const kind = { ...READ, rpc: 'GetUpdates', target: this.#readFrom, signal };
      return this.#caller.run(kind, ({ link, options: sent }) => link.store.getUpdates(fields, sent));
    });
  }

  /** What a node knows of a key, and what became of it; `changes`: how many of the last ones. */
  explain(key: string, changes = 0, options: CallOptions = {}): Promise<ExplainResponse> {
    return this.#run('explain', () => {
      checkKey(key);
      checkNames({ changes }, EXPLAIN);
      checkNames(options, CALL);
      const kind = { ...READ, rpc: 'Explain', target: this.#readFrom, signal: options.signal };
      return this.#caller.run(kind, ({ link, options: sent }) => link.store.explain({ key, changes }, sent));
    });
  }

  /**
   * Tells every change of `what` once and in order, from now on unless `options.from`
   * says otherwise, and goes on by itself, at another node if need be; each message ends
   * at the end of a record. Ends when `signal` aborts, and with `close`. Throws what going
   * on cannot mend (`resuming-watch.ts`).
   */
  watch(what: WatchTarget, options: WatchOptions = {}): AsyncIterable<WatchResponse> {
    return openWatch(
      { router: this.#router, clock: this.#clock, readFrom: this.#readFrom },
      what,
      options,
      this.#closed.signal,
    );
  }

  /** Refuses further calls, ends watches, and resolves when all earlier ones are settled. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#calls.settled();
    await this.#near?.ended();
    this.#links.close();
  }

  /** So that `await using client = connect(…)` closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Does `work` unless this client is closed. */
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

  async #call(
    kind: 'get' | 'set' | 'delete' | 'increment' | 'touch',
    options: CallOptions,
    key: string,
    value?: Uint8Array,
  ): Promise<unknown> {
    this.#checkOpen();
    return this.#calls.call(operationOf(kind, options, key, value), options.signal);
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw closedError();
  }
}
